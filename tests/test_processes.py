"What two processes find together is what one finds alone; when one dies, both end, and the next start goes on."
import os, signal, subprocess, sys, time
from types import SimpleNamespace
from pathlib import Path
import pytest, torch
from sklearn.metrics import normalized_mutual_info_score
from lmdisc.data.points import Keypoints
from lmdisc.method import detection
from lmdisc.method.detection import describe_keypoints, detect_keypoints
from lmdisc.nets.detectors import Detector
from lmdisc.store.files import load_state
from conftest import assert_same
from test_resume import step_of

HERE = Path(__file__).parent
WORK = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from conftest import BRIEF, guided_heads, outcome, small_config, small_heads
from lmdisc.data.points import places_of
from lmdisc.method.stage1 import identities, next_labels, step_loss
from lmdisc import discovery
from lmdisc.discovery import discover, prepare
from lmdisc.method.stage2 import landmark_loss, learn_landmarks
from lmdisc.nets.networks import CorrespondenceNet, landmark_net
from lmdisc.store.processes import on_main, state
from lmdisc.nets.training import Trainer
from lmdisc.store.files import save_state

torch.backends.mkldnn.enabled = False      # its sums depend on the processor, and on how many pictures a process has
config = small_config(**BRIEF, **{"learning1.precision": "fp32", "learning2.precision": "fp32"})
images = small_heads()

def smooth(net):
    "Without the kinks of ReLU: which side of one a cell is on may depend on the order of sums."
    for part in net.modules():
        for name, layer in part.named_children():
            if isinstance(layer, torch.nn.ReLU): setattr(part, name, torch.nn.SiLU())
    return net

def gradients(net, loss):
    "Of the first step, by name."
    trainer = Trainer(smooth(net), config.learning1, 1, 0)
    trainer.wrapped.train()
    trainer.one_step(loss, 0.)
    return {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}

def first_steps():
    "Gradients of a step of either stage."
    start, n = prepare(images, config, sys.argv[2]), config.stage1.clusters
    torch.manual_seed(0)
    phi = CorrespondenceNet(config.net)
    psi = landmark_net(phi, n)
    places = places_of(start.labels, n)
    sure = torch.rand(places.shape[:2], generator=torch.Generator().manual_seed(0))
    losses = (step_loss(config.stage1, start.train, start.labels, identities(start.labels, "clusters"), config.augment, .5),
              landmark_loss(config.stage2, start.train, places, config.augment, hidden=sure))
    labels, _ = next_labels(config.stage1, phi.eval(), start.train, start.labels)
    return {"harvest": places_of(labels, n)} | {f"{i}.{k}": g for i, (net, loss) in enumerate(zip((phi, psi), losses))
                                                for k, g in gradients(net, loss).items()}

def with_a_shape():
    "Stage 2 on labels from a shape that is given, merged, and fitted again on the way."
    start = prepare(images, config, sys.argv[2])
    discovery.clusters_in_space = lambda start, config: guided_heads(start.train, config.stage2)
    torch.manual_seed(0)
    first = discovery.shape_targets(start, config)
    psi, history, shape = learn_landmarks(start.train, first, CorrespondenceNet(config.net), config.stage2, config.learning2)
    return {"shape.first": first.shape.xyz, "shape.xyz": shape.xyz, "shape.K": torch.tensor([h["landmarks"] for h in history])}

found = discover(images, config, sys.argv[2])
tensors = first_steps() | with_a_shape() if "gradients" in sys.argv else {}
more, record = outcome(found)
labels = {f"labels.{r}": places_of(one, config.stage1.clusters) for r, one in enumerate(found.correspondence.rounds)}
with on_main() as main:
    if main: save_state(sys.argv[3], tensors | more | labels, record | {"processes": state().num_processes})
