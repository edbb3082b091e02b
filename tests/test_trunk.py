"A discovery on a trunk that already sees, as a user asks for one."
import numpy as np, pytest, torch
from lmdisc.datasets.heads import heads
from lmdisc.discovery import discover, profile
from lmdisc.landmarks import LandmarkDetector
from lmdisc.trunks import open_trunk

SEEING = {"net.trunk": "xfeat", "learning1.optimizer": "adamw", "learning2.optimizer": "adamw"}

@pytest.fixture(scope="module")
def found(): return discover(heads(24, 8, size=64), profile("smoke", SEEING | {"learning1.trunk": .1}))

def test_its_detector_is_saved_and_loaded(found, tmp_path):
    found.detector.save(tmp_path)
    again = LandmarkDetector.load(tmp_path)
    np.testing.assert_array_equal(again.predict(found.test)[0], found.detector.predict(found.test)[0])

def test_same_seed_same_result(found):
    again = discover(heads(24, 8, size=64), profile("smoke", SEEING | {"learning1.trunk": .1}))
    np.testing.assert_array_equal(again.found[1], found.found[1])

def test_a_trunk_that_stays_as_it_is_does():
    found = discover(heads(24, 8, size=64), profile("smoke", SEEING | {"learning1.trunk": 0.0, "learning1.weight_decay": 0.0}))
    start = dict(open_trunk("xfeat").named_parameters())
    learned = found.correspondence.net.backbone.trunk.named_parameters()
    assert all(torch.equal(p.cpu(), start[name]) for name, p in learned)

def test_a_trunk_that_is_none_is_named():
    with pytest.raises(ValueError, match="there is no trunk 'resnet'"):
        discover(heads(24, 8, size=64), profile("smoke", {"net.trunk": "resnet"}))
