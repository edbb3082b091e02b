"Pictures, folders and boxes that are not what they should be: a clear message, or simply handled."
import errno, os
from dataclasses import replace
from io import BytesIO
import numpy as np, pytest
from hypothesis import given, strategies as st
from PIL import Image
from lmdisc.data import images
from lmdisc.store import files
from lmdisc.datasets.folder import folder
from lmdisc.datasets.packed import data_root, packed
from lmdisc.data.images import ImageSet, read_picture

NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def saved(path, picture=None, **kw):
    (picture or Image.fromarray(NOISE)).save(path, **kw)
    return path


def noise_set(n=7, **kw):
    "N different pictures of 50 × 40 px, the object in the middle."
    kw = dict(boxes=np.tile([5, 5, 34.5, 34.5], (n, 1)), names=np.array([f"n{i}" for i in range(n)]), data_hash="noise") | kw
    return ImageSet(lambda i: np.roll(NOISE, i, 0), **kw)


@pytest.mark.parametrize("make, colour", [
    (lambda: Image.new("L", (9, 7), 40), (40, 40, 40)),
    (lambda: Image.new("1", (9, 7), 1), (255, 255, 255)),
    (lambda: Image.new("LA", (9, 7), (40, 255)), (40, 40, 40)),
    (lambda: Image.fromarray(np.full((7, 9), 40 * 257, np.uint16)), (40, 40, 40)),
    (lambda: Image.fromarray(np.full((7, 9), 40 * 257, np.int32)), (40, 40, 40)),
    (lambda: Image.new("RGBA", (9, 7), (0, 0, 255, 0)), (255, 255, 255)),
    (lambda: Image.new("RGB", (9, 7), (10, 200, 30)).quantize(8), (10, 200, 30)),
    (lambda: Image.new("CMYK", (9, 7), (255, 0, 255, 0)), (0, 255, 0)),
], ids="grey bilevel grey-alpha 16-bit 32-bit transparent palette cmyk".split())
def test_any_mode_becomes_rgb(tmp_path, make, colour):
    picture = make()
    path = saved(tmp_path/("a.tif" if picture.mode in ("CMYK", "I") else "a.png"), picture)
    read = read_picture(path)
    assert read.shape == (7, 9, 3) and read.dtype == np.uint8
    assert (read == colour).all()


