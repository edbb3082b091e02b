"A discovery on a pretrained backbone, and one with the paper's networks and losses."
import json, shutil
import numpy as np, pytest, torch
from lmdisc.discovery import discover, find_correspondence, prepare
from lmdisc.config import profile
from lmdisc.lab.protocols import paper_form
from lmdisc.nets.detectors import at_hand
from lmdisc.nets.trunks import open_trunk
from conftest import small_config

@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    "A folder of kept runs: the generic keypoints of all these discoveries are the same."
    return tmp_path_factory.mktemp("runs")

def test_the_weights_of_a_frozen_trunk_do_not_change(heads_set, runs):
    start = dict(open_trunk("xfeat").named_parameters())
    found = find_correspondence(heads_set, small_config(**{"learning1.trunk": 0.0, "learning1.weight_decay": 0.0}), runs)
    learned = found.net.backbone.trunk.named_parameters()
    assert all(torch.equal(p.cpu(), start[name]) for name, p in learned)

def test_the_papers_networks_and_losses_run_from_random_weights(heads_set, found, runs):
    "K-means, the margin and an hourglass: selectable as one. XFeat stands for SuperPoint, whose weights need not be here."
    paper = discover(heads_set, small_config(**paper_form(name="smoke")), runs)
    assert not hasattr(paper.correspondence.net.backbone, "trunk") and paper.config.stage1.grouping == "kmeans"
    assert len(paper.start.centroids) == 100 and paper.shape is None
    in_sight = paper.score[1] >= paper.detector.threshold          # without a shape, what is not detected is missing
    assert paper.scores.coverage == in_sight.mean() < 1
    assert paper.correspondence.history != found.correspondence.history

def test_the_profile_for_a_gpu_runs_without_one(heads_set):
    "Its networks and its size, and a few steps."
    few = {"data.n_images": 8, "stage1.clusters": 4, "stage1.warmup_steps": 1, "stage1.round_steps": 1, "stage1.rounds": 1, "stage1.batch": 2,
           "stage2.steps": 3, "stage2.batch": 2, "stage2.merge_from": 1, "stage2.merge_every": 1, "initial.detector": "xfeat", "stage1.threshold": 0.0}
    small = discover(heads_set.take([*range(8), *range(24, 28)]), profile("gpu", few))
    assert small.train.size == 256 and small.config.net.norm == "group" and small.detector.K

def test_a_network_that_finds_nothing_says_so(heads_set, runs):
    with pytest.raises(ValueError, match="finds no point in 24 pictures; train longer"):
        find_correspondence(heads_set, small_config(**{"stage1.threshold": 0.999}), runs)

@pytest.mark.parametrize("wrong, message", [
    ({"net.trunk": "resnet"}, "there is no trunk 'resnet'"), ({"net.trunk": "hourglass"}, "keep needs a pretrained trunk"),
    ({"net.descriptor": 32}, "64 channels, not 32"), ({"stage1.grouping": "trees"}, "grouping is 'kmeans' or 'chains', not 'trees'"),
    ({"stage1.loss": "l1"}, "loss is 'margin' or 'softmax', not 'l1'")])
def test_an_unknown_option_is_an_error_that_names_it(heads_set, runs, wrong, message):
    with pytest.raises(ValueError, match=message): discover(heads_set, small_config(**wrong), runs)

@pytest.mark.skipif(not at_hand("superpoint"), reason="SuperPoint's weights are not here")
def test_the_papers_form_starts_from_superpoint(heads_set):
    few = {"initial.canvas": 64, "stage1.clusters": 8, "initial.least_score": 0.}
    start = prepare(heads_set, small_config(**paper_form() | few))
    assert len(start.centroids) == 8 and start.keypoints.descriptor.shape[1] == 256

# a vision transformer

MEAN, STD = [.4, .5, .6], [.2, .3, .4]