"""

def start(processes, runs, out, *more):
    "The same work in one process or in several."
    script = out.with_suffix(".py")
    script.write_text(WORK)
    with_torch = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes)] if processes > 1 else []
    return subprocess.Popen([sys.executable, *with_torch, script, HERE, runs, out, *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent), "TQDM_DISABLE": "1"})

@pytest.fixture(scope="module")
def alone_and_together(heads_set, tmp_path_factory):
    "What one and what two processes leave."
    at = tmp_path_factory.mktemp("processes")
    for n in (1, 2):
        child = start(n, at/f"runs{n}", at/f"{n}.safetensors", "gradients")
        said = child.communicate(timeout=300)[1]
        assert child.returncode == 0, said
    return [load_state(at/f"{n}.safetensors") for n in (1, 2)]

def test_two_processes_worked(alone_and_together): assert [record["processes"] for _, record in alone_and_together] == [1, 2]

def test_gradients_agree(alone_and_together):
    "But for the order of sums."
    one, two = (tensors for tensors, _ in alone_and_together)
    names = [k for k in one if k.startswith(("0.", "1.")) and one[k].norm() > 1e-6]
    assert len(names) > 80
    for k in names: assert (one[k] - two[k]).norm() < 1e-3 * one[k].norm(), k

def test_labels_of_one_network_are_the_same(alone_and_together):
    "Keypoints, their clusters, and what a network detects: within 1e-2 px, since a batch of another size is summed in another order."
    (one, _), (two, _) = alone_and_together
    for name in ("labels.0", "harvest"):
        assert (~one[name].isnan()).any()
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-2, equal_nan=True, msg=name)

def test_the_shape_is_the_same(alone_and_together):
    "As fitted to the first labels; what a network of few steps finds, and is merged by, moves with the order of sums."
    (one, _), (two, _) = alone_and_together
    assert one["shape.K"][0] == two["shape.K"][0] and len(one["shape.K"]) == len(two["shape.K"])
    torch.testing.assert_close(one["shape.first"], two["shape.first"], rtol=0, atol=1e-9)
    assert two["shape.xyz"].isfinite().all() and len(two["shape.xyz"]) == two["shape.K"][-1]

def same_points(a, b, near=1.5):
    "Clusters (P,) and (P,) of the points that two sets of labels (N, M, 2) have in common."
    apart = torch.cdist(a.nan_to_num(-1e4), b.nan_to_num(1e5)).min(2)
    common = apart.values < near
    return torch.arange(a.shape[1]).expand(common.shape)[common], apart.indices[common]

def test_whole_runs_agree(alone_and_together):
    "With every step training makes more of the order of sums; in a toy of 8 steps, points that both find are still grouped alike."
    (one, first), (two, second) = alone_and_together
    assert first["K"] == second["K"]
    for loss in ("contrast", "detector"): assert first["history"][0][loss] == pytest.approx(second["history"][0][loss], rel=1e-2)
    for r in range(1, len(first["history"]) + 1):
        assert normalized_mutual_info_score(*same_points(one[f"labels.{r}"], two[f"labels.{r}"])) > .7, r

def wait_for(runs_on, runs, stage, step, limit=300):
    "Until the checkpoint of a stage holds `step` steps or more, while `runs_on()`."
    give_up = time.time() + limit
    while step_of(runs, stage) < step:
        assert runs_on(), f"it ended before {stage} came to step {step}"
        assert time.time() < give_up, f"{stage} never came to step {step}"
        time.sleep(.01)

def workers(parent):
    "Process numbers of the children."
    return [int(p) for p in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]

@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux to find the processes of a launcher")
def test_one_dies_and_the_next_start_goes_on(alone_and_together, heads_set, tmp_path):
    runs, out = tmp_path/"runs", tmp_path/"out.safetensors"
    both = start(2, runs, out)
    wait_for(lambda: both.poll() is None, runs, "stage1", 5)
    os.kill(workers(both.pid)[1], signal.SIGKILL)
    assert both.wait(120) != 0 and not out.exists()
    again = start(2, runs, out)
    assert again.wait(300) == 0, again.stderr.read()
    tensors, record = alone_and_together[1]
    assert_same(load_state(out), ({k: v for k, v in tensors.items() if not k.startswith(("0.", "1.", "harvest", "shape."))}, record))

class Reached(Exception): pass

@pytest.mark.parametrize("look", [lambda crops, d: detect_keypoints(crops, d, progress=False), lambda crops, d: describe_keypoints(crops, some_points(crops), d, progress=False)],
                         ids=["detect", "describe"])
def test_generic_keypoints_run_on_the_device(heads_set, monkeypatch, look):
    "The device is one that computes nothing; what matters is where the pictures arrive."
    class Stub(Detector):
        def forward(self, pictures):
            assert pictures.device.type == "meta"
            raise Reached
    monkeypatch.setattr(detection, "state", lambda: SimpleNamespace(device=torch.device("meta")))
    with pytest.raises(Reached): look(heads_set.crops(64, progress=False), Stub())

def some_points(crops): return Keypoints(torch.arange(len(crops) + 1), torch.full((len(crops), 2), 30.), torch.ones(len(crops)))

@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_keypoints_of_a_gpu_are_those_of_a_processor(heads_set, monkeypatch):
    crops = heads_set.crops(64, progress=False)
    there = detect_keypoints(crops, "xfeat", progress=False)
    monkeypatch.setattr(detection, "state", lambda: SimpleNamespace(device=torch.device("cpu")))
    here = detect_keypoints(crops, "xfeat", progress=False)
    assert abs(len(there) - len(here)) < .05 * len(here)
