"The main job as `make reproduce` runs it, at the smallest profile."
import json, subprocess, sys
from pathlib import Path
import pytest
from lmdisc.lab.experiment import Experiment, perform

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = "nbs/discover.ipynb"
KEYS = {"profile", "dataset", "seed", "minutes", "K", "nme_forward", "nme_backward", "coverage", "nme_mean_shape",
        "nme_initial_clusters", "nmi_by_round", "f_by_round", "notebook", "parameters", "commit", "versions", "data_hash", "machine"}
pytestmark = pytest.mark.skipif(not (ROOT/NOTEBOOK).exists(), reason=f"{NOTEBOOK} is not written yet")

def papermill(*args, cwd=ROOT):
    return subprocess.run([sys.executable, "-m", "papermill", *map(str, args)], cwd=cwd, capture_output=True, text=True, timeout=1500)

def test_the_parameters_are_those_promised():
    done = papermill("--help-notebook", NOTEBOOK)
    assert done.returncode == 0, done.stderr
    for name in ("dataset", "profile", "detector", "n_images", "seed", "out_dir"): assert f"  {name}:" in done.stdout, done.stdout

def test_discover_runs_from_the_root(tmp_path):
    done = papermill(NOTEBOOK, tmp_path/"out.ipynb", "-p", "profile", "smoke", "-y", "changes: {stage1.rounds: 1, stage2.overlap: 0.9}", "-p", "out_dir", tmp_path/"figures", "--no-progress-bar")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((tmp_path/"figures"/"discover.json").read_text())
    assert KEYS <= told.keys() and told["profile"] == "smoke"
    assert told["parameters"]["changes"] == {"stage1.rounds": 1, "stage2.overlap": 0.9} and len(told["nmi_by_round"]) == 2
    pictures = sorted((tmp_path/"figures").glob("*.png"))
    assert tmp_path/"figures"/"discover_yaw.png" in pictures
    for p in pictures: assert p.stat().st_size <= 800_000 and p.with_suffix(".json").exists(), p.name
    assert str(tmp_path) not in json.dumps(told)

def test_discover_runs_from_nbs_and_with_nothing_seen(tmp_path, monkeypatch):
    "A threshold that no landmark reaches: none is in sight; all have a place if there is a shape, else they count as missing."
    monkeypatch.chdir(ROOT/"nbs")
    perform(ROOT/NOTEBOOK, dict(changes={"stage2.confident": 9.0}, out_dir=str(tmp_path)))
    told = json.loads((tmp_path/"discover.json").read_text())
    assert told["in_sight"] == 0 and told["coverage"] == (told["rigid"] > 0) and told["nme_forward"] > 0
    assert told["parameters"]["changes"] == {"stage2.confident": 9.0}

@pytest.mark.parametrize("given, draw", [("false", False), ("False", False), (0, False), ("true", True), (True, True), ("maybe", None)])
def test_switches_may_be_given_as_text(given, draw):
    "papermill makes booleans of True and False alone."
    scope = dict(seeds="0", draw=given, __annotations__=dict(seeds=str, draw=bool))
    if draw is None:
        with pytest.raises(ValueError, match="draw is 'maybe'; true or false is needed"): Experiment("try_out", scope)
    else: assert (Experiment("try_out", scope).p.draw, scope["draw"]) == (draw, draw)
