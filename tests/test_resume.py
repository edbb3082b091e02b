"A discovery that is killed and started again ends as one never killed; the same seed gives the same landmarks."
import signal, subprocess, sys, time
from pathlib import Path
import numpy as np, pytest
from lmdisc.discovery import discover, initial_keypoints, run_folder, split_crops, stage1_alone
from lmdisc.training import load_state
from conftest import assert_same, outcome, small_config

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import *
from lmdisc.discovery import discover
from lmdisc.training import save_state
save_state(sys.argv[3], *outcome(discover(small_heads(), small_config(), sys.argv[2])))
"""

def start(runs, out):
    "The same discovery in a process of its own."
    return subprocess.Popen([sys.executable, "-c", CHILD, Path(__file__).parent, runs, out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

def wait_for(child, checkpoint, step, limit=300):
    "Until `checkpoint` holds `step` steps or more."
    give_up = time.time() + limit
    while not checkpoint.exists() or load_state(checkpoint)[1]["step"] < step:
        assert child.poll() is None, child.stderr.read()
        assert time.time() < give_up, f"{checkpoint.name} never came to step {step}"
        time.sleep(.01)

# steps: warm-up to 10, rounds to 15 and 20; stage 2 to 20, merging after 8 and 14
MOMENTS = [("stage1", 5), ("stage1", 15), ("stage2", 8)]

def test_killed_three_times(found, heads_set, tmp_path):
    chance, config = np.random.default_rng(0), small_config()
    folders = {"stage1": run_folder(tmp_path/"runs", stage1_alone(config), heads_set), "stage2": run_folder(tmp_path/"runs", config, heads_set)}
    for stage, step in MOMENTS:
        child = start(tmp_path/"runs", tmp_path/"out.safetensors")
        wait_for(child, folders[stage]/f"{stage}.safetensors", step)
        time.sleep(chance.uniform(0, .1))
        child.kill()
        assert child.wait() == -signal.SIGKILL
        assert not (tmp_path/"out.safetensors").exists()
    last = start(tmp_path/"runs", tmp_path/"out.safetensors")
    assert last.wait(300) == 0, last.stderr.read()
    assert_same(load_state(tmp_path/"out.safetensors"), outcome(found))

def test_same_seed_twice(found, heads_set):
    assert_same(outcome(discover(heads_set, small_config())), outcome(found))

def test_another_seed_is_another_run(found, heads_set, tmp_path):
    assert run_folder(tmp_path, small_config(1), heads_set) != run_folder(tmp_path, small_config(), heads_set)
    assert not np.array_equal(discover(heads_set, small_config(1)).centroids, found.centroids)

def test_other_choices_and_other_pictures_are_other_runs(heads_set, tmp_path):
    folders = [run_folder(tmp_path, small_config(), heads_set), run_folder(tmp_path, small_config(size=96), heads_set),
               run_folder(tmp_path, small_config(**{"stage2.overlap": .5}), heads_set), run_folder(tmp_path, small_config(), heads_set.take(range(30)))]
    assert len(set(folders)) == 4

def test_a_foreign_checkpoint_is_named(heads_set, tmp_path):
    train, _ = split_crops(heads_set.take(range(3)), small_config())
    initial_keypoints(train, small_config(), tmp_path)
    path, = tmp_path.iterdir()
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=f"{path.name} is no file of lmdisc's"): initial_keypoints(train, small_config(), tmp_path)
