"The `lmdisc` command in its own process, on picture files."
import csv, io, json, os, re, shutil, subprocess, sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
import numpy as np, pandas as pd, pytest
from PIL import Image, ImageDraw
from lmdisc.cli import main
from lmdisc.data.images import boxed
from lmdisc.datasets.given import given
from lmdisc.use.chosen import load

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
    assert len(rows) == 24 * K and (not rows or set(rows[0]) == {"picture", "landmark", "name", "x", "y", "score"})
    record = json.loads((out/"landmarks_seen.json").read_text())
    assert record["parameters"]["profile"] == "smoke" and record["parameters"]["pictures"] == faces.name
    assert Image.open(out/"landmarks_seen.png").size[0] > 100
    page = (out/"report.html").read_text(encoding="utf-8")
    assert all(f'<th scope="row">{step}</th>' in page for step in ("generic keypoints", "landmarks (stage 2)", "pictures, quality, tables and this page"))
    assert ("Left and right" in page) == (K > 0)

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
    failed(lmdisc("predict", out/"detector", faces/"00.png", "--out", faces/"00.png"/"p.csv"), 2, "00.png")
    assert not (tmp_path/"p.csv").exists()

def test_a_folder_that_is_there_wins_over_a_published_set(run, faces, tmp_path, monkeypatch, capsys):
    "On the checkpoints of `run`, too."
    monkeypatch.chdir(tmp_path)
    Path("cats").symlink_to(faces); Path("found").symlink_to(run[1])
    assert main(["discover", "cats", "--profile", "smoke", "--out", "found"]) == 0
    assert "cats: the pictures in this folder, not the data set of that name" in capsys.readouterr().err
    assert len({row["picture"] for row in csv.DictReader(open(tmp_path/"found"/"landmarks.csv"))}) == 24

@pytest.fixture
def detector(run, tmp_path):
    "A copy of the detector of `run`, and its number of landmarks."
    shutil.copytree(run[1]/"detector", tmp_path/"detector")
    return tmp_path/"detector", json.loads((tmp_path/"detector"/"detector.json").read_text())["K"]

@pytest.fixture
def here(capsys):
    "Calls in this process: code, standard output and standard error."
    def call(*args):
        try: code = main([*map(str, args)])
        except SystemExit as stopped: code = stopped.code
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)
    return call

def points_of(text):
    "(number, name) of the first picture in a table of landmarks."
    rows = list(csv.DictReader(io.StringIO(text)))
    return [(int(r["landmark"]), r["name"]) for r in rows if r["picture"] == rows[0]["picture"]]

# numbers and names

def test_numbers_and_names_are_for_life(run, faces, detector, tmp_path, here):
    folder, K = detector
    done = here("name", folder, "5=left eye", "--drop", "1,", "3", "--same", "2,6")
    want = [(k, "left eye" if k == 5 else f"landmark {k}") for k in range(K) if k not in (1, 3, 6)]
    assert [(int(n), name.strip()) for n, name in (line.split(maxsplit=1) for line in done.stdout.splitlines())] == want
    assert here("name", folder, "7=nose", "left eye=5th", "4=landmark 4").returncode == 0
    want = [(k, {5: "5th", 7: "nose"}.get(k, name)) for k, name in want]
    assert points_of(here("predict", folder, faces/"00.png").stdout) == want
    assert here("quality", folder, faces, "--out", tmp_path/"q.csv").returncode == 0
    assert [(int(r["landmark"]), r["name"]) for r in csv.DictReader(open(tmp_path/"q.csv"))] == want
    assert here("export", folder, faces/"00.png", "--format", "csv", "--out", tmp_path/"e.csv").returncode == 0
    assert points_of((tmp_path/"e.csv").read_text()) == want