@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    "A tiny DINOv2 with random weights, in a folder."
    hf = pytest.importorskip("transformers", reason="transformers is not installed: pip install 'lmdisc[hf]'")
    folder = tmp_path_factory.mktemp("dino")
    torch.manual_seed(0)
    config = hf.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14)
    hf.Dinov2Backbone(config).save_pretrained(folder)
    (folder/"preprocessor_config.json").write_text(json.dumps(dict(image_mean=MEAN, image_std=STD)))
    return folder

def test_a_patch_covers_eight_pixels_whatever_its_size(dino):
    "A map moves by one cell with the picture, pictures may be of any size, and they are normalised as the model asks."
    trunk = open_trunk(f"hf:{dino}").eval()
    seen = []
    trunk.vit.net.register_forward_pre_hook(lambda net, x: seen.append(x[0]))
    picture = torch.tensor(MEAN)[:, None, None].expand(1, 3, 64, 160)
    fine, coarse = trunk(picture)
    assert (fine.shape, coarse.shape) == ((1, 48, 16, 40), (1, 32, 8, 20)) and seen[0].shape == (1, 3, 112, 280)
    assert seen[0].abs().max() < 1e-6 and fine.abs().max() < 1e-6
    trunk(picture + torch.tensor(STD)[:, None, None])
    torch.testing.assert_close(seen[1], torch.ones_like(seen[1]))

def test_a_vision_transformer_describes_points_but_finds_none(dino, heads_set):
    from lmdisc.config import profile
    from lmdisc.method.detection import describe_keypoints, detect_keypoints
    from lmdisc.method.stage1 import cluster_keypoints
    crops = heads_set.take(range(8)).crops(64)
    points = describe_keypoints(crops, detect_keypoints(crops, "xfeat", progress=False), f"hf:{dino}", progress=False)
    assert points.descriptor.shape == (len(points), 32)
    torch.testing.assert_close(points.descriptor.norm(dim=-1), torch.ones(len(points)))
    labels, centroids = cluster_keypoints(points, profile("smoke").stage1, 64, 0, None)
    assert centroids.shape[1] == 32 and len(labels)
    with pytest.raises(ValueError, match="finds none; find them with aliked"): detect_keypoints(crops, f"hf:{dino}")

@pytest.mark.parametrize("share", [0., .1])
def test_a_discovery_on_a_vision_transformer_is_saved_whole(dino, heads_set, runs, tmp_path, share):
    "Frozen, it does not change; the saved detector needs neither the folder nor the network."
    from lmdisc.use.chosen import load
    start = {k: v.clone() for k, v in open_trunk(f"hf:{dino}").named_parameters()}
    found = discover(heads_set, small_config(**{"net.trunk": f"hf:{dino}", "net.descriptor": 32, "learning1.trunk": share, "learning2.trunk": share}), runs)
    learned = found.detector.net.backbone.trunk.named_parameters()
    assert all(torch.equal(p.cpu(), start[name]) for name, p in learned) == (share == 0)
    found.detector.save(tmp_path/"detector")
    before = found.detector.predict(found.test)
    shutil.move(dino, away := dino.with_name("away"))
    try: after = load(tmp_path/"detector").predict(found.test)
    finally: shutil.move(away, dino)
    for a, b in zip(before, after): np.testing.assert_array_equal(a, b)

@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_an_incomplete_vision_transformer_is_refused(dino, tmp_path, missing):
    shutil.copytree(dino, tmp_path/"part")
    (tmp_path/"part"/missing).unlink()
    with pytest.raises(ValueError, match="part cannot be read as a vision transformer .* and preprocessor_config.json"): open_trunk(f"hf:{tmp_path/'part'}")

def test_a_network_without_patches_is_refused(dino, tmp_path):
    hf = pytest.importorskip("transformers")
    hf.ConvNextBackbone(hf.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1])).save_pretrained(tmp_path)
    shutil.copy(dino/"preprocessor_config.json", tmp_path)
    with pytest.raises(ValueError, match="cannot be read as a vision transformer"): open_trunk(f"hf:{tmp_path}")

def test_without_transformers_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ValueError, match=r"hf:some/model needs the package transformers .*pip install 'lmdisc\[hf\]'"): open_trunk("hf:some/model")
