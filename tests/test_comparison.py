"A method beside others on every published layout, and a comparison that goes on where it stopped."
import subprocess, sys
from pathlib import Path
import pandas as pd, pytest
from lmdisc import comparison
from lmdisc.baselines import common
from lmdisc.protocols import pictures, sweep_profile
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
    assert set(table.method) == {comparison.called(*a) for a in comparison.contestants(methods, "10,30")} | {"mean shape"}
    assert table.forward.notna().all() and (tmp_path/f"table_faces_{name}.json").exists()

def test_a_comparison_goes_on_where_it_stopped(heads_set, tmp_path, monkeypatch):
    config = sweep_profile("smoke")
    ask = lambda method, K: comparison.points(method, K, heads_set, config, tmp_path)
    first = [ask("zhang", 5), ask("supervised", None)]
    monkeypatch.setattr(comparison, "detector_of", lambda *a: pytest.fail("trained again"))
    again = [ask("zhang", 5), ask("supervised", None)]
    for a, b in zip(first, again): assert (a.tensors["test"] == b.tensors["test"]).all() and a.minutes == b.minutes

def test_an_interrupted_training_gives_the_same_points(heads_set, tmp_path, monkeypatch):
    config, calls, one_step = sweep_profile("smoke"), [], common.Trainer.one_step
    never_stopped = comparison.points("imm", 5, heads_set, config)
    def stop(self, *args):
        if len(calls) == 25: raise KeyboardInterrupt
        calls.append(1)
        return one_step(self, *args)
    save_often = common.train.__defaults__
    monkeypatch.setattr(common.train, "__defaults__", (save_often[0], 10, save_often[2]))
    monkeypatch.setattr(common.Trainer, "one_step", stop)
    with pytest.raises(KeyboardInterrupt): comparison.points("imm", 5, heads_set, config, tmp_path)
    monkeypatch.setattr(common.Trainer, "one_step", one_step)
    assert (comparison.points("imm", 5, heads_set, config, tmp_path).tensors["test"] == never_stopped.tensors["test"]).all()

@pytest.mark.parametrize("wrong, message", [
    (lambda: comparison.contestants("ours,vgg", "10"), "no method 'vgg' to compare; there are ours, pairs, imm"),
    (lambda: comparison.contestants("imm", "ten"), "whole numbers between commas are wanted"),
    (lambda: pictures("celeba", "smoke", root="/nowhere"), "there is no folder .*nowhere/?.*; get the set from")])
def test_a_wrong_name_is_one_clear_line(wrong, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message): wrong()