def test_a_discovery_that_drops_gives_the_numbers_of_predict(run, faces, tmp_path, here):
    out = tmp_path/"run"
    shutil.copytree(run[1], out)
    done = here("discover", faces, "--profile", "smoke", "--out", out, "--drop")
    flagged = [int(r["landmark"]) for r in csv.DictReader(open(out/"quality.csv")) if r["flagged"]]
    assert flagged and f"left out (--drop): {', '.join(map(str, flagged))}." in done.stdout
    points = points_of(here("predict", out/"detector", faces/"00.png").stdout)
    assert points == points_of((out/"landmarks.csv").read_text()) and not {number for number, _ in points} & set(flagged)

def test_one_point_stays_at_least(run, faces, detector, tmp_path, here, monkeypatch):
    folder, K = detector
    failed(here("name", folder, "--drop", *range(K)), 1, "keep one")
    assert len(points_of(here("predict", run[1]/"detector", faces/"00.png").stdout.replace("landmark,", "landmark,name,", 1))) == K
    monkeypatch.setattr("lmdisc.use.reliability.LEAST", 10**6)
    out = tmp_path/"run"
    shutil.copytree(run[1], out)
    assert "no landmark would remain" in here("discover", faces, "--profile", "smoke", "--out", out, "--drop").stdout
    assert len({r["landmark"] for r in csv.DictReader(open(out/"landmarks.csv"))}) == K

def test_what_is_a_name_and_a_number_of_two_points_is_asked_back(detector, here):
    folder, _ = detector
    assert here("name", folder, "3=5").returncode == 0
    failed(here("name", folder, "5=left eye"), 1, "'5' is the name of point 3 and the number of 'landmark 5'; write 3, or 'landmark 5'")
    assert "  5  left eye" in here("name", folder, "landmark 5=left eye", "3=nose").stdout

def test_what_comes_with_the_package_stays(tmp_path, here):
    from lmdisc.use.chosen import digest
    before = digest("heads")
    failed(here("name", "heads", "3=left eye"), 1, "heads comes with the package", "--out")
    assert here("name", "heads", "3=left eye", "--out", tmp_path/"my").returncode == 0 and digest("heads") == before
    assert "  3  left eye" in here("name", tmp_path/"my").stdout

@pytest.mark.parametrize("names, said", [(("3=nose", "3=mouth"), "'3' gets two names; write one"),
                                         (("3=nose", "landmark 3=mouth"), "'3' and 'landmark 3' are one point; name it once")], ids=["number", "both"])
def test_a_point_gets_one_name(detector, here, names, said):
    failed(here("name", detector[0], *names), 1, said)
    assert not (detector[0]/"chosen.json").exists()

@pytest.mark.parametrize("command", [("name", "detector", "3=nose"), ("discover", "faces", "--profile", "smoke")], ids=["name", "discover"])
def test_the_name_of_the_packages_detector_is_taken(run, faces, tmp_path, monkeypatch, here, command):
    "A folder called heads would be meant by `--model heads` from then on."
    monkeypatch.chdir(tmp_path)
    Path("detector").symlink_to(run[1]/"detector"), Path("faces").symlink_to(faces)
    failed(here(*command, "--out", "heads"), 1, "heads comes with the package", "name another folder")
    assert not Path("heads").exists()

# labels

def labels(folder, *rows):
    (folder/"labels.csv").write_text("\n".join(["picture,name,x,y", *rows]))
    return "--labels", folder/"labels.csv", "--pictures"

@pytest.mark.parametrize("rows, said", [
    (["00.png,nose,40,50", "01.png,nose,41,50", "00.png,nose,70,50"], "line 4: 00.png,nose,70,50: another label"),
    (["00.png,nose,5000,50"], "00.png: the label of 'nose', [5000.0, 50.0], lies far outside the 96 × 96 picture"),
    (["00.png,nose,inf,50"], "lies far outside"), (["00.png,nose,left,50"], "line 2: 00.png,nose,left,50: two numbers"),
    (["00.png,nose,40,"], "two numbers"), (["00.png,,40,50"], "a name is missing")], ids="twice far infinite text half nameless".split())
