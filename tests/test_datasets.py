"Adapters of the published data sets, on small trees in the official layouts: points to the pixel, splits, and what is missing or broken."
import json, pickle, subprocess, sys, warnings
from pathlib import Path
import numpy as np, pytest
from scipy.io import savemat
from scipy.spatial.transform import Rotation
from lmdisc import datasets
from lmdisc.datasets.published.cdf import read_cdf
from lmdisc.datasets.published.ls3d import head_yaw
from lmdisc.datasets.published.torch7 import read_t7
from lmdisc.lab.protocols import pictures
from trees import (cdf_file, lua_string, order_seen, struct_array, t7_tensor, write_aflw, write_bbcpose, write_cats, write_celeba, write_human36m, write_ls3d)

WRITE = dict(celeba=write_celeba, aflw=write_aflw, ls3d=write_ls3d, bbcpose=write_bbcpose, human36m=write_human36m, cats=write_cats)


def opened(name, root, **kwargs):
    "The set without its warnings about counts, which small trees always earn."
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[0-9,]+ .* than the official")
        return datasets.open(name, root, **dict(progress=False) if name in ("ls3d", "human36m") else {}, **kwargs)


def check(images, truth, distance=None):
    "Each picture is there, its points lie on their own colours, and its normaliser is the distance of two of them."
    assert sorted(images.names) == sorted(truth)
    assert images.boxes.dtype == images.landmarks.dtype == images.normaliser.dtype == np.float32 and images.visible.all()
    assert len(images.landmark_names) in (0, images.landmarks.shape[1])
    for i, name in enumerate(images.names):
        np.testing.assert_array_equal(images.landmarks[i], truth[name], str(name))
        np.testing.assert_array_equal(order_seen(images[i], images.landmarks[i]), np.arange(len(truth[name])), str(name))
        if distance: assert images.normaliser[i] == pytest.approx(np.linalg.norm(np.subtract(*truth[name][list(distance)])), rel=1e-6)
    crops = images.take(slice(0, 2)).crops(32, margin=0.1, progress=False)
    assert np.isfinite(crops.landmarks).all()


def split_of(images): return dict(zip(images.names.tolist(), images.fields["split"].tolist()))


# points, boxes, splits, normalisers

@pytest.mark.parametrize("aligned, folder", [(True, "img_align_celeba"), (False, "img_celeba")], ids=["aligned", "wild"])
def test_celeba(tmp_path, aligned, folder):
    truth = write_celeba(tmp_path)[folder]
    images = opened("celeba", tmp_path, aligned=aligned)
    check(images, truth, (0, 1))
    assert images.fields["partition"].tolist() == [0, 0, 0, 0, 0, 0, 1, 2]
    assert images.fields["split"].tolist() == ["train", "test", "train", "train", "train", "train", "", "test"]
    assert images.fields["mafl"].tolist() == ["train", "test", "train", "", "", "", "", "test"]
    mafl = opened("celeba", tmp_path, part="mafl", aligned=aligned)
    check(mafl, {k: truth[k] for k in ("000001.jpg", "000002.jpg", "000003.jpg", "000008.jpg")}, (0, 1))
    assert mafl.fields["split"].tolist() == ["train", "test", "train", "test"]
    if aligned: np.testing.assert_allclose(images.boxes, [[17.3, 21.3, 159.7, 195.7]] * 8, atol=1e-4)
    else: assert images.boxes[[0, 1]].tolist() == [[9.5, 4.5, 49.5, 54.5], [10.5, 5.5, 51.5, 56.5]]
    assert images.data_hash != mafl.data_hash and images.data_hash == opened("celeba", tmp_path, aligned=aligned).data_hash


def test_celeba_side_by_side(tmp_path):
    truth = write_celeba(tmp_path/"a")
    (tmp_path/"b").mkdir()
    for file in (tmp_path/"a").glob("*/*"): file.rename(tmp_path/"b"/file.name)
    check(opened("celeba", tmp_path/"b"), truth["img_align_celeba"], (0, 1))


def test_test_partitions_of_published_sets_are_taken_whole(tmp_path, monkeypatch):
    write_cats(tmp_path, 24)
    whole = opened("cats", tmp_path, test_fraction=.5)
    monkeypatch.setattr(datasets, "open", lambda *a, **k: whole.take(np.tile(np.arange(24), 30)))
    assert len(pictures("cats", "cpu").split("test")) == 360 and len(pictures("faces_cfp", "cpu").split("test")) == 300

