"Detectors and landmarks taken elsewhere: what other people's libraries read of them, and what onnxruntime answers, without lmdisc."
import csv, io, json, os, re, subprocess, sys, weakref
import numpy as np, pandas as pd, pytest, torch
from PIL import Image
from lmdisc.use.chosen import drop, learned_points, rename, same
from lmdisc.config import profile
from lmdisc.export.formats import (export_coco, export_csv, export_dlc, export_dlc_predictions, export_fiftyone, export_labelstudio, export_movement,
                                   export_nwb, export_sleap, export_yolo)
from lmdisc.data.images import ImageSet, in_picture, picture_sizes, read_picture
from lmdisc.method.detector import LandmarkDetector
from lmdisc.nets.networks import LandmarkNet, NetConfig
from lmdisc.export.onnx import export_onnx

NAMES = ["left eye", "Öhr, links", "tail"]


def detector_of(net, size, K=6):
    """An untrained network. Its last layer is made 30 times as steep: without that a map is nearly flat, its two highest
    cells differ by no more than float noise, and torch and onnxruntime may choose different ones."""
    torch.manual_seed(0)
    psi = LandmarkNet(K, net)
    with torch.no_grad(): psi.detector[-1].weight.mul_(30)
    return LandmarkDetector(psi, size, threshold=.5)