def test_cmyk_jpeg(tmp_path):
    red = read_picture(saved(tmp_path/"a.jpg", Image.new("CMYK", (16, 16), (0, 255, 255, 0)), quality=95))
    assert (abs(red.astype(int) - (255, 0, 0)) < 8).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation):
    stored = Image.fromarray(NOISE)
    exif = stored.getexif()
    exif[0x0112] = orientation
    path = saved(tmp_path/"a.png", stored, exif=exif)
    expected = stored if orientation == 1 else stored.transpose(Image.Transpose({2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[orientation]))
    assert (read_picture(path) == np.asarray(expected)).all()
    (_, _, x1, y1), = folder(tmp_path, progress=False).boxes
    assert (x1 + 0.5, y1 + 0.5) == expected.size


@pytest.mark.parametrize("content, message", [
    (b"", "bad.jpg: the file is empty"),
    (b"<html>not found</html>", "bad.jpg: not a picture"),
    (b"\xff\xd8\xff\xe0", "bad.jpg: not a picture"),
], ids="empty html header-only".split())
def test_a_broken_file_is_named(tmp_path, content, message):
    (tmp_path/"bad.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=message): read_picture(tmp_path/"bad.jpg")
    with pytest.raises(ValueError, match=message): folder(tmp_path, progress=False)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_file_cut_short_is_named(tmp_path, format):
    path = saved(tmp_path/f"cut.{format.lower()}", format=format)
    path.write_bytes(path.read_bytes()[:-len(path.read_bytes())//3])
    with pytest.raises(ValueError, match=f"cut.{format.lower()}"):
        folder(tmp_path, progress=False).crops(16, progress=False)


def test_missing_file_is_named(tmp_path):
    path = saved(tmp_path/"a.png")
    pictures = folder(tmp_path, progress=False)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="a.png"): pictures[0]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [1500, 500], ids=["over the limit", "over twice the limit"])
def test_enormous_picture(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ValueError, match=r"big.png: the picture is too large: shrink it.*2000 pixels"):
        read_picture(saved(tmp_path/"big.png"))


def test_one_pixel_picture(tmp_path):
    saved(tmp_path/"dot.png", Image.new("RGB", (1, 1), (9, 8, 7)))
    crops = folder(tmp_path, progress=False).crops(16, progress=False)
    assert (crops.pixels == np.array([9, 8, 7])[:, None, None]).all()


def test_long_thin_picture_stays_small():
    thin = ImageSet(lambda i: np.zeros((2, 60_000, 3), np.uint8), [[-0.5, -0.5, 59_999.5, 1.5]])
    assert thin.crops(32, progress=False).pixels.shape == (1, 3, 32, 32)


def test_folder_without_pictures(tmp_path):
    (tmp_path/"readme.txt").write_text("nothing here")
    with pytest.raises(FileNotFoundError, match="no pictures match"): folder(tmp_path, progress=False)


@pytest.mark.parametrize("box", [(60, 5, 90, 30), (5, 5, 5, 30), (30, 5, 5, 30), (np.nan, 5, 30, 30), (5, -20, 30, -3)],
                         ids="outside flat inverted nan above".split())
def test_box_without_area_in_the_picture(tmp_path, box):
    saved(tmp_path/"a.png"), saved(tmp_path/"b.png")
    (tmp_path/"boxes.csv").write_text("name,x0,y0,x1,y1\na.png,5,5,30,30\nb.png," + ",".join(map(str, box)))
    with pytest.raises(ValueError, match=r"b.png \(row 1\).*50 × 40"): folder(tmp_path, tmp_path/"boxes.csv", progress=False)


def test_box_partly_outside_is_clipped(tmp_path):
    saved(tmp_path/"a.png")
    pictures = folder(tmp_path, [[-30, 5, 20, 400]], progress=False)
    assert pictures.boxes.tolist() == [[-0.5, 5, 20, 39.5]]


@pytest.mark.parametrize("box", [(5, 5, 5, 30), (30, 5, 5, 30), (np.nan, 5, 30, 30), (5, 5, np.inf, 30)])
def test_crops_of_an_impossible_box(box):
    boxes = np.tile([5, 5, 30, 30.], (7, 1))
    boxes[3] = box
    with pytest.raises(ValueError, match="n3: box"): noise_set(boxes=boxes).crops(16, progress=False)


def test_points_on_and_beyond_the_border_are_kept():
    xy = np.tile(np.float32([[-0.5, -0.5], [49.5, 39.5], [0, 0], [-3, 60], [np.nan, np.nan]]), (7, 1, 1))
    crops = noise_set(landmarks=xy).crops(64, progress=False)
    np.testing.assert_allclose(crops.to_image(crops.landmarks, np.arange(7)), xy, atol=1e-4)


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_a_loader_that_breaks_its_promise_is_named(bad):
    with pytest.raises(ValueError, match=r"n0: expected uint8 \(H, W, 3\)"): replace(noise_set(), load=lambda i: bad)[0]


@given(st.lists(st.floats(-500, 1500, width=32), min_size=2, max_size=2), st.integers(0, 6),
       st.floats(0, 1), st.integers(4, 64), st.floats(3, 30))
def test_to_crop_and_back(xy, i, margin, size, side):
    boxes = np.array([[k, 2*k, k + side, 2*k + side/2] for k in range(7)])
    crops = replace(noise_set(), boxes=boxes.astype(np.float32)).crops(size, margin, progress=False)
    xy = np.array(xy)
    np.testing.assert_allclose(crops.to_image(crops.to_crop(xy, i), i), xy, atol=1e-2)
    np.testing.assert_allclose(crops.to_image(crops.boxes.reshape(-1, 2, 2), np.arange(7)), boxes.reshape(-1, 2, 2), atol=1e-3)


def test_mapped_crops_equal_those_in_memory(tmp_path, monkeypatch):
    in_memory = noise_set().crops(16, progress=False)
    monkeypatch.setenv("LMDISC_CACHE", str(tmp_path))
    monkeypatch.setattr(images, "CROPS_IN_MEMORY", 1000)
    mapped = noise_set().crops(16, progress=False)
    assert isinstance(mapped.pixels, np.memmap) and not mapped.pixels.flags.writeable
    assert (mapped.pixels == in_memory.pixels).all()
    assert mapped.batch([3, 1]).shape == (2, 3, 16, 16)
    assert [p.suffix for p in tmp_path.rglob("*") if p.is_file()] == [".npy"]


def test_cache_is_kept_apart_by_all_that_matters(tmp_path):
    base = noise_set()
    for pictures, kw in ((base, {}), (base, dict(size=8)), (base, dict(margin=0.3)), (base.take([1, 2]), {}), (base.take([2, 1]), {}),
                         (replace(base, boxes=base.boxes + 1), {}), (replace(base, data_hash="other"), {})):
        pictures.crops(**{"size": 16, **kw}, cache=tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 7


def test_cutting_holds_one_block_at_a_time():
    asked = []
    pictures = replace(noise_set(600), load=lambda i: asked.append(i) or NOISE)
    centre, side = images.squares(pictures)
    for end, _ in zip((256, 512, 600), images._blocks(pictures, centre - side[:, None]/2, side, 8, progress=False), strict=True):
        assert sorted(asked) == list(range(end))


class Full(BytesIO):
    "A file on a disk that takes 4 kB."
    def write(self, data):
        if self.tell() + len(data) > 4096: raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full_open(path, mode):
        path.touch()
        return Full()
    with monkeypatch.context() as m:
        m.setattr(files, "open", full_open, raising=False)
        with pytest.raises(OSError, match="the disk is full.*LMDISC_CACHE"): noise_set().crops(32, cache=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []
    assert len(noise_set().crops(32, cache=tmp_path, progress=False)) == 7


def test_a_broken_picture_leaves_no_cache(tmp_path):
    def load(i):
        if i == 5: raise ValueError("n5: cannot be decoded")
        return NOISE
    with pytest.raises(ValueError, match="n5"): replace(noise_set(), load=load).crops(16, cache=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name, n, k, train", [("faces_cfp", 4550, 30, 4200), ("faces_300w", 2566, 68, 2012), ("bodies_lsp", 1586, 14, 1269)])
def test_real_packed_sets(name, n, k, train):
    path = data_root()/f"{name}.npz"
    if not path.is_file(): pytest.skip(f"{path} is not here (set LMDISC_DATA to the folder that has it)")
    pictures = packed(path)
    assert pictures.landmarks.shape == (n, k, 2) and len(pictures.split("train")) == train
    assert (pictures.normaliser > 0).all() and (pictures.visible == ~np.isnan(pictures.landmarks[..., 0])).all()
    few = pictures.take(slice(0, n, n // 5))
    crops = few.crops(64, margin=0.15, progress=False)
    assert crops.pixels.std((1, 2, 3)).min() > 5
    lo, hi = 64 * 0.15 / 1.3 - 0.5, 64 * 1.15 / 1.3 - 0.5
    assert np.nanmin(crops.landmarks) > lo - 1e-3 and np.nanmax(crops.landmarks) < hi + 1e-3
    if name == "faces_300w":
        np.testing.assert_allclose(crops.normaliser, np.linalg.norm(crops.landmarks[:, 36] - crops.landmarks[:, 45], axis=1), rtol=1e-5)