def test_odd_labels_are_refused(faces, detector, tmp_path, here, rows, said):
    failed(here("name", detector[0], *labels(tmp_path, *rows), faces), 1, said)
    assert not (detector[0]/"chosen.json").exists()

@pytest.mark.parametrize("text, said", [("", "No columns to parse"), ("picture,name,x,y\n", "column names and no labels"),
                                        ('picture,name,x,y\n00.png,"nose,40,50', "EOF inside string"), ("picture,name,x,y\n00.png,nose,40,50,1,2\n", "first one says")])
def test_a_table_of_labels_that_is_not_one(faces, detector, tmp_path, here, text, said):
    (tmp_path/"labels.csv").write_text(text)
    failed(here("name", detector[0], "--labels", tmp_path/"labels.csv", "--pictures", faces), 1, str(tmp_path/"labels.csv"), said)

@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\udcff"])
def test_a_name_that_no_export_takes_is_refused(detector, here, name):
    failed(here("name", detector[0], f"1={name}"), 1, "is no name: it has control characters, or is not UTF-8; choose another")
    assert not (detector[0]/"chosen.json").exists()

def test_names_are_the_same_everywhere_after_a_second_discovery(run, faces, tmp_path, here):
    "On the checkpoints of `run`, too."
    again = "discover", faces, "--profile", "smoke", "--out", tmp_path/"out"
    shutil.copytree(run[1], tmp_path/"out")
    here("name", tmp_path/"out"/"detector", "3=left eye", "2=NA"), here("name", tmp_path/"out"/"detector", "--drop", "1")
    done = here(*again)
    K = len(pd.read_csv(tmp_path/"out"/"quality.csv"))
    assert f"Names and choices made before are kept: {K - 1} points." in done.stdout
    tables = [pd.read_csv(tmp_path/"out"/f"{name}.csv", keep_default_na=False) for name in ("quality", "landmarks")]
    named = [dict(zip(table.landmark, table.name)) for table in tables]
    assert all(one[3] == "left eye" and one[2] == "NA" for one in named) and 1 not in named[1]
    assert "left eye" in (tmp_path/"out"/"report.html").read_text()

def test_a_warning_is_one_line(here, monkeypatch):
    import lmdisc.cli, warnings
    monkeypatch.setattr(lmdisc.cli, "run_doctor", lambda args: warnings.warn("few pictures"))
    assert here("doctor").stderr == "few pictures\n"

@pytest.mark.parametrize("args", [("discover", "", "--out", "o"), ("discover", "few", "--out", ""), ("predict", "", "few")])
def test_an_empty_name_is_not_the_current_folder(here, args):
    failed(here(*args), 2, "a name is empty")

def test_labels_may_be_called_anything(faces, detector, tmp_path, here):
    folder, K = detector
    rows = [f"{i:02d}.png,{name},{40 + 5 * n},50" for i in range(3) for n, name in enumerate(("NA", "7", "None"))]
    done = here("name", folder, *labels(tmp_path, *rows, "03.png,NA,,"), faces)
    assert done.returncode == 0 and "give 3 named points" in done.stderr
    assert points_of(here("predict", folder, faces/"00.png").stdout)[K:] == [(K, "NA"), (K + 1, "7"), (K + 2, "None")]

# what is read and what is written

@pytest.mark.parametrize("out", ["faces/found", "faces", "faces/../faces/deep/er"])
def test_nothing_is_learned_from_our_own_figures(faces, detector, tmp_path, here, out):
    pictures = tmp_path/"faces"
    shutil.copytree(faces, pictures)
    failed(here("discover", pictures, "--profile", "smoke", "--out", tmp_path/out), 1, "--out", "lies in", "name a folder beside it")
    failed(here("export", detector[0], pictures, "--format", "dlc", "--out", tmp_path/out), 1, "lies in")
    assert len(list(pictures.rglob("*"))) == 24