def photograph(height, width, seed=0):
    "Blurred blotches."
    few = np.random.default_rng(seed).integers(0, 256, (max(2, height // 12), max(2, width // 12), 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(few).resize((width, height), Image.BICUBIC))


SEVERAL = [                           # height, width, box: whole, inside and grown, partly outside, large, wholly small, beside the picture
    (240, 320, (-.5, -.5, 319.5, 239.5)), (120, 90, (20, 30, 60, 80)), (700, 500, (-80, 100, 450, 640)), (1200, 1600, (-.5, -.5, 1599.5, 1199.5)),
    (40, 30, (5, 5, 25, 35)), (333, 777, (600, 200, 900, 400)), (61, 97, (90.3, -20.7, 130.2, 9.9))]


def one(picture, box): return ImageSet(lambda i: picture, np.float32([box]))


def with_choices(detector):
    "Renamed, two as one, one dropped, and two points learned from labels."
    labelled = ImageSet(lambda i: photograph(80, 80, i), np.tile(np.float32([-.5, -.5, 79.5, 79.5]), (4, 1)))
    changed = drop(same(rename(detector, {"landmark 3": "left eye"}), [1, 2]), [4])
    return learned_points(changed, labelled, np.random.default_rng(0).uniform(10, 70, (4, 2, 2)), ["tip", "Öhr, links"])


@pytest.fixture(scope="module")
def chosen(): return with_choices(detector_of(profile("smoke").net, 64))


@pytest.fixture(scope="module")
def exported(chosen, tmp_path_factory):
    "Folder of detector.onnx and run_onnx.py."
    pytest.importorskip("onnxruntime"), pytest.importorskip("onnx"), pytest.importorskip("onnxscript")
    return export_onnx(tmp_path_factory.mktemp("away")/"detector.onnx", chosen, example=True).parent


def assert_answers_agree(path, detector):
    """To a hundredth of a crop px, which is 1/400 of a map cell: far less than anyone can label, and more than two libraries
    differ by on any processor, whose sums run in other orders."""
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for seed, (height, width, box) in enumerate(SEVERAL):
        picture = photograph(height, width, seed)
        xy, score, seen = session.run(None, {"picture": picture, "box": np.float32(box)})
        (want,), (height_of_map,) = detector.predict(one(picture, box))
        each = 1.3 * max(box[2] - box[0], box[3] - box[1]) / detector.size
        assert xy.dtype == np.float32 and seen.dtype == bool and np.isfinite(xy).all()
        np.testing.assert_allclose(xy, want, rtol=0, atol=1e-2 * max(1, each))
        np.testing.assert_allclose(score, height_of_map, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(seen, height_of_map >= detector.threshold)


def test_chosen_landmarks_on_a_backbone(exported, chosen):
    assert_answers_agree(exported/"detector.onnx", chosen)


def test_the_network_of_the_cpu_profile_and_the_released_decoder(tmp_path):
    pytest.importorskip("onnxruntime"), pytest.importorskip("onnxscript")
    detector = detector_of(NetConfig(32, 3, norm="batch", maps="heat"), 96)
    detector.released = type(detector.released)(whole_cells=True, wrap=True)
    assert_answers_agree(export_onnx(tmp_path/"d.onnx", detector), detector)


def test_crops_are_taken_in_any_number(chosen, tmp_path):
    onnxruntime, _ = pytest.importorskip("onnxruntime"), pytest.importorskip("onnxscript")
    session = onnxruntime.InferenceSession(export_onnx(tmp_path/"d.onnx", chosen, crops=True), providers=["CPUExecutionProvider"])
    for n in (1, 2, 7):
        pictures = ImageSet(lambda i: photograph(80, 90, i), np.tile(np.float32([5, 5, 70, 75]), (n, 1)))
        crops = pictures.crops(chosen.size, chosen.margin, progress=False)
        xy, score, seen = session.run(None, {"crops": crops.pixels})
        want, height = chosen.predict(crops)
        np.testing.assert_allclose(xy, want, rtol=0, atol=1e-2), np.testing.assert_allclose(score, height, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(seen, height >= chosen.threshold)


def test_the_file_says_what_it_is_and_what_it_takes(exported, chosen):
    import onnxruntime
    session = onnxruntime.InferenceSession(exported/"detector.onnx", providers=["CPUExecutionProvider"])
    record = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items() if k not in ("what", "lmdisc")}
    assert record == dict(names=chosen.names, size=64, margin=.15, threshold=chosen.threshold)
    with pytest.raises(Exception, match="uint8"):
        session.run(None, {"picture": np.zeros((9, 9, 3), np.float32), "box": np.zeros(4, np.float32)})
    assert sorted(os.listdir(exported)) == ["detector.onnx", "run_onnx.py"]


def odd_pictures(folder):
    "A picture that lies on its side and says so, a grey one, a transparent one, of 16 and of 12 bits, one that says its largest value; with spaces and other letters."
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photograph(60, 90)).save(folder/"on its side.jpg", exif=exif)
    Image.fromarray(photograph(70, 50)).convert("L").save(folder/"grau.png")
    clear = Image.fromarray(photograph(64, 64)).convert("RGBA")
    clear.putalpha(Image.fromarray(photograph(64, 64, 1)[..., 0]))
    clear.save(folder/"Kätzchen 猫.png")
    Image.fromarray(photograph(50, 70)[..., 0].astype(np.uint16) * 257).save(folder/"16.png")
    Image.fromarray(photograph(50, 60)[..., 0].astype(np.uint16) * 16).save(folder/"12 bits.png")
    Image.fromarray(photograph(50, 60)[..., 0].astype(np.uint16) * 8).save(folder/"to 3000.tif", tiffinfo={281: 3000})
    return sorted(p for p in folder.iterdir() if p.suffix in (".jpg", ".png", ".tif"))


def test_the_example_runs_without_lmdisc(exported, chosen, tmp_path):
    assert len((exported/"run_onnx.py").read_text().splitlines()) <= 60
    paths = odd_pictures(tmp_path)
    code = ("import runpy, sys\n"
            "for name in ('lmdisc', 'torch', 'pandas', 'matplotlib'): sys.modules[name] = None\n"
            "for path in sys.argv[1:]:\n"
            "    sys.argv = ['run_onnx.py', 'detector.onnx', path, *('3 4 40 41'.split() if path.endswith('16.png') else [])]\n"
            "    runpy.run_path('run_onnx.py', run_name='__main__')\n")
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], cwd=exported, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    tables = done.stdout.split("name,x,y,score,seen\n")[1:]
    assert len(tables) == len(paths) == 6
    for path, table in zip(paths, tables):
        rows = list(csv.reader(io.StringIO(table)))
        picture = read_picture(path)
        height, width = picture.shape[:2]
        pictures = one(picture, (3, 4, 40, 41) if "16" in path.name else (-.5, -.5, width - .5, height - .5))
        (xy,), (score,) = chosen.predict(pictures)
        assert [r[0] for r in rows] == chosen.names
        np.testing.assert_allclose(np.array([r[1:3] for r in rows], float), xy, rtol=0, atol=1e-2)
        assert [r[4] == "1" for r in rows] == (score >= chosen.threshold).tolist()
        drawn = read_picture(exported/f"{path.stem}_landmarks.png")
        assert drawn.shape == picture.shape and (drawn != picture).any()
    assert not (tmp_path/"detector.onnx").exists()


def test_a_network_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    import lmdisc.export.onnx as portable
    detector = detector_of(NetConfig(8, 1), 64)
    def stop(*a, **k): raise KeyboardInterrupt
    monkeypatch.setattr(portable.torch.onnx, "export", stop)
    with pytest.raises(KeyboardInterrupt): export_onnx(tmp_path/"d.onnx", detector, example=True)
    assert not list(tmp_path.iterdir())


# pictures

def found(n=6):
    "n pictures of three sizes in two folders, names given twice, landmarks, some of them not seen."
    rng = np.random.default_rng(0)
    pictures = [photograph(*[(64, 80), (80, 64), (90, 90)][i % 3], i) for i in range(n)]
    boxes = [[-.5, -.5, p.shape[1] - .5, p.shape[0] - .5] for p in pictures]
    names = np.array([f"{'ab'[i % 2]} ü/{i // 2} 猫.jpg" for i in range(n)])
    xy = rng.uniform(5, 60, (n, 3, 2)).astype(np.float32)
    xy[rng.random((n, 3)) < .2] = np.nan
    return ImageSet(lambda i: pictures[i], boxes, names=names), xy, rng.random((n, 3)).astype(np.float32), NAMES


def test_pycocotools_reads_and_scores(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval
    images, xy, score, names = given = found()
    truth = coco.COCO(export_coco(tmp_path/"a b"/"ü.json", *given, progress=False))
    assert [p["file_name"] for p in truth.dataset["images"]] == images.names.tolist()
    for i, a in enumerate(truth.loadAnns(truth.getAnnIds())):
        points, known = np.reshape(a["keypoints"], (3, 3)), ~np.isnan(xy[i, :, 0])
        np.testing.assert_allclose(points[:, :2], np.nan_to_num(xy[i]), atol=1e-3)
        assert points[:, 2].tolist() == (known * (1 + (score[i] >= .5))).tolist() and a["num_keypoints"] == known.sum()
        assert a["bbox"] == [0, 0, *images[i].shape[1::-1]] and a["area"] == images[i][..., 0].size
    results = truth.loadRes([{k: a[k] for k in ("image_id", "category_id", "keypoints", "score")} for a in truth.dataset["annotations"]])
    judge = COCOeval(truth, results, "keypoints")
    judge.params.kpt_oks_sigmas = np.full(3, .05)
    judge.evaluate(), judge.accumulate(), judge.summarize()
    assert judge.stats[0] == pytest.approx(1)


FLIP = [1, 0, 2]                      # the first two are a pair

def test_a_pair_is_written_as_each_tool_says_it(tmp_path):
    yaml = pytest.importorskip("yaml")
    given = found()
    coco = json.loads(export_coco(tmp_path/"a.json", *given, progress=False, flip=FLIP).read_text(encoding="utf-8"))
    assert coco["categories"][0]["flip_pairs"] == [[0, 1]]
    yolo = yaml.safe_load((export_yolo(tmp_path/"yolo", *given, progress=False, flip=FLIP)/"data.yaml").read_text(encoding="utf-8"))
    assert yolo["flip_idx"] == FLIP
    text = (export_dlc(tmp_path/"dlc", *given, progress=False, flip=FLIP)/"config.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(re.search("# (hflip: .*)", text)[1]) == {"hflip": {"symmetries": [[0, 1]], "p": .5}}
    assert yaml.safe_load(text)["bodyparts"] == NAMES

@pytest.mark.parametrize("flip", [[1, 2, 0], [1, 0], [0, 1, 3], [-1, 1, 2]])
def test_what_is_no_pairing_is_refused(flip, tmp_path):
    with pytest.raises(ValueError, match="it needs 3 rows, the partner of each landmark"): export_coco(tmp_path/"a.json", *found(), flip=flip)

def test_pandas_reads_a_project_as_deeplabcut_lays_it_out(tmp_path):
    "deeplabcut wants pandas below 3, so it cannot live beside us; this is what its `merge_annotateddatasets` asks of the files."
    yaml = pytest.importorskip("yaml")
    images, xy, score, names = given = found()
    project = export_dlc(tmp_path/"mein Projekt", *given, scorer="me", progress=False)
    config = yaml.safe_load((project/"config.yaml").read_text(encoding="utf-8"))
    assert config["bodyparts"] == names and config["scorer"] == "me" and config["project_path"] == str(project)
    (video, crop), = config["video_sets"].items()
    folder = project/"labeled-data"/os.path.splitext(os.path.basename(video))[0]
    assert crop == {"crop": "0, 90, 0, 90"}
    h5 = pd.read_hdf(folder/"CollectedData_me.h5")
    for table in (h5, pd.read_csv(folder/"CollectedData_me.csv", header=[0, 1, 2], index_col=[0, 1, 2])):
        assert list(table.columns.names) == ["scorer", "bodyparts", "coords"] and table.columns.levels[0][0] == "me" and table.index.nlevels == 3
        table = table.reindex(names, axis=1, level=1)
        for i, name in enumerate(images.names):
            row = ("labeled-data", folder.name, name.replace("/", "_").replace(".jpg", ".png"))
            np.testing.assert_allclose(table.loc[[row]].to_numpy().reshape(3, 2), np.where(score[i, :, None] >= .5, xy[i], np.nan), atol=1e-4)
            np.testing.assert_array_equal(read_picture(project.joinpath(*row)), images[i])


@pytest.mark.parametrize("labels", [False, True])
def test_sleap_io_reads_pictures_and_points(labels, tmp_path):
    sleap = pytest.importorskip("sleap_io")
    images, xy, score, names = given = found()
    path = export_sleap(tmp_path/"ü.pkg.slp", *given, labels=labels, progress=False)
    path = path.rename(tmp_path/"moved elsewhere.pkg.slp")
    read = sleap.load_slp(str(path))
    assert [n.name for n in read.skeleton.nodes] == names and len(read.videos) == 3 and len(read) == 6
    rows = images.names.tolist()
    for frame in read:
        i = rows.index(frame.video.source_video.filename[frame.frame_idx])
        point, = frame.instances
        assert isinstance(point, sleap.PredictedInstance) != labels
        np.testing.assert_allclose(point.points["xy"], xy[i], atol=1e-6)
        if labels: np.testing.assert_array_equal(point.points["visible"], ~np.isnan(xy[i, :, 0]) & (score[i] >= .5))
        np.testing.assert_array_equal(frame.image, images[i])
        if not labels: np.testing.assert_allclose(point.points["score"], np.where(np.isnan(xy[i, :, 0]), 0, score[i]), atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_deeplabcut_labels_without_any_landmark_are_an_error_and_no_lost_picture(tmp_path):
    images, xy, score, names = found()
    with pytest.raises(ValueError, match="no landmark is in sight in any of 6 pictures .*lower the threshold"):
        export_dlc(tmp_path/"p", images, xy, 0 * score, names, progress=False)
    assert not (tmp_path/"p").exists()
    seen = 0 * score
    seen[3, 0], xy[3, 0] = 1, 7                                       # one landmark in one picture is enough
    project = export_dlc(tmp_path/"p", images, xy, seen, names, progress=False)
    assert len(pd.read_csv(next(project.rglob("*.csv")), header=[0, 1, 2], index_col=[0, 1, 2])) == 6


# predictions

@pytest.fixture(params=["pictures", "film"])
def predicted(request):
    "Landmarks of six pictures, or of a video of six frames whose rate varies."
    images, xy, score, names = found()
    if request.param == "film": images = ImageSet(None, images.boxes, names=np.arange(6), fields={"time": np.array([0, .1, .2, .25, .4, 1.2])})
    return images, xy, score, names


def near(a, b): np.testing.assert_allclose(np.asarray(a, float), b, rtol=0, atol=.01)    # px; NaN where NaN


@pytest.mark.parametrize("suffix", ["csv", "h5"])
def test_pandas_reads_predictions_as_deeplabcut_lays_them_out(suffix, predicted, tmp_path):
    pytest.importorskip("tables")
    images, xy, score, names = predicted
    path = export_dlc_predictions(tmp_path/f"ü.{suffix}", *predicted)
    table = pd.read_hdf(path) if suffix == "h5" else pd.read_csv(path, header=[0, 1, 2], index_col=0)
    assert list(table.columns.names) == ["scorer", "bodyparts", "coords"] and table.columns.levels[0].tolist() == ["lmdisc"]
    assert table.index.tolist() == (list(range(6)) if "time" in images.fields else images.names.tolist())
    for k, name in enumerate(names):
        near(table["lmdisc"][name][["x", "y"]], xy[:, k]), near(table["lmdisc"][name]["likelihood"], score[:, k])


def test_xarray_reads_what_movement_asks_for(predicted, tmp_path):
    "As `ValidPosesInputs.validate` of movement 0.15 does: these variables with these dimensions."
    images, xy, score, names = predicted
    path = export_movement(tmp_path/"ü.nc", *predicted, category="Mäuse")
    read = pytest.importorskip("xarray").open_dataset(path)
    assert read.ds_type == "poses" and read.keypoints.values.tolist() == names and read.individuals.values.tolist() == ["Mäuse"]
    near(read.position.sel(individuals="Mäuse").transpose("time", "keypoints", "space").sel(space=["x", "y"]), xy)
    near(read.confidence.sel(individuals="Mäuse").transpose("time", "keypoints"), score)
    if "time" in images.fields: near(read.time, images.fields["time"])
    else: assert read.picture.values.tolist() == images.names.tolist()


def test_a_movement_file_without_xarray(predicted, tmp_path):
    from scipy.io import netcdf_file
    images, xy, score, names = predicted
    with netcdf_file(export_movement(tmp_path/"ü.nc", *predicted), mmap=False) as file:
        assert file.variables["position"].dimensions == ("time", "space", "keypoints", "individuals") and file.ds_type == b"poses"
        near(file.variables["position"].data[..., 0].transpose(0, 2, 1), xy), near(file.variables["confidence"].data[..., 0], score)
        assert [b"".join(letters).decode() for letters in file.variables["keypoints"].data] == names


def test_pynwb_reads_poses_and_times(predicted, tmp_path):
    pynwb, _ = pytest.importorskip("pynwb"), pytest.importorskip("ndx_pose")
    images, xy, score, names = predicted
    with pynwb.NWBHDF5IO(export_nwb(tmp_path/"ü.nwb", *predicted), "r", load_namespaces=True) as io:
        poses = io.read().processing["behavior"]["PoseEstimation"]
        assert poses.skeleton.nodes[:].tolist() == names
        assert "time" in images.fields or poses.original_videos[:].tolist() == images.names.tolist()
        for k, name in enumerate(names):
            near(poses[name].data[:], xy[:, k]), near(poses[name].confidence[:], score[:, k])
            near(poses[name].timestamps[:], images.fields.get("time", np.arange(6)))


def test_sleap_io_reads_label_studio_and_yolo(tmp_path):
    sleap = pytest.importorskip("sleap_io")
    images, xy, score, names = given = found()
    path = export_labelstudio(tmp_path/"ü.json", *given, progress=False)
    assert [task["data"]["image"] for task in json.loads(path.read_text())] == images.names.tolist()
    sizes = picture_sizes(images)
    near([frame.instances[0].numpy() for frame in sleap.load_labelstudio(str(path), skeleton=list(names))],
         np.where(in_picture(xy, sizes)[..., None], xy, np.nan))
    for task, box, size in zip(json.loads(path.read_text()), images.boxes, sizes):
        told = [r["value"] for r in task["annotations"][0]["result"] if r["type"] == "rectanglelabels"][0]
        near([told["x"] / 100, told["y"] / 100, (told["x"] + told["width"]) / 100, (told["y"] + told["height"]) / 100], (box + .5) / np.tile(size, 2))
    folder = export_yolo(tmp_path/"yolo ü", *given, progress=False)
    read = sleap.load_ultralytics(str(folder), split="train")
    assert [node.name for node in read.skeleton.nodes] == names and len(read) == 6
    rows = {name.replace("/", "_").replace(".jpg", ".png"): i for i, name in enumerate(images.names)}
    for frame in read:
        file = frame.video.filename if isinstance(frame.video.filename, str) else frame.video.filename[frame.frame_idx]
        i = rows[os.path.basename(file)]
        near(frame.instances[0].numpy(), xy[i])
        np.testing.assert_array_equal(read_picture(file), images[i])


def test_fiftyone_s_dictionary(tmp_path):
    "As `fiftyone.Sample.from_dict` 1.22 reads it: shares of the picture, and a confidence a point."
    images, xy, score, names = given = found()
    read = json.loads(export_fiftyone(tmp_path/"ü.json", *given, progress=False).read_text(encoding="utf-8"))
    assert read["default_skeleton"] == {"labels": names, "edges": []} and [s["filepath"] for s in read["samples"]] == images.names.tolist()
    for i, sample in enumerate(read["samples"]):
        point, = sample["landmarks"]["keypoints"]
        assert (sample["landmarks"]["_cls"], point["_cls"], len(point["confidence"])) == ("Keypoints", "Keypoint", 3)
        near(np.array(point["points"]) * [sample["metadata"]["width"], sample["metadata"]["height"]] - .5, xy[i]), near(point["confidence"], score[i])


FORMATS = dict(coco="a.json", dlc="a", dlc_predictions="a.h5", sleap="a.slp", movement="a.nc", nwb="a.nwb", labelstudio="a.json", yolo="a", fiftyone="a.json", csv="a.csv")

@pytest.mark.parametrize("form", FORMATS)
def test_the_command_writes_every_format(form, tmp_path):
    from lmdisc.cli import main
    pytest.importorskip("sleap_io")
    pictures, boxes = tmp_path/"pictures", tmp_path/"boxes.csv"
    pictures.mkdir()
    for i in range(2): Image.fromarray(photograph(80, 70, i)).save(pictures/f"{i}.png")
    boxes.write_text("name,x0,y0,x1,y1\n0.png,5,5,60,70\n1.png,5,5,60,70")
    given = ["export", "heads", str(pictures), "--boxes", str(boxes), "--format", form, "--out", str(tmp_path/FORMATS[form])]
    if form == "dlc": assert main(given) in (0, 1)                   # blotches: it may see nothing
    else: assert main(given) == 0 and (tmp_path/FORMATS[form]).exists()


@pytest.mark.parametrize("first, then", [(export_dlc, export_yolo), (export_yolo, export_dlc)])
def test_an_export_replaces_its_own_kind_alone(tmp_path, first, then):
    for _ in range(2): first(tmp_path/"p", *found(), progress=False)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="p holds files that are not from an export of a .*; move it away, or name another folder"): then(tmp_path/"p", *found(), progress=False)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("export, name, read", [
    (export_dlc_predictions, "a.CSV", lambda p: pd.read_csv(p, header=[0, 1, 2], index_col=0)), (export_dlc_predictions, "a.H5", pd.read_hdf), (export_sleap, "a.SLP", None)])
def test_endings_may_be_capitals(tmp_path, export, name, read):
    pytest.importorskip("sleap_io"), pytest.importorskip("tables")
    path = export(tmp_path/name, *found())
    assert path == tmp_path/name and path.stat().st_size and (read is None or len(read(path)) == 6)
    with pytest.raises(ValueError, match=r"a.txt: .* is written into a file that ends in \..*; name it a\."): export(tmp_path/"a.txt", *found())


def test_pictures_without_names_and_a_single_landmark(tmp_path):
    images, xy, score, names = found(2)
    images.names = None
    given = images, xy[:, :1], score[:, :1], names[:1]
    table = pd.read_csv(export_csv(tmp_path/"t.csv", *given))
    assert table.picture.tolist() == ["picture 0", "picture 1"]
    assert sorted(p.name for p in export_dlc(tmp_path/"p", *given, threshold=0, progress=False).rglob("*.png")) == ["picture 0.png", "picture 1.png"]


def test_each_picture_is_read_once_and_few_are_held(tmp_path):
    images, xy, score, names = found(60)
    read, alive, most = [], weakref.WeakSet(), [0]
    class Held(np.ndarray): __hash__ = object.__hash__
    def load(i):
        picture = images[i].copy().view(Held)
        read.append(i), alive.add(picture)
        most[0] = max(most[0], len(alive))
        return picture
    watched = ImageSet(load, images.boxes, names=images.names)
    for export, path in ((export_coco, "c.json"), (export_dlc, "d"), (export_sleap, "s.slp")):
        if export is export_sleap: pytest.importorskip("sleap_io")
        read.clear()
        export(tmp_path/path, watched, xy, score, names, progress=False)
        assert sorted(read) == list(range(60))
    assert most[0] <= 20
