"Experiments: their plan, one killed and started again, one whose source changes, and what a wrong parameter says."
import json, os, shutil, signal, subprocess, sys, time
from pathlib import Path
import pandas as pd, psutil, pytest, torch, yaml
from lmdisc.config import change
from lmdisc.lab.experiment import as_table, measured, perform
from lmdisc.lab.measures import rounds
from lmdisc.lab.protocols import listed, pictures, sweep_profile
from lmdisc.store.provenance import output_folder

ROOT = Path(__file__).resolve().parents[1]
pytest.importorskip("snakemake", reason="Snakemake needs Python 3.11")
# snakemake, papermill and the kernel are those beside this Python
ENV = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
PLAN = """
profile: smoke
seed: 0
seeds: {smoke: [0]}
ablations: {ablation_clusters: {heads: {clusters: "4,6"}}}
quick: []
pages: {}
"""
APART = yaml.safe_load((ROOT/"sweep.yaml").read_text())["apart"]
TARGET = "runs/smoke/ablation_clusters_heads.ipynb"

def snakemake(*args, cwd=ROOT):
    return subprocess.run(["snakemake", "--nolock", *map(str, args)], cwd=cwd, env=ENV, capture_output=True, text=True, timeout=600)

@pytest.mark.parametrize("profile, executor", [("smoke", ()), ("cpu", ("cluster-generic", "--cluster-generic-submit-cmd", "sh")), ("gpu", ("slurm",))],
                         ids=["smoke", "cpu, to a cluster", "gpu, to slurm"])
def test_the_plan_holds_every_experiment(profile, executor):
    "Also through Snakemake's own executors; nothing is submitted."
    done = snakemake("-n", "-F", "all", "--config", f"profile={profile}", "-s", ROOT/"Snakefile", *(("--jobs", 20, "--executor", *executor) if executor else ()))
    assert done.returncode == 0, done.stdout + done.stderr
    for notebook in [p.stem for p in (ROOT/"nbs").glob("*.ipynb") if not p.stem[0].isdigit() and p.stem not in ("index", "results", "explore")]:
        assert (f"nbs/{notebook}.ipynb" in done.stdout) == (profile != "cpu" or notebook not in APART), notebook

def test_what_takes_hours_can_be_asked_for():
    done = snakemake("-n", "-F", "runs/cpu/deviations_heads.ipynb", "runs/cpu/tune_baselines_heads.ipynb", "runs/cpu/boxes.ipynb", "runs/cpu/precision.ipynb", "-s", ROOT/"Snakefile")
    assert done.returncode == 0 and all(f"nbs/{name}.ipynb" in done.stdout for name in APART), done.stdout + done.stderr

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
    return {p: p.stat().st_mtime_ns for p in (checkout/"runs"/"smoke"/"kept").glob("rounds-*/run.safetensors")}

def test_killed_and_started_again(checkout):
    threads = torch.get_num_threads()
    child = subprocess.Popen(["snakemake", "--nolock", "--cores", "1", TARGET], cwd=checkout, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    give_up = time.time() + 300
    while not finished(checkout):
        assert child.poll() is None, child.stdout.read()
        assert time.time() < give_up, "no run was ever finished"
        time.sleep(.02)
    for one in psutil.Process(child.pid).children(recursive=True): one.kill()     # kernels, too: orphans would go on for a second
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = finished(checkout)
    assert len(before) == 1

    done = snakemake("--cores", "2", "--rerun-incomplete", TARGET, cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    after = finished(checkout)
    assert len(after) == 2 and {p: after[p] for p in before} == before

    images = pictures("heads", "smoke", n_landmarks=15)
    config = change(sweep_profile("smoke"), {"initial.outliers": 0.0, "initial.share_real": 0.4})
    torch.set_num_threads(1)          # as the plan's jobs do: sums in another order are other numbers
    arms = [({"M": m, "seed": 0}, change(config, {"stage1.clusters": m, "seed": 0})) for m in (4, 6)]
    try: never_killed = as_table([(label, measured(rounds, images, one, None, {})) for label, one in arms])
    finally: torch.set_num_threads(threads)
    drawn = pd.read_csv(checkout/"runs"/"smoke"/"figures"/"ablation_clusters.csv")
    same = never_killed.columns.drop("minutes")
    pd.testing.assert_frame_equal(drawn[same], never_killed[same], check_exact=False, rtol=1e-12, check_dtype=False)
    assert "Nothing to be done" in (again := snakemake("--cores", "1", TARGET, cwd=checkout)).stdout + again.stderr

def papermill(*args, cwd=ROOT, **env):
    return subprocess.run([sys.executable, "-m", "papermill", *map(str, args), "--no-progress-bar"], cwd=cwd, env=ENV | env, capture_output=True, text=True, timeout=300)

def test_a_changed_loss_trains_again_and_a_changed_figure_does_not(tmp_path):
    "A copy of the package, asked for the same figure four times."
    for name in ("nbs", "lmdisc"): shutil.copytree(ROOT/name, tmp_path/name)
    shutil.copy(ROOT/"settings.ini", tmp_path)
    def ask():
        asked = dict(clusters="4", out_dir="figures", runs="runs")
        code = f"from pathlib import Path; from lmdisc.lab.experiment import perform; perform(Path('nbs/ablation_clusters.ipynb'), {asked})"
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENV | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        trained = {p.name for p in (tmp_path/"runs").glob("stage1-*")}
        return trained, json.loads((tmp_path/"figures"/"ablation_clusters.json").read_text()), (tmp_path/"figures"/"ablation_clusters.png").read_bytes()
    def edit(module, old, new):
        path = tmp_path/"lmdisc"/f"{module}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    first, told, drawn = ask()
    edit("nets/losses", "import torch", "import torch  # a comment")
    edit("lab/plots", "lw=1.2", "lw=1.3")
    again, told_again, drawn_again = ask()
    assert len(first) == 1 and again == first and drawn_again == drawn
    assert told_again == told         # minutes, too: those of the training
    edit("nets/losses", "return ", "return 1.01 * ")
    other, told_other, _ = ask()
    assert len(other) == 2 and told_other["source"] != told["source"]
    edit("nets/losses", "return 1.01 * ", "return ")
    back, told_back, _ = ask()
    assert back == other and told_back == told

def test_kept_runs_from_elsewhere_are_used(tmp_path):
    "Another machine's folder is found again, under whatever name it lies here."
    ask = lambda kept: perform(ROOT/"nbs"/"ablation_clusters.ipynb", dict(clusters="4", runs=str(kept)))
    ask(tmp_path/"theirs")
    shutil.copytree(tmp_path/"theirs", tmp_path/"ours")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path/"ours").rglob("*") if p.is_file()}
    ask(tmp_path/"ours")
    assert before and {p: p.stat().st_mtime_ns for p in (tmp_path/"ours").rglob("*") if p.is_file()} == before

