"The sweep: its plan, a sweep killed and started again, and what a wrong parameter says."
import os, shutil, signal, subprocess, sys, time
from pathlib import Path
import pandas as pd, pytest, torch
from lmdisc import sweep
from lmdisc.discovery import change
from lmdisc.figures import output_folder
from lmdisc.keypoints import spread

ROOT = Path(__file__).resolve().parents[1]
pytest.importorskip("snakemake", reason="Snakemake needs Python 3.11")
# snakemake, papermill and the kernel are those beside this Python
ENV = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
PLAN = """
profile: smoke
seed: 0
seeds: {smoke: [0, 1]}
ablations: {ablation_clusters: {heads: {clusters: "4,6"}}}
quick: []
pages: {}
"""
TARGET = "runs/smoke/ablation_clusters_heads.ipynb"

def snakemake(*args, cwd=ROOT):
    return subprocess.run(["snakemake", "--nolock", *map(str, args)], cwd=cwd, env=ENV, capture_output=True, text=True, timeout=600)

@pytest.mark.parametrize("profile", ["smoke", "cpu", "gpu"])
def test_the_plan_holds_every_experiment(profile, tmp_path):
    done = snakemake("-n", "-F", "all", "--config", f"profile={profile}", "-s", ROOT/"Snakefile")
    assert done.returncode == 0, done.stdout + done.stderr
    for notebook in [p.stem for p in (ROOT/"nbs").glob("*.ipynb") if not p.stem[0].isdigit() and p.stem != "index"]:
        assert f"nbs/{notebook}.ipynb" in done.stdout, notebook

def test_an_unknown_profile_is_named():
    done = snakemake("-n", "all", "--config", "profile=huge")
    assert done.returncode and "there is no profile 'huge'; there are smoke, cpu, gpu, paper" in done.stdout + done.stderr

@pytest.fixture
def checkout(tmp_path):
    "The notebooks and the plan, with a small sweep in it."
    shutil.copytree(ROOT/"nbs", tmp_path/"nbs")
    for name in ("Snakefile", "settings.ini"): shutil.copy(ROOT/name, tmp_path)
    (tmp_path/"sweep.yaml").write_text(PLAN)
    return tmp_path

def finished(checkout):
    "Runs that are kept, and when they were."
    return {p: p.stat().st_mtime_ns for p in (checkout/"runs"/"smoke"/"kept").glob("*/rounds_rows.json")}

def test_killed_and_started_again(checkout):
    threads = torch.get_num_threads()
    child = subprocess.Popen(["snakemake", "--nolock", "--cores", "1", TARGET], cwd=checkout, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    give_up = time.time() + 300
    while not finished(checkout):
        assert child.poll() is None, child.stdout.read()
        assert time.time() < give_up, "no run was ever finished"
        time.sleep(.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    time.sleep(3)                     # an orphaned kernel notices within a second
    before = finished(checkout)
    assert 1 <= len(before) < 4

    done = snakemake("--cores", "2", "--rerun-incomplete", TARGET, cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    after = finished(checkout)
    assert len(after) == 4 and {p: after[p] for p in before} == before

    images = sweep.pictures("heads", "smoke")
    images = images.only(spread(images.landmarks.shape[1]))
    config = change(sweep.sweep_profile("smoke"), {"outliers": 0.0, "share_real": 0.4})
    torch.set_num_threads(1)          # as the plan's jobs do: sums in another order are other numbers
    try: never_killed = sweep.sweep(images, config, [({"M": m}, {"stage1.clusters": m}) for m in (4, 6)], "0,1", sweep.rounds_rows)
    finally: torch.set_num_threads(threads)
    drawn = pd.read_csv(checkout/"runs"/"smoke"/"figures"/"ablation_clusters.csv")
    same = never_killed.columns.drop("minutes")
    pd.testing.assert_frame_equal(drawn[same], never_killed[same], check_exact=False, rtol=1e-12, check_dtype=False)
    assert "Nothing to be done" in (again := snakemake("--cores", "1", TARGET, cwd=checkout)).stdout + again.stderr

@pytest.mark.parametrize("wrong, message", [
    (lambda d: sweep.pictures("nowhere", "smoke"), "no data set 'nowhere': choose one of .*heads"),
    (lambda d: sweep.sweep_profile("huge"), "there is no profile 'huge'"),
    (lambda d: sweep.sweep(sweep.pictures("heads", "smoke"), sweep.sweep_profile("smoke", detector="surf"), [({}, {})], "0", sweep.rounds_rows), "there is no detector 'surf'; choose one of aliked"),
    (lambda d: sweep.listed("0;1"), "whole numbers between commas are wanted, such as 0,1,2, not '0;1'"),
    (lambda d: output_folder(d/"file"/"figures"), "cannot write to the folder .*; choose another")])
def test_a_wrong_parameter_is_one_clear_line(tmp_path, wrong, message):
    (tmp_path/"file").write_text("in the way")
    with pytest.raises((ValueError, OSError), match=message) as error: wrong(tmp_path)
    assert "\n" not in str(error.value)

def test_papermill_says_so_too(tmp_path):
    papermill = lambda *args: subprocess.run([sys.executable, "-m", "papermill", "nbs/ablation_noise.ipynb", tmp_path/"out.ipynb", *args], cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=300)
    assert papermill("-p", "dataset", "nowhere").stderr.strip().splitlines()[-1].startswith("ValueError: no data set 'nowhere'")
    assert "'-p' requires 2 arguments" in papermill("-p", "profile").stderr
