"Stage 2 on labels from a shape: interrupted and resumed; what predict, pose and the table of poses give."
from dataclasses import replace
from types import SimpleNamespace
import numpy as np, pytest, torch
from lmdisc.discovery import discover
from lmdisc.method import stage2
from lmdisc.method.detector import LandmarkDetector
from lmdisc.method.stage2 import learn_landmarks
from lmdisc.nets.networks import CorrespondenceNet
from lmdisc.nets.training import Trainer
from lmdisc.use.chosen import drop
from lmdisc.use.estimator import pose_rows
from torch.overrides import TorchFunctionMode
from conftest import guided_heads, small_config

@pytest.fixture(scope="module")
def train(heads_set): return heads_set.split("train").crops(64, progress=False)

def learned(train, checkpoint=None):
    "A few steps, with the shape fitted again in between."
    config = small_config()
    stage = replace(config.stage2, steps=9, merge_from=3, merge_every=3)
    torch.manual_seed(0)
    guided = guided_heads(train, stage)
    return learn_landmarks(train, guided, CorrespondenceNet(config.net), stage, config.learning2, checkpoint=checkpoint, every=1)

@pytest.fixture(scope="module")
def whole(train): return learned(train)

@pytest.fixture(scope="module")
def detector(whole): return LandmarkDetector(whole[0], 64, threshold=.5, shape=whole[2])

@pytest.mark.parametrize("round", [1, 2])
def test_stopped_between_rounds_it_goes_on_to_the_same_end(train, whole, round, tmp_path, monkeypatch):
    rounds, real = [], stage2.detect
    def stops(*given):
        rounds.append(1)
        if len(rounds) == round: raise KeyboardInterrupt
        return real(*given)
    monkeypatch.setattr(stage2, "detect", stops)
    with pytest.raises(KeyboardInterrupt): learned(train, tmp_path/"checkpoint.safetensors")
    monkeypatch.setattr(stage2, "detect", real)
    steps, step = [], Trainer.one_step
    monkeypatch.setattr(Trainer, "one_step", lambda *given: steps.append(1) or step(*given))
    psi, history, shape = learned(train, tmp_path/"checkpoint.safetensors")
    assert len(steps) == 9 - (3 * round - 1)               # from the last checkpoint on, which is before the end of a round
    assert history == whole[1] and torch.equal(shape.xyz, whole[2].xyz)
    for name, value in psi.state_dict().items(): assert torch.equal(value, whole[0].state_dict()[name]), name

def test_every_landmark_has_a_place_and_a_score(detector, train):
    xy, score = detector.predict(train)
    assert xy.shape == (24, detector.K, 2) and np.isfinite(xy).all() and ((score >= 0) & (score <= 1)).all()
    np.testing.assert_array_equal(np.isnan(detector.seen(xy, score)).any(-1), score < detector.threshold)

def test_the_pose_survives_saving_and_choosing(detector, train, tmp_path):
    pose = detector.pose(train)
    assert set(pose) == {"yaw", "pitch", "roll", "scale", "misfit"} and all(np.isfinite(v).all() and v.shape == (24,) for v in pose.values())
    detector.save(tmp_path)
    for other in (LandmarkDetector.load(tmp_path), drop(detector, [0])):
        for name, value in other.pose(train).items(): np.testing.assert_allclose(value, pose[name], atol=1e-6)
    for name, value in detector.pose(train, detector.predict(train)).items(): np.testing.assert_array_equal(value, pose[name])

def test_poses_as_a_table(detector, heads_set):
    table = pose_rows(detector, heads_set.take(range(5)))
    assert list(table) == ["picture", "yaw", "pitch", "roll", "scale", "misfit"] and len(table) == 5

def test_a_detector_without_a_shape_says_so(whole, train):
    with pytest.raises(ValueError, match="no shape in space"): LandmarkDetector(whole[0], 64).pose(train)

def test_landmarks_may_be_given_in_pixels_of_the_pictures(detector, heads_set, train):
    some = heads_set.split("train")
    for name, value in detector.pose(some, detector.predict(some)).items(): np.testing.assert_allclose(value, detector.pose(some)[name], atol=1e-3)
    with pytest.raises(ValueError, match="landmarks of 3 pictures were given for 24"): detector.pose(train, [v[:3] for v in detector.predict(train)])

def test_a_gap_leaves_the_misfit_of_a_picture_known(detector, train):
    xy, score = detector.predict(train)
    xy[0, 0] = np.nan
    assert np.isfinite(detector.pose(train, (xy, score))["misfit"]).all()

def test_two_pictures_say_that_there_is_no_shape(heads_set):
    with pytest.warns(UserWarning, match="a shape needs 10 pictures"): found = discover(heads_set.take([0, 1]), small_config())
    assert found.shape is None and found.found[0].shape == (2, found.detector.K, 2)

def test_maps_that_do_not_know_what_is_hidden_are_refused(heads_set):
    with pytest.raises(ValueError, match="not 'heat': set net.maps to 'where'"): discover(heads_set, small_config(**{"net.maps": "heat"}))

def test_a_picture_that_fits_badly_says_why(train, heads_set):
    "The only one turned so far, with the box moved beyond the frame and half of the landmarks hidden."
    from lmdisc.explore.report import worst_fits
    images = heads_set.split("train")
    boxes = images.boxes.copy()
    boxes[3] += [-40, 0, -40, 0]
    N, odd = len(train), np.arange(len(train)) == 3
    pose = dict(misfit=np.where(odd, .5, .01), yaw=np.where(odd, 80., 0), pitch=np.zeros(N), roll=np.zeros(N), scale=np.ones(N))
    knows = SimpleNamespace(pose=lambda crops, found: pose, threshold=.5)
    score = np.where(odd[:, None], [1., 0, 0], 1.)
    found = SimpleNamespace(shape=True, detector=knows, train=train, test=None, found=[np.zeros((N, 3, 2)), None], score=[score, None])
    fit, = worst_fits(found, replace(images, boxes=boxes))
    assert (fit["name"], fit["misfit"]) == (images.name(3), .5) and fit["uri"].startswith("data:image/jpeg")
    assert fit["why"] == "the box is cut off by the frame; 1 landmark in sight, where 3 are usual; yaw 80°, where 0° to 0° is usual"

class NoDoubles(TorchFunctionMode):
    "An error where a number of double precision is made on a device, or moved to one: Apple's has none."
    def __torch_function__(self, func, types, args=(), kwargs=None):
        out, kwargs = func(*args, **(kwargs or {})), kwargs or {}
        to_device = kwargs.get("device") is not None or func is torch.Tensor.to and isinstance(args[1], (torch.device, str))
        assert not (to_device and isinstance(out, torch.Tensor) and out.dtype == torch.float64), func
        return out

def test_no_double_goes_to_a_device(heads_set, train):
    with NoDoubles():
        with pytest.raises(AssertionError): torch.zeros(1).double().to(torch.device("cpu"))
        found = discover(heads_set, small_config(**{"stage1.warmup_steps": 1, "stage1.round_steps": 1, "stage1.rounds": 1, "stage2.steps": 4,
                                                    "stage2.merge_from": 2, "stage2.merge_every": 2, "stage2.shape": True}))
        found.detector.predict(found.test)
        learned(train)                # labels from a shape
