"""Small copies of the published data sets, file by file as they are shipped.

Each `write_*` returns the true points by picture name, in pixels counted from 0, x first. In its pictures point k is one
pixel of colour k, so a wrong first pixel, swapped axes or a wrong order of the points shows: see `order_seen`."""
import struct
from pathlib import Path
import numpy as np
from PIL import Image
from scipy.io import savemat

BACK = np.array([110, 110, 110])
LEVELS = np.array([0, 64, 128, 191, 255])
COLOURS = np.array([c for c in np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS), -1).reshape(-1, 3) if np.ptp(c) > 60])


def spread(rng, n, size, margin=3):
    "n points (n, 2) on different pixels of a picture of `size` (width, height), none beside another."
    w, h = ((s - 2 * margin) // 2 for s in size)
    cells = rng.choice(w * h, n, replace=False)
    return np.stack([cells % w, cells // w], 1) * 2 + margin


def draw(path, xy, size):
    "A JPEG with one pixel of its own colour for each point (n, 2)."
    picture = np.tile(BACK, (size[1], size[0], 1)).astype(np.uint8)
    picture[xy[:, 1], xy[:, 0]] = COLOURS[:len(xy)]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=100, subsampling=0)


def order_seen(picture, xy):
    "Which point's colour lies at each of the points (n, 2); n where none does."
    x, y = np.asarray(xy).round().astype(int).T
    known = np.r_[COLOURS[:len(xy)], BACK[None]]
    return np.abs(picture[y, x].astype(int)[:, None] - known).sum(-1).argmin(1)


def text(path, lines):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_celeba(root, n=8, pictures=True, seed=0):
    "Lists of n pictures, aligned and in the wild, and MAFL's two. With n = 202599 all counts are the official ones."
    root, rng = Path(root), np.random.default_rng(seed)
    names, share = [f"{i:06d}.jpg" for i in range(1, n + 1)], lambda k: max(1, round(k * n / 202_599))
    n_val, n_test = share(19_867), share(19_962)
    partition = np.repeat([0, 1, 2], [n - n_val - n_test, n_val, n_test])
    text(root/"Eval"/"list_eval_partition.txt", [f"{m} {p}" for m, p in zip(names, partition)])
    test = np.r_[1:1 + share(808), n - share(192):n]
    train = np.setdiff1d(np.arange(n), test)[:max(2, share(19_000))]
    for file, rows in (("training", train), ("testing", test)): text(root/"MAFL"/f"{file}.txt", [names[i] for i in rows])
    head = " ".join(f"{p}_{a}" for p in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for a in "xy")
    truth = {}
    for kind, folder, size in (("align_", "img_align_celeba", (178, 218)), ("", "img_celeba", (90, 70))):
        xy = np.stack([spread(rng, 5, size) for _ in names]) if pictures else rng.integers(1, 30, (n, 5, 2)) + 30 * np.arange(5)[:, None]
        truth[folder] = dict(zip(names, xy))
        text(root/"Anno"/f"list_landmarks_{kind}celeba.txt", [str(n), head] + [f"{m}  " + "  ".join(map(str, row)) for m, row in zip(names, xy.reshape(n, 10).tolist())])
        for m, p in truth[folder].items() if pictures else (): draw(root/"Img"/folder/m, p, size)
        (root/"Img"/folder).mkdir(parents=True, exist_ok=True)
    text(root/"Anno"/"list_bbox_celeba.txt", [str(n), "image_id x_1 y_1 width height"] + [f"{m}    {10 + i % 7}  {5 + i % 3}  {40 + i % 5}  {50 + i % 11}" for i, m in enumerate(names)])
    return truth


def write_aflw(root, n=3, seed=0):
    "n pictures to train, n - 1 to test, wider than high."
    root, rng, truth = Path(root), np.random.default_rng(seed), {}
    for split, k in (("train", n), ("test", n - 1)):
        names = [f"{2 * (i % 2)}/image{i:05d}_{split}.jpg" for i in range(k)]
        sizes = [(60 + 10 * i, 40 + 2 * i) for i in range(k)]
        xy = np.stack([spread(rng, 5, s) for s in sizes])
        for m, p, s in zip(names, xy, sizes): draw(root/"output"/m, p, s)
        text(root/f"aflw_{split}_images.txt", names)
        savemat(root/f"aflw_{split}_keypoints.mat", {"gt": xy[..., ::-1].astype(float), "hw": np.array(sizes)[:, ::-1]})
        truth |= dict(zip(names, xy))
    return truth


def lua_string(s): return struct.pack("<i", len(s)) + s.encode()


def t7_tensor(values, kind="Float"):
    "What torch.save of Lua's Torch writes for a tensor of two dimensions."
    values = np.asarray(values, dict(Float="<f4", Double="<f8")[kind])
    tensor = struct.pack("<ii", 4, 1) + lua_string("V 1") + lua_string(f"torch.{kind}Tensor") + struct.pack("<i2q2qq", 2, *values.shape, values.shape[1], 1, 1)
    return tensor + struct.pack("<ii", 4, 2) + lua_string("V 1") + lua_string(f"torch.{kind}Storage") + struct.pack("<q", values.size) + values.tobytes()


def write_ls3d(root, n=2, seed=0):
    "n pictures of each of two parts of 300W-LP, a mirrored one without points, n of LS3D-W balanced."
    root, rng, truth, size = Path(root), np.random.default_rng(seed), {}, (90, 70)
    for part in ("AFW", "HELEN"):
        (root/"300W_LP"/"landmarks"/part).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            name, xy = f"300W_LP/{part}/{part}_{1000 + i}_1_0", spread(rng, 68, size)
            draw(root/f"{name}.jpg", xy, size)
            savemat(root/"300W_LP"/"landmarks"/part/f"{part}_{1000 + i}_1_0_pts.mat", {"pts_2d": xy + 7., "pts_3d": xy.astype(float)})
            truth[f"{name}.jpg"] = xy
    draw(root/"300W_LP"/"AFW_Flip"/"AFW_1000_1_0.jpg", xy, size)
    for i in range(n):
        name, xy = f"LS3D-W-balanced-20-03-2017/new_dataset/{7153 + i}", spread(rng, 68, size)
        draw(root/f"{name}.jpg", xy, size)
        (root/f"{name}.t7").write_bytes(t7_tensor(xy + 1, ("Float", "Double")[i % 2]))
        truth[f"{name}.jpg"] = xy
    return truth


def struct_array(rows):
    "A 1 × n MATLAB struct array."
    array = np.empty((1, len(rows)), [(k, object) for k in rows[0]])
    for i, r in enumerate(rows): array[0, i] = tuple(r.values())
    return array


def write_bbcpose(root, frames=2, seed=0):
    "Videos 1 to 20, and one of the extension; validation and test videos have joints by a tracker, too, which are off."
    root, rng, truth, size, videos = Path(root), np.random.default_rng(seed), {}, (70, 50), []
    root.mkdir(parents=True, exist_ok=True)
    none = np.empty((0, 0))
    for v in range(1, 22):
        kind = "train" if v <= 10 or v == 21 else "val" if v <= 15 else "test"
        numbers, xy = np.sort(rng.choice(99, frames, replace=False)) + 1, np.stack([spread(rng, 7, size) for _ in range(frames)])
        joints = (xy + 1.).transpose(2, 1, 0)
        by_hand = kind != "train"
        videos.append(dict(videoName=f"video{v}", type=kind, source="buehler11" if v <= 20 else "charles13", train_frames=numbers[None].astype(float), train_joints=joints + 5 * by_hand,
                           test_frames=numbers[None].astype(float) if by_hand else none, test_joints=joints if by_hand else none))
        for f, p in zip(numbers, xy):
            if v <= 20: draw(root/str(v)/f"{f}.jpg", p, size); truth[f"{v}/{f}.jpg"] = p
    savemat(root/"bbcpose.mat", {"bbcpose": struct_array(videos)})
    return truth


def cdf_file(values, name="Pose", by_rows=False):
    "A Common Data Format file of version 3.4 with one variable of one record: values (rows, columns) of float64."
    raw = np.ascontiguousarray(values if by_rows else np.asarray(values).T, "<f8").tobytes()
    cdr = struct.pack(">qiqiiii", 312, 1, 320, 3, 4, 6, 2 | by_rows).ljust(312, b"\0")
    gdr = struct.pack(">qiqqqqiiiii", 84, 2, 0, 404, 0, 820 + len(raw), 0, 0, -1, 0, 1).ljust(84, b"\0")
    vdr = struct.pack(">qiqiiqq7iqi256s", 360, 8, 0, 45, 0, 764, 764, 1, 0, 0, -1, -1, 1, 0, -1, 1, name.encode()) + struct.pack(">5i", 2, *np.shape(values), -1, -1)
    vxr = struct.pack(">qiqiiiiq", 44, 6, 0, 1, 1, 0, 0, 808)
    return b"\xcd\xf3\0\1\0\0\xff\xff" + cdr + gdr + vdr + vxr + struct.pack(">qi", 12 + len(raw), 7) + raw


def write_human36m(root, frames=51, seed=0):
    "One video of each of the seven subjects, every tenth frame a picture, and poses of an action that is not used."
    root, rng, truth, size = Path(root), np.random.default_rng(seed), {}, (100, 90)
    for s, action in zip(("S1", "S5", "S6", "S7", "S8", "S9", "S11"), ("Directions", "Discussion 1", "Greeting", "Posing 1", "Waiting", "Walking", "Walking 1")):
        stem, poses = f"{action}.54138969", root/s/"MyPoseFeatures"/"D2_Positions"
        poses.mkdir(parents=True)
        xy = np.stack([spread(rng, 32, size) for _ in range(frames)])
        (poses/f"{stem}.cdf").write_bytes(cdf_file(xy.reshape(frames, 64), by_rows=s == "S1"))
        (poses/"WalkingDog.54138969.cdf").write_bytes(cdf_file(xy.reshape(frames, 64)))
        for k, p in enumerate(xy[::10]):
            draw(root/s/"Videos"/stem/f"{k + 1:06d}.jpg", p, size)
            if s != "S11" or k % 5 == 0: truth[f"{s}/Videos/{stem}/{k + 1:06d}.jpg"] = p
    return truth


def write_cats(root, n=8, seed=0):
    "n cats in two folders, and one without points."
    root, rng, truth = Path(root), np.random.default_rng(seed), {}
    for i in range(n):
        name, size = f"CAT_0{i % 2}/{i:08d}_000.jpg", (60 + i, 50)
        truth[name] = spread(rng, 9, size)
        draw(root/name, truth[name], size)
        (root/f"{name}.cat").write_text("9 " + " ".join(map(str, truth[name].ravel())) + " ")
    draw(root/"CAT_00"/"00000099_000.jpg", truth[name], size)
    return truth