def test_celeba_with_68_points(tmp_path):
    write_celeba(tmp_path)
    xy = np.random.default_rng(0).normal(100, 30, (3, 68, 2))
    np.savez(tmp_path/"own.npz", name=["000008.jpg", "000001.jpg", "000002.jpg"], boxes=[[i, 2, 50, 60] for i in range(3)], landmarks=xy)
    images = opened("celeba", tmp_path, points=tmp_path/"own.npz")
    assert images.landmarks.shape == (8, 68, 2) and images.visible.all(1).tolist() == [True, True] + [False] * 5 + [True]
    np.testing.assert_allclose(images.landmarks[[7, 0, 1]], xy, rtol=1e-6)
    np.testing.assert_allclose(images.normaliser[[7, 0, 1]], np.linalg.norm(xy[:, 36] - xy[:, 45], axis=1), rtol=1e-5)
    released = opened("celeba", tmp_path, points=tmp_path/"own.npz", eyes=(41, 46))
    np.testing.assert_allclose(released.normaliser[[7, 0, 1]], np.linalg.norm(xy[:, 41] - xy[:, 46], axis=1), rtol=1e-5)
    assert images.boxes[[7, 0, 1], 0].tolist() == [0, 1, 2] and images.boxes[3, 0] == np.float32(17.3)


def test_celeba_boxes_without_area(tmp_path):
    write_celeba(tmp_path)
    lists = tmp_path/"Anno"/"list_bbox_celeba.txt"
    lists.write_text(lists.read_text().replace("000003.jpg    12  7  42  52", "000003.jpg    0  0  0  0"))
    with pytest.warns(UserWarning, match="1 boxes of list_bbox_celeba.txt have no area"): images = opened("celeba", tmp_path, aligned=False)
    lo, hi = images.landmarks[2].min(0), images.landmarks[2].max(0)
    np.testing.assert_allclose(images.boxes[2], np.r_[lo - (hi - lo) / 2, hi + (hi - lo) / 2])


def test_aflw(tmp_path):
    truth = write_aflw(tmp_path)
    images = opened("aflw", tmp_path)
    check(images, truth, (0, 1))
    assert images.fields["split"].tolist() == ["train"] * 3 + ["test"] * 2
    assert images.boxes[2].tolist() == [-0.5, -0.5, 79.5, 43.5] and images[2].shape == (44, 80, 3)


@pytest.mark.parametrize("seed", range(4))
def test_the_yaw_of_heads_is_read_from_their_points(seed):
    "Points of a head that turns, nods and leans, a little different in every picture."
    rng, yaw = np.random.default_rng(seed), np.linspace(-90, 90, 200)
    head = rng.normal(size=(68, 3)) * .3                             # x right, y down, z away
    head[[36, 45, 27, 8, 30, 48, 54]] = [[-.5, -.3, 0], [.5, -.3, 0], [0, -.3, -.25], [0, .9, -.1], [0, .1, -.6], [-.3, .4, -.15], [.3, .4, -.15]]
    turned = Rotation.from_euler("yxz", np.c_[-yaw, rng.normal(size=(200, 2)) * 10], degrees=True)
    seen = np.stack([(r.apply(head + rng.normal(size=head.shape) * .02)[:, :2]) * k + 100 for r, k in zip(turned, rng.uniform(20, 90, 200))])
    assert np.corrcoef(head_yaw(seen), yaw)[0, 1] > .99 and np.median(np.abs(head_yaw(seen) - yaw)) < 3

def test_ls3d(tmp_path):
    truth = write_ls3d(tmp_path)
    images = opened("ls3d", tmp_path)
    check(images, truth)
    assert [s for n, s in split_of(images).items() if n.startswith("LS3D")] == ["test"] * 2 and (images.fields["split"] == "train").sum() == 4
    lo, hi = images.landmarks.min(1), images.landmarks.max(1)
    w, h = (hi - lo).T
    np.testing.assert_allclose(images.normaliser, np.sqrt(w * h), rtol=1e-6)
    np.testing.assert_allclose(images.boxes, np.c_[lo[:, 0], lo[:, 1] - h / 3, hi], rtol=1e-5)
    as_they_are = opened("ls3d", tmp_path, first=(0, 0))
    np.testing.assert_array_equal(as_they_are.landmarks - images.landmarks, np.repeat([0, 1], [4, 2])[:, None, None] * np.ones((68, 2)))