def test_standard_output_is_for_data(faces, detector, tmp_path, here):
    pictures = tmp_path/"faces"
    shutil.copytree(faces, pictures)
    (pictures/"bad.png").write_bytes(b"no picture")
    done = here("predict", detector[0], pictures)
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 24 * detector[1]
    assert done.stdout.startswith("picture,landmark,name,x,y,score\n") and "bad.png" in done.stderr

@pytest.mark.parametrize("args", [
    ["predict", "detector", "face.png", "--out", "face.png"], ["predict", "detector", "face.png", "--out", "other.jpg"],
    ["predict", "detector", "face.png", "--out", "p.csv", "--poses", "./p.csv"], ["predict", "detector", "face.png", "--boxes", "b.csv", "--out", "b.csv"],
    ["quality", "detector", "face.png", "--out", "face.png"], ["video", "detector", "film.mp4", "--table", "film.mp4"],
    ["video", "detector", "film.mp4", "--out", "film.mp4"], ["export", "detector", "face.png", "--format", "coco", "--out", "other.jpg"],
    ["export", "detector", "face.png", "--format", "csv", "--out", "face.png"], ["predict", "detector", "face.png", "--out", "folder.csv"],
    ["discover", "faces", "--out", "face.png"], ["discover", "faces", "--out", "face.png/deeper"], ["predict", "detector", "x", "--out", "face.png/p.csv"],
    ["export", "detector", "face.png", "--format", "coco", "--out", "detector/detector.json"]], ids=" ".join)
def test_no_file_of_the_user_is_overwritten(detector, tmp_path, monkeypatch, here, args):
    monkeypatch.chdir(tmp_path)
    for name in ("face.png", "other.jpg", "film.mp4", "b.csv"): Path(name).write_text("mine")
    Path("folder.csv").mkdir()
    failed(here(*args), 2, "--")
    assert {p.read_text() for p in tmp_path.iterdir() if p.is_file()} == {"mine"}

@pytest.mark.parametrize("args", [["predict", "face.png", "heads"], ["quality", "my", "heads"], ["export", "my", "heads", "--format", "csv", "--out", "o.csv"],
                                  ["video", "film.mp4", "heads", "--table", "t.csv"], ["name", "3=left eye", "heads"]], ids=lambda a: a[0])
def test_swapped_arguments_open_no_pictures(tmp_path, monkeypatch, here, args):
    def opened(*args, **how): raise AssertionError("pictures were opened")
    monkeypatch.setattr("lmdisc.datasets.open", opened)
    failed(here(*args), 1, f"{args[1]} holds no detector.json", "first, then pictures")

def test_a_name_that_no_table_can_hold(faces, detector, tmp_path, here):
    pictures = tmp_path/"faces"
    shutil.copytree(faces, pictures)
    try: shutil.copy(faces/"00.png", pictures/os.fsdecode(b"caf\xe9.png"))
    except OSError: pytest.skip("this file system takes UTF-8 alone")
    failed(here("discover", pictures, "--profile", "smoke", "--out", tmp_path/"out"), 1, "caf\\udce9.png", "UTF-8")
    assert not (tmp_path/"out").exists()
    failed(here("predict", detector[0], pictures/os.fsdecode(b"caf\xe9.png")), 2, "caf\\udce9.png", "UTF-8")

@pytest.mark.parametrize("args, said", [(("--n-images", "-5"), "data.n_images is -5"), (("--seed", "-1"), "seed is -1"), (("--seed", str(10**30)), "seed is 1"),
                                        (("--clusters", "0"), "stage1.clusters is 0"), (("--clusters", "1"), "stage1.clusters is 1"), (("--clusters", "1", "--dry-run"), "stage1.clusters is 1"),
                                        (("--seeds", "0,-2"), "seed is -2"),
                                        (("--seeds", "0,-2", "--dry-run"), "seed is -2")])
def test_impossible_numbers_are_said_first(faces, tmp_path, here, args, said):
    failed(here("discover", faces, "--profile", "smoke", "--out", tmp_path/"out", *args), 1, said, "is needed")
    assert not (tmp_path/"out").exists()

