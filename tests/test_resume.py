"A discovery that is killed and started again ends as one never killed; the same seed gives the same landmarks."
import os, signal, sys, time
from pathlib import Path
from threading import Timer
import numpy as np, pytest
from lmdisc import discovery
from lmdisc.method import stage1, stage2
from lmdisc.discovery import discover, find_correspondence, prepare
from lmdisc.store.runs import run_of
from lmdisc.store.files import load_state, save_state
from conftest import assert_same, outcome, small_config, small_heads

def die_after(stage, step, seconds):
    "This process is killed that long after `stage` has saved a checkpoint of `step` steps or more."
    def save(path, tensors, record):
        save_state(path, tensors, record)
        if record.get("step", -1) >= step: Timer(seconds, os.kill, [os.getpid(), signal.SIGKILL]).start()
    stage.save_state = save

def work(runs, out, stage=None, *when):
    "The same discovery, in a process of its own; killed in a stage, if one is given."
    sys.stderr = open(os.devnull, "w")
    if stage: die_after({"stage1": stage1, "stage2": stage2}[stage], *when)
    save_state(Path(out), *outcome(discover(small_heads(), small_config(), runs)))

def step_of(runs, stage):
    "The step that the checkpoint of a stage stands at; -1 where there is none yet."
    return max([load_state(p)[1]["step"] for p in Path(runs).glob(f"{stage}-*/checkpoint.safetensors")], default=-1)

# steps: warm-up to 10, rounds to 15 and 20; stage 2 to 20, merging after 8 and 14
MOMENTS = [("stage1", 15), ("stage2", 8)]

def test_killed_in_each_stage(server, found, tmp_path):
    chance = np.random.default_rng(0)
    def ended(*when):
        child = server.Process(target=work, args=[str(tmp_path/"runs"), str(tmp_path/"out.safetensors"), *when])
        child.start()
        child.join(300)
        return child.exitcode
    for stage, step in MOMENTS:
        assert ended(stage, step, chance.uniform(0, .1)) == -signal.SIGKILL
        assert step_of(tmp_path/"runs", stage) >= step
        assert not (tmp_path/"out.safetensors").exists()
    assert ended() == 0
    assert_same(load_state(tmp_path/"out.safetensors"), outcome(found))

def test_keypoints_are_looked_for_where_a_run_stopped(heads_set, tmp_path, monkeypatch):
    config, detect, looked = small_config(), discovery.detect_keypoints, []
    crops = discovery.split_crops(heads_set, config)[0]
    whole = detect(crops, config.initial.detector, config.initial.scales, discovery.least_score(config.initial), config.initial.max_points,
                   config.initial.canvas, nms=config.initial.nms, batch=8, progress=False)
    def look(some, *given, **how):
        if len(looked) == 2: raise KeyboardInterrupt
        looked.append(len(some))
        return detect(some, *given, **how)
    monkeypatch.setattr(discovery, "PART", 8); monkeypatch.setattr(discovery, "detect_keypoints", look)
    with pytest.raises(KeyboardInterrupt): discovery.generic_keypoints(crops, config, tmp_path)
    monkeypatch.setattr(discovery, "detect_keypoints", lambda some, *given, **how: looked.append(len(some)) or detect(some, *given, **how))
    found = discovery.generic_keypoints(crops, config, tmp_path)
    assert sum(looked) == len(crops) > 16 and not list(tmp_path.rglob("checkpoint*"))
    for name, value in vars(whole).items(): assert (getattr(found, name) == value).all(), name

def test_same_seed_twice(found, heads_set):
    assert_same(outcome(discover(heads_set, small_config())), outcome(found))

def test_another_seed_is_another_run(found, heads_set):
    assert not np.array_equal(find_correspondence(heads_set, small_config(1)).centroids, found.correspondence.centroids)

def test_other_choices_and_other_pictures_are_other_runs(heads_set, tmp_path):
    configs = small_config(), small_config(**{"data.size": 96}), small_config(**{"stage2.overlap": .5})
    for images in (heads_set, heads_set.take(range(30))):
        for config in configs:
            with run_of(tmp_path, "x", config, images, ["lmdisc.nets.losses"]) as run: run.fill([])
    assert len(list(tmp_path.iterdir())) == 6

def test_minutes_are_those_of_training(heads_set, tmp_path):
    "A run that is read says what it took to make it, and one that was killed what all its attempts took."
    def slow(folder):
        (folder/"checkpoint").write_text("half")
        time.sleep(.5)
        if len(attempts := [*folder.glob("attempt*")]) < 1:
            (folder/f"attempt{len(attempts)}").touch()
            raise KeyboardInterrupt
        return [{}]
    def once():
        with run_of(tmp_path, "slow", {}, heads_set, ["lmdisc.nets.losses"]) as run:
            if run.missing: run.fill(slow(run.folder))
        return run
    with pytest.raises(KeyboardInterrupt): once()
    first, again = once(), once()
    assert first.minutes == again.minutes and .9 / 60 < first.minutes < 2 / 60

def test_a_foreign_file_is_named(heads_set, tmp_path):
    images = heads_set.take(range(6))
    prepare(images, small_config(), tmp_path)
    folder, = tmp_path.iterdir()
    (folder/"run.safetensors").write_bytes(b"not a run")
    with pytest.raises(ValueError, match="run.safetensors is no file of lmdisc's"): prepare(images, small_config(), tmp_path)