def test_bbcpose(tmp_path):
    truth = write_bbcpose(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images = datasets.open("bbcpose", tmp_path)
    check(images, truth, (5, 6))
    assert images.landmark_names[0] == "head" and images.fields["video"].tolist() == np.repeat(np.arange(1, 21), 2).tolist()
    assert [np.unique(images.fields["video"][images.fields["split"] == s]).tolist() for s in ("train", "val", "test")] == [[*range(1, 11)], [*range(11, 16)], [*range(16, 21)]]
    np.testing.assert_allclose(images.boxes, np.c_[images.landmarks.min(1) - 60, images.landmarks.max(1) + 60])


def test_bbcpose_with_its_code_folder(tmp_path):
    truth = write_bbcpose(tmp_path)
    (tmp_path/"code").mkdir()
    (tmp_path/"bbcpose.mat").rename(tmp_path/"code"/"bbcpose.mat")
    check(opened("bbcpose", tmp_path), truth, (5, 6))


def test_human36m(tmp_path):
    truth = write_human36m(tmp_path)
    images = opened("human36m", tmp_path)
    check(images, truth, (17, 25))
    assert images.landmark_names[17] == "left_shoulder" and images.landmark_names[25] == "right_shoulder"
    assert (images.fields["split"] == "test").sum() == 2 and set(images.fields["subject"][images.fields["split"] == "test"]) == {"S11"}
    assert sorted(set(images.fields["action"])) == ["Directions", "Discussion", "Greeting", "Posing", "Waiting", "Walking"] and set(images.fields["camera"]) == {"54138969"}
    lo, hi = images.landmarks.min(1), images.landmarks.max(1)
    np.testing.assert_allclose(images.boxes, np.c_[lo - (hi - lo) / 2, hi + (hi - lo) / 2], atol=1e-4)


def test_human36m_below_the_authors_folders(tmp_path):
    truth = write_human36m(tmp_path/"training"/"subjects", frames=11)
    check(opened("human36m", tmp_path), truth, (17, 25))


def test_cats(tmp_path):
    truth = write_cats(tmp_path)
    images = opened("cats", tmp_path)
    check(images, truth, (0, 1))
    assert (len(images.split("train")), len(images.split("test"))) == (6, 2) and split_of(images) == split_of(opened("cats", tmp_path))
    np.testing.assert_array_equal(images.boxes, np.c_[images.landmarks.min(1), images.landmarks.max(1)])


# opening by name

def test_all_are_opened_by_name():
    assert set(WRITE) <= set(datasets.available()) and not [n for n in datasets.available() if n.startswith("_")]
    with pytest.raises(ValueError, match="no folder here and no data set 'celebb': choose one of aflw, bbcpose, .*cats, celeba"): datasets.open("celebb")


@pytest.mark.parametrize("name", WRITE)
def test_a_missing_set_is_named_with_its_source(tmp_path, name, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"is expected and not there.*there is no folder .*nowhere; get the set from http"): datasets.open(name, tmp_path/"nowhere")
    monkeypatch.setenv("LMDISC_DATA", str(tmp_path/"data"))
    with pytest.raises(FileNotFoundError, match=f"there is no folder .*data.{name}; get the set from http"): datasets.open(name)
    WRITE[name](tmp_path/"data"/name)
    assert len(opened(name, None)) > 3


@pytest.mark.parametrize("name, file", [
    ("celeba", "Eval/list_eval_partition.txt"), ("celeba", "Anno/list_landmarks_align_celeba.txt"), ("celeba", "MAFL/training.txt"), ("celeba", "MAFL/testing.txt"),
    ("aflw", "aflw_train_images.txt"), ("aflw", "aflw_test_keypoints.mat"), ("bbcpose", "bbcpose.mat")])
def test_a_missing_file_is_named(tmp_path, name, file):
    WRITE[name](tmp_path)
    (tmp_path/file).unlink()
    with pytest.raises(FileNotFoundError, match=f"{Path(file).name} is expected and not there.*get the set from http"): opened(name, tmp_path)


@pytest.mark.parametrize("name, folder", [("celeba", "Img/img_align_celeba"), ("aflw", "output"), ("ls3d", "300W_LP/landmarks"), ("ls3d", "LS3D-W-balanced-20-03-2017"),
                                          ("bbcpose", "1"), ("human36m", "S9"), ("cats", "CAT_00")])
def test_a_missing_folder_is_named(tmp_path, name, folder):
    WRITE[name](tmp_path/"set")
    (tmp_path/"set"/folder).rename(tmp_path/"elsewhere")
    with pytest.raises(FileNotFoundError, match=f"{folder}.* is expected and not there.*get the set from http"): opened(name, tmp_path/"set")


@pytest.mark.parametrize("name, says", [("celeba", "8 pictures in list_eval_partition.txt, 202,591 fewer than the official 202,599"), ("aflw", "3 train pictures of AFLW, 10,119 fewer than the official 10,122"),
                                        ("ls3d", "4 pictures of 300W-LP, 61,221 fewer than the official 61,225"), ("human36m", "6 train videos of Human3.6M, 282 fewer than the official 288"),
                                        ("cats", "8 cats with points, 9,989 fewer than the official 9,997")])
@pytest.mark.filterwarnings("ignore:.*than the official")
def test_a_count_that_is_not_the_official_one_warns(tmp_path, name, says):
    WRITE[name](tmp_path)
    with pytest.warns(UserWarning, match=says): datasets.open(name, tmp_path)


@pytest.mark.filterwarnings("ignore:.*than the official", "ignore:.*no length above 0 px")
def test_a_video_less_warns(tmp_path):
    write_bbcpose(tmp_path)
    savemat(tmp_path/"bbcpose.mat", {"bbcpose": struct_array([dict(type="train", train_frames=[[1]], train_joints=np.ones((2, 7, 1)), test_frames=np.empty((0, 0)), test_joints=np.empty((0, 0)))])})
    with pytest.warns(UserWarning, match="1 train videos of BBC Pose, 9 fewer than the official 10"): datasets.open("bbcpose", tmp_path)


@pytest.mark.parametrize("name", WRITE)
def test_no_picture_is_read_before_it_is_asked_for(tmp_path, name):
    WRITE[name](tmp_path)
    for picture in tmp_path.rglob("*.jpg"): picture.write_bytes(b"broken")
    images = opened(name, tmp_path)
    with pytest.raises(ValueError, match=f"{images.names[1]}: not a picture"): images[1]
    for picture in tmp_path.rglob(Path(images.names[0]).name): picture.unlink()
    with pytest.raises(FileNotFoundError, match=Path(images.names[0]).name): images[0]


def test_points_on_one_spot_warn(tmp_path):
    write_cats(tmp_path)
    file = next(tmp_path.rglob("*.cat"))
    file.write_text("9 " + "20 20 " * 2 + " ".join(map(str, range(14))))
    with pytest.warns(UserWarning, match="1 picture without a length above 0 px to divide errors by"): opened("cats", tmp_path)


# broken files

@pytest.mark.parametrize("file, change, says", [
    ("Eval/list_eval_partition.txt", lambda s: "", "the file is empty"),
    ("Eval/list_eval_partition.txt", lambda s: s.replace("000003.jpg 0", "000003.jpg x"), "a line needs a name and 1 integers.*'x'"),
    ("Eval/list_eval_partition.txt", lambda s: s.replace("000003.jpg 0", "000009.jpg 0"), "not in ascending order at row 4"),
    ("Anno/list_landmarks_align_celeba.txt", lambda s: s[:-120], "a line needs a name and 10 integers|says 8 rows, but there are [67]"),
    ("Anno/list_landmarks_align_celeba.txt", lambda s: "\n".join(["7", *s.splitlines()[1:-1]]), "has 7 rows, list_eval_partition.txt has 8"),
    ("Anno/list_landmarks_align_celeba.txt", lambda s: s.replace("000004.jpg", "000004.png"), "row 4 is 000004.png, but 000004.jpg in"),
    ("MAFL/testing.txt", lambda s: s + "999999.jpg\n", "testing.txt: 999999.jpg .1 names in all. are not in")])
def test_broken_celeba_lists(tmp_path, file, change, says):
    write_celeba(tmp_path)
    (tmp_path/file).write_text(change((tmp_path/file).read_text()))
    with pytest.raises(ValueError, match=says): opened("celeba", tmp_path)


def test_pickled_points_are_refused(tmp_path):
    write_celeba(tmp_path)
    (tmp_path/"own.pickle").write_bytes(pickle.dumps({"000001.jpg": [1, 2, 3, 4]}))
    np.savez(tmp_path/"own.npz", name=np.array(["000001.jpg", None]), boxes=np.ones((2, 4)))
    for file in ("own.pickle", "own.npz"):
        with pytest.raises(ValueError, match=f"{file}: not an .npz file without pickles"): opened("celeba", tmp_path, points=tmp_path/file)
    with pytest.raises(FileNotFoundError, match="none.npz"): opened("celeba", tmp_path, points=tmp_path/"none.npz")


@pytest.mark.parametrize("name, file", [("aflw", "aflw_train_keypoints.mat"), ("ls3d", "300W_LP/landmarks/AFW/AFW_1000_1_0_pts.mat"), ("bbcpose", "bbcpose.mat")])
def test_broken_matlab_files(tmp_path, name, file):
    WRITE[name](tmp_path)
    whole = (tmp_path/file).read_bytes()
    for broken, says in ((whole[:len(whole) * 3 // 4], "not a MATLAB file that can be read, or cut short"), (b"", "not a MATLAB file"), (b"no matlab " * 30, "not a MATLAB file"),
                         (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + whole, "is of MATLAB version 7.3; load it in MATLAB and save it again")):
        (tmp_path/file).write_bytes(broken)
        with pytest.raises(ValueError, match=f"{Path(file).name}: {says}"): opened(name, tmp_path)
    savemat(tmp_path/file, {"other": 1})
    with pytest.raises(ValueError, match="has no variable .*; it has other"): opened(name, tmp_path)


def test_aflw_axes_that_are_not_swapped_as_shipped(tmp_path):
    write_aflw(tmp_path)
    savemat(tmp_path/"aflw_train_keypoints.mat", {"gt": np.ones((3, 2, 5)), "hw": np.ones((3, 2))})
    with pytest.raises(ValueError, match=r"gt has shape \(3, 2, 5\).*\(3, 5, 2\) and \(3, 2\) are needed for the 3 names in aflw_train_images.txt"): opened("aflw", tmp_path)


def test_broken_bbcpose_structs(tmp_path):
    write_bbcpose(tmp_path)
    video = dict(type="train", train_frames=[[1, 2]], train_joints=np.ones((2, 7, 1)), test_frames=np.empty((0, 0)), test_joints=np.empty((0, 0)))
    savemat(tmp_path/"bbcpose.mat", {"bbcpose": struct_array([video])})
    with pytest.raises(ValueError, match=r"train_joints of video 1 has shape \(2, 7, 1\); \(2, 7, 2\) is needed for its 2 frames"): opened("bbcpose", tmp_path)
    savemat(tmp_path/"bbcpose.mat", {"bbcpose": np.ones(3)})
    with pytest.raises(ValueError, match="`bbcpose` has no field test_frames.*it has none"): opened("bbcpose", tmp_path)


@pytest.mark.parametrize("content, says", [("", "got 0 numbers"), ("8 " + "1 2 " * 9, "got 19 numbers, the first 8"), ("9 " + "1 2 " * 8, "got 17 numbers, the first 9"), ("9 x", "numbers are needed"), ("\x80\x81", "")])
def test_broken_cat_files(tmp_path, content, says):
    write_cats(tmp_path)
    file = sorted(tmp_path.rglob("*.cat"))[0]
    file.write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=f"{file.name}: .*{says}"): opened("cats", tmp_path)


def test_broken_human36m(tmp_path):
    write_human36m(tmp_path, frames=31)
    poses, pictures = tmp_path/"S1"/"MyPoseFeatures"/"D2_Positions"/"Directions.54138969.cdf", tmp_path/"S1"/"Videos"/"Directions.54138969"
    whole = poses.read_bytes()
    for broken, says in ((whole[:-8], "cannot be read as CDF, perhaps cut short"), (whole[:600], "cut short"), (b"", "not a CDF file"), (whole.replace(b"Pose", b"Nose"), "no variable 'Pose'; it has Nose"),
                         (b"\xcd\xf3\0\1\xcc\xcc\0\1" + whole[8:], "compressed as a whole"), (cdf_file(np.ones((31, 63))), r"Pose has shape \(1, 31, 63\); frames of 64 numbers")):
        poses.write_bytes(broken)
        with pytest.raises(ValueError, match=f"Directions.54138969.cdf: .*{says}"): opened("human36m", tmp_path)
    poses.write_bytes(cdf_file(np.ones((61, 64))))
    with pytest.raises(ValueError, match="has 4 pictures, but Directions.54138969.cdf has poses for 7"): opened("human36m", tmp_path)
    pictures.rename(tmp_path/"elsewhere")
    with pytest.raises(FileNotFoundError, match="the frames of .*Directions.54138969.mp4 are expected in this folder.*ffmpeg"): opened("human36m", tmp_path)


@pytest.mark.parametrize("data, says", [
    (b"", "cut short"), (t7_tensor(np.ones((68, 2)))[:-1], "cut short"), (t7_tensor(np.ones((68, 2)))[:40], "cut short"),
    (b"\x06\0\0\0" * 9, "an object of kind 6"), (b"\x04\0\0\0\x01\0\0\0" + lua_string("V 1") + lua_string("nn.Sequential"), "an object of class 'nn.Sequential'"),
    (t7_tensor(np.ones((67, 2))), r"68 points are needed, got an array of shape \(67, 2\)"), (b"\x02\0\0\0" + lua_string("text"), "an object of kind 2"),
    (t7_tensor(np.ones((68, 2))).replace((68).to_bytes(8, "little"), (690).to_bytes(8, "little"), 1), "does not fit its 136 numbers"),
    (pickle.dumps(np.ones((68, 2))), "7153.t7")], ids="empty cut short-head function class 67 string huge pickle".split())
def test_broken_t7_files(tmp_path, data, says):
    write_ls3d(tmp_path)
    (tmp_path/"LS3D-W-balanced-20-03-2017"/"new_dataset"/"7153.t7").write_bytes(data)
    with pytest.raises(ValueError, match=f"7153.t7: .*{says}" if says != "7153.t7" else says): opened("ls3d", tmp_path)


def test_no_bytes_crash_the_binary_readers(tmp_path):
    "Any damage gives an array or a ValueError, never anything else."
    rng = np.random.default_rng(0)
    for data, read in ((t7_tensor(np.ones((68, 2))), read_t7), (cdf_file(np.ones((9, 64))), lambda p: read_cdf(p, "Pose"))):
        for _ in range(300):
            damaged = np.frombuffer(data, np.uint8).copy()
            damaged[rng.integers(len(data) if read is read_t7 else 830, size=3)] = rng.integers(0, 256, 3)
            (tmp_path/"damaged").write_bytes(damaged.tobytes())
            try: read(tmp_path/"damaged")
            except ValueError as e: assert "damaged: " in str(e)


# size

OPEN = """import json, re, sys, time, warnings
from pathlib import Path
from lmdisc import datasets
from lmdisc.datasets.published import celeba
warnings.simplefilter("error")
status = Path("/proc/self/status")     # Linux alone; ru_maxrss would count the process that started this one
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) / 1024 if status.exists() else 0
before, began = peak(), (time.process_time(), time.perf_counter())
images = datasets.open("celeba", sys.argv[1], aligned=False)
print(json.dumps(dict(cpu=time.process_time() - began[0], wall=time.perf_counter() - began[1], mb=peak() - before, mb_in_all=peak(), n=len(images), train=len(images.split("train")), test=len(images.split("test")))))"""


def test_a_celeba_sized_index_opens_in_seconds(tmp_path):
    "With the official counts there is no warning either."
    write_celeba(tmp_path, 202_599, pictures=False)
    done = subprocess.run([sys.executable, "-c", OPEN, tmp_path], capture_output=True, text=True, cwd=Path(datasets.__file__).parents[2])
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)
    print(cost)
    assert (cost["n"], cost["train"], cost["test"]) == (202_599, 161_962, 1_000)
    assert cost["cpu"] < 5 and cost["mb"] < 300, cost