@pytest.mark.parametrize("out", ["file", "file/deeper", "dangling", "loop", "x" * 300, "new/" + "x" * 300, "/proc/new"], ids=lambda out: out[:10])
def test_a_folder_that_cannot_be_written_into_is_said_first(tmp_path, monkeypatch, here, out):
    "A file in the way, links that lead nowhere, names that no file system takes, one that takes no files."
    if out[0] == "/" and not Path(out).parent.is_dir(): pytest.skip("there is no /proc")
    monkeypatch.chdir(tmp_path)
    Path("file").touch(), Path("dangling").symlink_to("nowhere"), Path("loop").symlink_to("loop")
    failed(here("discover", "no/such/pictures", "--profile", "smoke", "--out", out), 2, out, "; name another folder")
    failed(here("predict", "heads", "no/such/pictures", "--out", f"{out}/p.csv"), 2, out, "; name another folder")
    assert {p.name for p in tmp_path.iterdir()} == {"file", "dangling", "loop"}

def test_a_cache_that_cannot_be_used_is_named(tmp_path, monkeypatch, here):
    (tmp_path/"file").touch()
    monkeypatch.setenv("LMDISC_CACHE", str(tmp_path/"file"/"cache"))
    done = here("doctor")
    assert f"CANNOT BE USED: {tmp_path/'file'}: Not a directory; set LMDISC_CACHE to another folder" in done.stdout and done.returncode == 1
    failed(here("discover", "heads", "--profile", "smoke", "--out", tmp_path/"out"), 1, f"{tmp_path/'file'}", "set LMDISC_CACHE to another folder")

def test_a_home_may_be_short(tmp_path, monkeypatch):
    from lmdisc.store.files import cache_dir
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("LMDISC_CACHE", "~/kept")
    assert cache_dir() == tmp_path/"kept"

def test_found_boxes_are_written_and_a_finder_is_not_exported_in_silence(faces, tmp_path, monkeypatch, here):
    class Found:
        def aim(self, images, whole, detector, progress): return boxed(images, images.boxes + 1)
        def save(self, folder): folder.mkdir()
    monkeypatch.setattr("lmdisc.use.finding.found_boxes", lambda images, runs: (replace(images, data_hash="found"), Found()))
    assert here("discover", faces, "--profile", "smoke", "--find", "--out", tmp_path/"o").returncode == 0
    assert json.loads((tmp_path/"o"/"landmarks.json").read_text())["data_hash"] == given(faces).data_hash     # of the pictures, not of what was found
    boxes, whole = pd.read_csv(tmp_path/"o"/"boxes.csv"), given(faces)
    assert list(boxes.name) == [whole.name(i) for i in range(len(whole))] and (boxes[["x0", "y0", "x1", "y1"]].to_numpy() == whole.boxes + 1).all()
    assert "The finder of this detector is not part of" in here("export", tmp_path/"o"/"detector", "--format", "onnx", "--out", tmp_path/"a.onnx").stderr

@pytest.mark.parametrize("args, said", [
    (("coco", "face.png", "--crops"), "--crops"), (("onnx", "--boxes", "b.csv"), "--boxes"), (("onnx", "face.png"), "pictures")], ids=lambda a: a if isinstance(a, str) else a[0])
def test_an_option_that_would_do_nothing_is_refused(here, args, said):
    form, *more = args
    failed(here("export", "heads", *more, "--format", form, "--out", f"o.{dict(coco='json').get(form, form)}"), 2, f"--format {form} makes no use of {said}; leave")

def test_a_format_of_no_table_is_refused(here):
    failed(here("video", "heads", "film.mp4", "--out", "o.mp4", "--format", "nwb"), 2, "--format nwb is that of --table")

# before the first run

@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_that_lacks_letters_gets_their_numbers(encoding, tmp_path):
    "As on Windows: one picture's name is in no letters of the console, and the table is written all the same."
    draw(tmp_path/"日本 ö.png", 0)
    env = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    code = "import sys; from lmdisc.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "predict", "heads", str(tmp_path)], capture_output=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    assert rb"\u65e5\u672c" in done.stdout and len(done.stdout.splitlines()) == 57

