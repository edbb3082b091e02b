"The `lmdisc` command in its own process, on picture files."
import csv, json, re, shutil, subprocess, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np, pytest
from PIL import Image, ImageDraw
from lmdisc.cli import main

def lmdisc(*args, cwd=None):
    "The finished process of a call."
    code = "import sys; from lmdisc.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], cwd=cwd, capture_output=True, text=True, timeout=900)

def failed(done, code, *said):
    "The call ended with `code` and one clear line, without a traceback."
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert all(s in last for s in said), last

def draw(path, seed, size=96):
    "A drawn face: oval, eyes, nose and mouth, each at a slightly random place."
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(60, 120, (size, size, 3), np.uint8)); pen = ImageDraw.Draw(picture)
    def oval(x, y, w, h, colour): pen.ellipse((x - w, y - h, x + w, y + h), fill=colour)
    x, y = rng.normal(size / 2, 3, 2)
    oval(x, y, 32, 40, (220, 180, 150))
    for s in (-13, 13): oval(x + s, y - 10, 6, 4, "white"); oval(x + s, y - 10, 3, 3, "black")
    oval(x, y + 6, 3, 6, (180, 120, 100)); oval(x, y + 22, 12, 4, (170, 40, 50))
    picture.save(path)

@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    for i in range(24): draw(folder/f"{i:02d}.png", i)
    return folder

@pytest.fixture(scope="module")
def run(faces, tmp_path_factory):
    "One discovery of the smallest profile."
    out = tmp_path_factory.mktemp("run")/"new"/"folder"
    done = lmdisc("discover", faces, "--profile", "smoke", "--out", out)
    assert done.returncode == 0, done.stderr
    return done, out

def test_help_and_version():
    assert lmdisc("--version").stdout.startswith("lmdisc ")
    for command in ((), ("discover",), ("predict",)):
        done = lmdisc(*command, "--help")
        assert done.returncode == 0 and "usage: lmdisc" in done.stdout

def test_help_imports_nothing_heavy():
    code = "import sys, lmdisc.cli as c; c.parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

@pytest.mark.parametrize("args", [(), ("find",), ("discover",), ("discover", "x"), ("predict", "m", "--out", "o"), ("discover", "x", "--out", "o", "--seed", "one")])
def test_wrong_usage_is_code_2(args, capsys):
    with pytest.raises(SystemExit) as stopped: main(list(args))
    failed(SimpleNamespace(returncode=stopped.value.code, stderr=capsys.readouterr().err), 2, "error:")

def test_discover_writes_its_files(run, faces):
    done, out = run
    K = json.loads((out/"detector"/"detector.json").read_text())["K"]
    assert f"{K} landmarks found" in done.stdout
    rows = list(csv.DictReader(open(out/"landmarks.csv")))
    assert len(rows) == 24 * K and (not rows or set(rows[0]) == {"picture", "landmark", "x", "y", "score"})
    record = json.loads((out/"landmarks_seen.json").read_text())
    assert record["parameters"]["profile"] == "smoke" and record["parameters"]["pictures"] == faces.name
    assert Image.open(out/"landmarks_seen.png").size[0] > 100

def test_predict_agrees_with_discover(run, faces, tmp_path):
    _, out = run
    done = lmdisc("predict", out/"detector", faces/"00.png", faces/"01.png", "--out", tmp_path/"points.csv")
    assert done.returncode == 0, done.stderr
    want, got = (list(csv.DictReader(open(p))) for p in (out/"landmarks.csv", tmp_path/"points.csv"))
    assert len(got) == 2 * len(want) / 24
    for a, b in zip(want, got):
        assert (a["x"] == "") == (b["x"] == "")
        if a["x"]: assert abs(float(a["x"]) - float(b["x"])) < .1 and abs(float(a["y"]) - float(b["y"])) < .1

def test_names_outlive_the_same_discovery(run, faces, tmp_path, capsys):
    "From the checkpoints of `run`; those of another detector are set aside, which the notebook of `chosen` tests."
    out = tmp_path/"run"
    shutil.copytree(run[1], out)
    for args in (("name", out/"detector", "landmark 0=nose"), ("discover", faces, "--profile", "smoke", "--out", out)): assert main([*map(str, args)]) == 0
    assert next(csv.DictReader(open(out/"landmarks.csv")))["name"] == "nose" and "chosen-1" not in capsys.readouterr().out

def test_the_readme_example_runs(run, faces, tmp_path):
    "On the pictures and checkpoints of `run`, so that it need not train again."
    _, out = run
    (tmp_path/"my").mkdir(); (tmp_path/"my"/"cats").symlink_to(faces); (tmp_path/"cats").symlink_to(out)
    code = "".join(re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1]/"README.md").read_text(), re.S))
    code = code.replace('"cpu"', '"smoke"') + "assert xy.shape == (len(pictures), detector.K, 2) and score.shape == xy.shape[:2]"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert (tmp_path/"cats"/"detector"/"weights.safetensors").exists()

def test_errors_are_one_line(run, faces, tmp_path, capsys):
    "In this process, since the others show what a process makes of an error."
    def here(*args): return SimpleNamespace(returncode=main([*map(str, args)]), stderr=capsys.readouterr().err)
    _, out = run
    (tmp_path/"bad.png").write_bytes(b"not a picture")
    (tmp_path/"empty").mkdir()
    failed(here("discover", tmp_path/"empty", "--profile", "smoke", "--out", tmp_path/"o"), 1, "no pictures")
    failed(here("discover", tmp_path/"missing", "--profile", "smoke", "--out", tmp_path/"o"), 1, "missing")
    failed(here("discover", faces, "--profile", "laptop", "--out", tmp_path/"o"), 1, "'laptop'", "smoke")
    failed(here("discover", faces, "--profile", "smoke", "--detector", "eyes", "--out", tmp_path/"o"), 1, "eyes")
    failed(here("predict", tmp_path, faces/"00.png", "--out", tmp_path/"p.csv"), 1, "detector.json")
    failed(here("predict", out/"detector", tmp_path/"bad.png", "--out", tmp_path/"p.csv"), 1, "bad.png")
    failed(lmdisc("predict", out/"detector", faces/"00.png", "--out", faces/"00.png"/"p.csv"), 1, "00.png")
    assert not (tmp_path/"p.csv").exists()

def test_a_folder_that_is_there_wins_over_a_published_set(run, faces, tmp_path, monkeypatch, capsys):
    "On the checkpoints of `run`, too."
    monkeypatch.chdir(tmp_path)
    Path("cats").symlink_to(faces); Path("found").symlink_to(run[1])
    assert main(["discover", "cats", "--profile", "smoke", "--out", "found"]) == 0
    assert "cats: the pictures in this folder, not the data set of that name" in capsys.readouterr().out
    assert len({row["picture"] for row in csv.DictReader(open(tmp_path/"found"/"landmarks.csv"))}) == 24