def test_every_committed_figure_is_drawn_again(tmp_path):
    "To the byte, in a copy, from the committed runs; unless the libraries that draw are others."
    from lmdisc.store.provenance import version_of
    for name in ("nbs", "figures"): shutil.copytree(ROOT/name, tmp_path/name)
    shutil.copy(ROOT/"settings.ini", tmp_path)
    libraries = json.loads((ROOT/"figures"/"ablation_noise.json").read_text())["drawn_with"]
    done = subprocess.run([sys.executable, "-c", "from lmdisc.lab.experiment import redraw; redraw()"], cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    if libraries != {p: version_of(p) for p in libraries}: pytest.skip(f"figures are compared with {libraries} alone")
    assert "as they were, to the byte" in done.stdout, done.stdout[-2000:]

def test_superpoint_is_left_out_without_its_weights(tmp_path):
    "Pictures are there, weights are not, and there is no network: one line says so, and the rest of the plan stands."
    (tmp_path/"data").mkdir(); (tmp_path/"data"/"faces_300w.npz").touch()
    nowhere = {"LMDISC_DATA": str(tmp_path/"data"), "LMDISC_CACHE": str(tmp_path/"cache"), "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(["snakemake", "--nolock", "-n", "-F", "all", "-s", ROOT/"Snakefile"], cwd=ROOT, env=ENV | nowhere, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = [l for l in done.stderr.splitlines() if l.startswith("Left out: ablation_init on photographs")]
    assert len(said) == 1 and "ablation_noise_faces_300w" in done.stdout and "ablation_init_faces_300w" not in done.stdout

@pytest.mark.parametrize("wrong, message", [
    (lambda d: pictures("nowhere", "smoke"), "no folder here and no data set 'nowhere': choose one of .*heads"),
    (lambda d: sweep_profile("huge"), "there is no profile 'huge'"),
    (lambda d: as_table([({}, measured(rounds, pictures("heads", "smoke"), sweep_profile("smoke", detector="surf"), None, {}))]), "there is no detector 'surf'; choose one of aliked"),
    (lambda d: listed("0;1"), "whole numbers between commas are wanted, such as 0,1,2, not '0;1'"),
    (lambda d: output_folder(d/"file"/"figures"), "cannot write to the folder .*; choose another")])
def test_a_wrong_parameter_is_one_clear_line(tmp_path, wrong, message):
    (tmp_path/"file").write_text("in the way")
    with pytest.raises((ValueError, OSError), match=message) as error: wrong(tmp_path)
    assert "\n" not in str(error.value)

def test_papermill_says_so_too(tmp_path):
    ask = lambda *args: papermill("nbs/ablation_noise.ipynb", tmp_path/"out.ipynb", *args)
    assert ask("-p", "dataset", "nowhere").stderr.strip().splitlines()[-1].startswith("ValueError: no folder here and no data set 'nowhere'")
    assert "'-p' requires 2 arguments" in subprocess.run([sys.executable, "-m", "papermill", "nbs/ablation_noise.ipynb", "-p", "profile"], capture_output=True, text=True, cwd=ROOT).stderr
