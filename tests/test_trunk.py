"A discovery on a pretrained backbone, and one with the paper's networks and losses."
import pytest, torch
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

def test_a_frozen_trunk_does_not_change(heads_set, runs):
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