def test_a_dry_run_writes_nothing(faces, tmp_path, here):
    pictures = tmp_path/"faces"
    shutil.copytree(faces, pictures)
    (pictures/"bad.png").write_bytes(b"no picture")
    done = here("discover", pictures, "--profile", "smoke", "--n-images", "20", "--out", tmp_path/"out", "--dry-run")
    assert done.stdout.startswith("24 pictures can be read, 1 cannot. It would learn from 20 and hold 2 out, a minute at most")
    assert "Weights: xfeat ready." in done.stdout and not (tmp_path/"out").exists() and "not done again" not in done.stderr
    assert here("discover", pictures, "--profile", "smoke", "--out", tmp_path/"MISSING", "--dry-run").returncode == 0

def test_what_was_done_before_is_said(run, faces, here):
    planned = here("discover", faces, "--profile", "smoke", "--out", run[1], "--dry-run").stderr
    assert f"What {run[1]/'checkpoints'} has of these very pictures and choices is not done again." in planned

def test_a_trial_replaces_no_results(run, faces, tmp_path, here):
    out = shutil.copytree(run[1], tmp_path/"out")
    record = json.loads((out/"landmarks.json").read_text())
    assert record["parameters"]["profile"] == "smoke"
    (out/"landmarks.json").write_text(json.dumps(record | {"parameters": record["parameters"] | {"profile": "cpu"}}))
    failed(here("discover", faces, "--profile", "smoke", "--out", out), 1, "holds results of profile cpu, and smoke is a trial")
    assert load(out/"detector").K == load(run[1]/"detector").K

def test_what_is_replaced_and_what_is_few_is_said(faces, detector, tmp_path, here):
    out = Path(detector[0]).parent
    assert "22 pictures to learn from are few" in here("discover", faces, "--profile", "SMOKE", "--out", out, "--dry-run").stderr
    failed(here("discover", faces, "--out", tmp_path/"x", "--find", "--boxes", "b.csv"), 2, "give one of them")
    for times, said in ((1, False), (2, True)):
        done = here("export", detector[0], faces, "--format", "COCO", "--out", tmp_path/"c.json")
        assert done.returncode == 0 and ("c.json is replaced" in done.stderr) == said
    failed(here("export", detector[0], faces, "--format", "yolo", "--out", tmp_path/"c.json"), 2, "c.json is a file; --format yolo needs a folder")
    (tmp_path/"mine").mkdir(); (tmp_path/"mine"/"notes.txt").touch()
    refused = here("export", detector[0], faces, "--format", "yolo", "--out", tmp_path/"mine")
    assert refused.returncode == 1 and "holds files that are not from an export" in refused.stderr and "is replaced" not in refused.stderr

def test_a_folder_takes_one_discovery_at_a_time(faces, tmp_path, here):
    from filelock import FileLock
    (tmp_path/"out"/"checkpoints").mkdir(parents=True)
    with FileLock(tmp_path/"out"/"checkpoints"/"lock"):
        failed(here("discover", faces, "--profile", "smoke", "--out", tmp_path/"out"), 1, "another discovery is writing into")
    assert [p.name for p in (tmp_path/"out").iterdir()] == ["checkpoints"]

