"A discovery on a pretrained trunk, and the paper's own form beside it."
import numpy as np, pytest, torch
from lmdisc.datasets.heads import heads
from lmdisc.discovery import discover, profile
from lmdisc.landmarks import LandmarkDetector
from lmdisc.measures import FORMS
from lmdisc.trunks import open_trunk

def asked(changes=None): return discover(heads(24, 8, size=64), profile("smoke", changes or {}))

@pytest.fixture(scope="module")
def found(): return asked()

def test_its_detector_is_saved_and_loaded(found, tmp_path):
    found.detector.save(tmp_path)
    again = LandmarkDetector.load(tmp_path)
    np.testing.assert_array_equal(again.predict(found.test)[0], found.detector.predict(found.test)[0])

def test_same_seed_same_result(found): np.testing.assert_array_equal(asked().found[1], found.found[1])

def test_a_trunk_that_stays_as_it_is_does():
    start = dict(open_trunk("xfeat").named_parameters())
    learned = asked({"learning1.trunk": 0.0, "learning1.weight_decay": 0.0}).correspondence.net.backbone.trunk.named_parameters()
    assert all(torch.equal(p.cpu(), start[name]) for name, p in learned)

def test_the_papers_form_runs_from_nothing(found):
    "K-means, the margin and an hourglass: selectable as one."
    paper = asked(FORMS["paper"][1])
    assert not hasattr(paper.correspondence.net.backbone, "trunk") and paper.config.stage1.grouping == "kmeans"
    assert paper.correspondence.history != found.correspondence.history

def test_the_profile_for_a_gpu_runs_without_one():
    "Its networks and its size, and a few steps."
    few = {"data.n_images": 8, "stage1.clusters": 4, "stage1.warmup_steps": 1, "stage1.round_steps": 1, "stage1.rounds": 1, "stage1.batch": 2,
           "stage2.steps": 3, "stage2.batch": 2, "stage2.merge_from": 1, "stage2.merge_every": 1, "stage2.settled": 1, "initial.detector": "xfeat", "stage1.threshold": 0.0}
    small = discover(heads(24, 8, size=64), profile("gpu", few))
    assert small.train.size == 256 and small.config.net.norm == "group" and small.detector.K
    with pytest.raises(ValueError, match="finds no point in 8 pictures; train longer"):
        discover(heads(24, 8, size=64), profile("gpu", few | {"stage1.threshold": 0.999}))

@pytest.mark.parametrize("wrong, message", [
    ({"net.trunk": "resnet"}, "there is no trunk 'resnet'"), ({"net.trunk": "hourglass"}, "keep needs a pretrained trunk"),
    ({"net.descriptor": 32}, "64 channels, not 32"), ({"stage1.grouping": "trees"}, "grouping is 'kmeans' or 'chains', not 'trees'"),
    ({"stage1.loss": "l1"}, "loss is 'margin' or 'softmax', not 'l1'"), ({"stage2.threshold": "half"}, "threshold is one of confident, groups")])
def test_a_choice_that_is_none_is_named(wrong, message):
    with pytest.raises(ValueError, match=message): asked(wrong)
