"A method beside others on every published layout, and a comparison that goes on where it stopped."
import subprocess, sys, warnings
from pathlib import Path
import pandas as pd, pytest
from lmdisc import comparison, sweep
from test_datasets import WRITE

ROOT = Path(__file__).resolve().parents[1]

@pytest.mark.parametrize("name", WRITE)
def test_table_faces_on_every_published_layout(name, tmp_path):
    "All methods on the first set; on the others, which differ in their files alone, the two that read landmarks from opposite ends."
    methods = ",".join(comparison.METHODS) if name == "celeba" else "ours,supervised"
    WRITE[name](tmp_path/"set")
    done = subprocess.run([sys.executable, "-m", "papermill", "nbs/table_faces.ipynb", tmp_path/"out.ipynb", "-p", "dataset", name, "-p", "root", tmp_path/"set", "-p", "profile", "smoke",
                           "-p", "methods", methods, "-p", "out_dir", tmp_path, "--no-progress-bar"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pd.read_csv(tmp_path/f"table_faces_{name}.csv")
    assert set(table.method) == {comparison.called(*a) for a in comparison.arms(methods, "10,30")} | {"mean shape"}
    assert table.forward.notna().all() and (tmp_path/f"table_faces_{name}.json").exists()

def test_a_comparison_goes_on_where_it_stopped(heads_set, tmp_path, monkeypatch):
    config = sweep.sweep_profile("smoke")
    first = comparison.compare(heads_set, config, "zhang,supervised", "5", runs=tmp_path)
    monkeypatch.setattr(comparison, "detector_of", lambda *a: pytest.fail("trained again"))
    again = comparison.compare(heads_set, config, "zhang,supervised", "5", runs=tmp_path)
    for a, b in zip(first, again): assert (a.test == b.test).all() and a.minutes == b.minutes

def test_an_interrupted_training_gives_the_same_points(heads_set, tmp_path, monkeypatch):
    from lmdisc.baselines import _common
    config, calls, one_step = sweep.sweep_profile("smoke"), [], _common.Trainer.one_step
    never_stopped = comparison.points_of("imm", 5, heads_set, config)
    def stop(self, *args):
        if len(calls) == 25: raise KeyboardInterrupt
        calls.append(1)
        return one_step(self, *args)
    save_often = _common.train.__defaults__
    monkeypatch.setattr(_common.train, "__defaults__", (save_often[0], 10, save_often[2]))
    monkeypatch.setattr(_common.Trainer, "one_step", stop)
    with pytest.raises(KeyboardInterrupt): comparison.points_of("imm", 5, heads_set, config, tmp_path)
    monkeypatch.setattr(_common.Trainer, "one_step", one_step)
    assert (comparison.points_of("imm", 5, heads_set, config, tmp_path).test == never_stopped.test).all()

@pytest.mark.parametrize("wrong, message", [
    (lambda: comparison.arms("ours,vgg", "10"), "no method 'vgg' to compare; there are ours, pairs, imm"),
    (lambda: comparison.arms("imm", "ten"), "whole numbers between commas are wanted"),
    (lambda: sweep.pictures("celeba", "smoke", root="/nowhere"), "there is no folder .*nowhere/?.*; get the set from")])
def test_a_wrong_name_is_one_clear_line(wrong, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message): wrong()