def test_a_published_set_is_discovered_as_it_needs(tmp_path, here, monkeypatch):
    "M, margin and labelled pictures; a folder of the same name is not that set, in experiments either."
    from lmdisc.lab.protocols import main_profile
    from lmdisc.use import reliability
    asked = []
    def stop(config, *_):
        asked.append((config.stage1.clusters, config.data.margin, config.data.n_labelled))
        raise ValueError("far enough")
    monkeypatch.setattr(reliability, "candidates", stop); monkeypatch.chdir(tmp_path)
    Path("aflw").mkdir()
    for name in ("bbcpose", "human36m", "celeba", "heads", "aflw"): failed(here("discover", name, "--profile", "paper", "--out", "o"), 1, "far enough")
    failed(here("discover", "celeba", "--find", "--profile", "paper", "--out", "o"), 1, "far enough")
    assert asked == [(250, .15, 300), (250, 0, 800), (100, 0, 300), (100, .15, 300), (100, .15, 300), (100, .15, 300)]
    assert [main_profile("paper", dataset=name).data.margin for name in ("celeba", "aflw")] == [0, .15]
    assert main_profile("paper", dataset="aflw", root="elsewhere").data.margin == 0      # where the set's own files are named

def test_a_plan_refuses_what_a_discovery_refuses(faces, tmp_path, here):
    one = sorted(Path(faces).iterdir())[0]
    failed(here("discover", one, "--profile", "smoke", "--out", tmp_path/"out", "--dry-run"), 1, "1 picture to learn from; 2 are needed")

def test_poses_need_a_shape(detector, faces, tmp_path, here):
    from lmdisc.use.chosen import chosen, load
    (flat := chosen(load(detector[0])).detector).shape = None
    flat.save(tmp_path/"flat")
    failed(here("predict", tmp_path/"flat", faces, "--out", tmp_path/"p.csv", "--poses", tmp_path/"q.csv"), 1, "knows no shape in space", "leave out --poses")

def test_where_left_and_right_are_not_known_no_tool_flips(faces, detector, tmp_path, here):
    few = sorted(Path(faces).iterdir())[:3]
    here("export", detector[0], *few, "--format", "yolo", "--out", tmp_path/"y")
    assert "flip_idx" not in json.loads((tmp_path/"y"/"data.yaml").read_text(encoding="utf-8"))
    here("export", detector[0], *few, "--format", "coco", "--out", tmp_path/"c.json")
    assert "flip_pairs" not in json.loads((tmp_path/"c.json").read_text(encoding="utf-8"))["categories"][0]

@pytest.mark.parametrize("seconds, minutes", [(.2, 2), (2., 21)])
def test_the_time_of_a_discovery_is_estimated_for_this_machine(faces, tmp_path, here, monkeypatch, seconds, minutes):
    "The notebook measures steps; here a machine is given, ten times as slow as another."
    import lmdisc.cli
    monkeypatch.setattr(lmdisc.cli, "seconds_a_step", lambda config: seconds)
    said = f"about {minutes} min by estimate, on this machine as busy as it is now"
    assert f"cpu: {said};" in here("doctor", faces).stdout
    assert f"hold 2 out, {said}, and write" in here("discover", faces, "--out", tmp_path/"out", "--dry-run").stdout

def test_the_doctor_says_what_is_here_and_what_is_missing(faces, here, monkeypatch):
    "It times a few steps of training, too."
    import torch
    done = here("doctor", faces)
    assert done.returncode == 0 and f"torch {torch.__version__}" in done.stdout and "24 can be read, 0 cannot" in done.stdout
    assert re.search(r"^time .*cpu: about \d+ min by estimate, on this machine as busy as it is now;", done.stdout, re.M) and "15 minutes" not in done.stdout
    def closed(name): raise OSError(f"could not get {name}; download it yourself")
    monkeypatch.setattr("lmdisc.nets.detectors.open_detector", closed)
    def unmeasured(config): raise OSError("no weights")
    monkeypatch.setattr("lmdisc.cli.seconds_a_step", unmeasured)
    done = here("doctor", faces)
    assert done.returncode == 1 and "aliked MISSING: could not get aliked; download it yourself" in done.stdout and "cpu: 15 minutes at most" in done.stdout
    planned = here("discover", faces, "--out", "never", "--dry-run")
    assert planned.returncode == 1 and "Weights: aliked MISSING" in planned.stdout and "xfeat MISSING" in planned.stdout
    failed(here("discover", faces, "--out", "never"), 1, "no weights")
    assert not Path("never").exists()
