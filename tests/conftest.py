"Small pictures and one small discovery, made once for all tests that look at them."
import multiprocessing
import numpy as np, pytest, torch

def small_heads():
    "24 rendered heads to learn from, 12 of other people."
    from lmdisc.datasets.rendered.heads import heads
    return heads(24, 12, size=64)

def small_config(seed=0, **changes):
    "The smallest profile, still smaller."
    from lmdisc.config import change, profile
    return change(profile("smoke", seed=seed), {"data.n_images": 24} | changes)

BRIEF = {                             # a checkpoint after every step, and few of them
    "save_every": 1, "stage1.warmup_steps": 4, "stage1.round_steps": 2, "stage1.rounds": 2,
    "stage2.steps": 8, "stage2.merge_from": 3, "stage2.merge_every": 2}

def guided_heads(train, stage):
    "What the shape of some annotated landmarks says of small heads."
    from lmdisc.method.shape import fit_shape
    from lmdisc.method.stage2 import guide
    xy, seen = torch.from_numpy(train.landmarks)[:, ::6], torch.from_numpy(train.visible)[:, ::6]
    places, yaw = xy.masked_fill(~seen[..., None], torch.nan), torch.as_tensor(train.fields["yaw"])
    shape = fit_shape(places, (yaw[:, None] - yaw).abs().topk(5, largest=False).indices[:, 1:], train.size)
    return guide(stage, shape, shape.pose(places, seen.double()), places)

def outcome(found):
    "All that must come out the same: tensors and numbers of a discovery."
    tensors = {"centroids": found.correspondence.centroids, "landmarks": torch.from_numpy(found.found[1]), **found.detector.net.state_dict()}
    return tensors, {"K": found.detector.K, "scores": [found.scores.row(), found.initial_scores.row()], "history": found.history, "merging": found.merging}

def assert_same(a, b):
    "Two outcomes are equal, bit for bit."
    assert a[1] == b[1]
    assert a[0].keys() == b[0].keys()
    for k in a[0]: np.testing.assert_array_equal(a[0][k].numpy(), b[0][k].numpy(), k)

@pytest.fixture(scope="session")
def server():
    "Starts processes that have everything loaded already."
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["loaded"])
    first = context.Process(target=int)           # the others do not wait for the server
    first.start(), first.join()
    return context

@pytest.fixture(scope="session")
def heads_set(): return small_heads()

@pytest.fixture(scope="session")
def found(heads_set):
    "One discovery, never stopped, nothing kept on disk."
    from lmdisc.discovery import discover
    return discover(heads_set, small_config())
