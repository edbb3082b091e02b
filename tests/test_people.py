"Somebody's own pictures, in whatever state they are, through the commands that a user types."
import csv, json
import numpy as np, pytest
from PIL import Image
from lmdisc.cli import main
from lmdisc.datasets.given import given

def picture(seed, size=(90, 60)):
    "Blocks of colour, another for each seed."
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (6, 9, 3), np.uint8)).resize(size, Image.NEAREST)

@pytest.fixture
def odd(tmp_path):
    "Pictures as they lie on disks."
    folder = tmp_path/"meine Bilder ä"
    for sub in ("eins", "zwei"): (folder/sub).mkdir(parents=True); picture(len(sub)).save(folder/sub/"001.jpg")
    exif = Image.Exif(); exif[0x0112] = 6
    picture(3).save(folder/"lies on its side.jpg", exif=exif)
    picture(4).convert("RGBA").save(folder/"Flügel.png")
    Image.fromarray((np.asarray(picture(5).convert("L")).astype(np.uint16) * 257)).save(folder/"sixteen.png")
    picture(6, (40, 120)).convert("L").save(folder/"grey.webp")
    return folder

def test_every_kind_of_picture_goes_through(odd, tmp_path, capsys):
    assert main(["predict", "--model", "heads", str(odd), "--out", str(tmp_path/"p.csv")]) == 0
    rows = list(csv.DictReader(open(tmp_path/"p.csv", encoding="utf-8")))
    assert {r["picture"] for r in rows} == {"eins/001.jpg", "zwei/001.jpg", "lies on its side.jpg", "Flügel.png", "sixteen.png", "grey.webp"}
    sizes = {given(odd).name(i): given(odd)[i].shape[1::-1] for i in range(6)}
    assert sizes["lies on its side.jpg"] == (60, 90)
    for r in rows:
        inside = all(-.5 <= float(r[axis]) <= side - .5 for axis, side in zip("xy", sizes[r["picture"]]))
        assert inside or float(r["score"]) == 0       # it has a place, and cannot be in sight there

def test_what_cannot_be_read_is_named_and_left_out(odd, tmp_path, capsys):
    for i in range(20): picture(i).save(odd/f"{i}.png")
    (odd/"half.jpg").write_bytes((odd/"eins"/"001.jpg").read_bytes()[:500])
    assert main(["predict", "--model", "heads", str(odd), "--out", str(tmp_path/"p.csv")]) == 0
    said = capsys.readouterr().err
    assert "1 of 27 pictures cannot be read and are left out" in said and "half.jpg" in said
    for i in range(5): (odd/f"broken {i}.png").write_text("no picture")
    assert main(["predict", "--model", "heads", str(odd), "--out", str(tmp_path/"q.csv")]) == 1
    assert "6 of 32 pictures cannot be read" in capsys.readouterr().err and not (tmp_path/"q.csv").exists()

@pytest.mark.parametrize("pictures, said", [([0, 1, 2], "3 pictures are too few"), ([0] * 24, "all but identical")], ids=["three", "identical"])
def test_a_run_that_can_say_nothing_says_so(pictures, said, tmp_path, capsys):
    (tmp_path/"in").mkdir()
    for i, seed in enumerate(pictures): picture(seed, (96, 96)).save(tmp_path/"in"/f"{i}.png")
    assert main(["discover", str(tmp_path/"in"), "--profile", "smoke", "--out", str(tmp_path/"out")]) == 0
    assert said in capsys.readouterr().out
    page = (tmp_path/"out"/"report.html").read_text()
    assert "did not work" in page and said in page
    assert {"quality.csv", "landmarks.csv", "report.html"} <= {p.name for p in (tmp_path/"out").iterdir()}

def test_one_picture_alone_is_refused_before_anything_takes_time(tmp_path, capsys):
    (tmp_path/"in").mkdir()
    picture(0).save(tmp_path/"in"/"a.png")
    for more in ([], ["--find"]):
        assert main(["discover", str(tmp_path/"in"), "--profile", "smoke", "--out", str(tmp_path/"out"), *more]) == 1
        said = capsys.readouterr().err
        assert said.splitlines()[-1] == "lmdisc: 1 picture to learn from; 2 are needed, hundreds are better"
    assert not list(tmp_path.glob("out/**/*.safetensors"))

@pytest.mark.parametrize("choices, said", [({"net.maps": "heat"}, "set net.maps to 'where', or stage2.shape to False"),
                                           ({"initial.detector": "orb"}, "no detector 'orb'; choose one of aliked")], ids=["maps", "detector"])
def test_choices_that_cannot_work_are_refused_at_once(choices, said):
    from lmdisc import discover, profile
    with pytest.raises(ValueError, match=said): discover(None, profile("smoke", choices))


def test_five_labels_and_what_becomes_of_them(odd, tmp_path, capsys):
    "A detector of one's own: names, points from labels, and both in what is exported."
    from lmdisc.use.chosen import load
    model = tmp_path/"model"
    load("heads").save(model)
    for i in range(5): picture(i).save(odd/f"{i}.png")
    with open(tmp_path/"labels.csv", "w") as file: file.write("picture,name,x,y\n" + "".join(f"{i}.png,tip,{30 + i},20\n" for i in range(5)))
    assert main(["name", str(model), "0=left eye", "--labels", str(tmp_path/"labels.csv"), "--pictures", str(odd)]) == 0
    assert "5 labelled pictures give 1 named point," in capsys.readouterr().err
    assert main(["export", str(model), str(odd), "--format", "coco", "--out", str(tmp_path/"c.json")]) == 0
    names = json.loads((tmp_path/"c.json").read_text())["categories"][0]["keypoints"]
    assert names[0] == "left eye" and names[-1] == "tip"
