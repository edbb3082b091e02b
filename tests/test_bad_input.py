"Pictures, folders and boxes that are not what they should be: a clear message, or simply handled."
import errno, importlib.util, os, struct, subprocess, sys, warnings, zlib
from dataclasses import replace
from io import BytesIO
import numpy as np, pandas as pd, pytest, torch
from hypothesis import given, strategies as st
from PIL import Image
from lmdisc.data import images
from lmdisc.store import files
from lmdisc import datasets
from lmdisc.cli import pictures_at
from lmdisc.datasets.folder import LeftOut, Notice, files as picture_files, folder
from lmdisc.datasets.given import given as given_pictures
from lmdisc.datasets.packed import data_root, packed
from lmdisc.data.images import ImageSet, read_picture
from lmdisc.use.chosen import load

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


def exif_behind_the_pixels(path):
    "A PNG with the same content, its EXIF chunk moved to its end."
    data = path.read_bytes()
    at = data.index(b"eXIf") - 4
    end = at + 12 + struct.unpack(">I", data[at:at + 4])[0]
    path.write_bytes(data[:at] + data[end:-12] + data[at:end] + data[-12:])


@pytest.mark.parametrize("kind", ["png", "late.png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation, kind):
    stored = Image.fromarray(NOISE)
    exif = stored.getexif()
    exif[0x0112] = orientation
    path = saved(tmp_path/f"a.{kind}", stored, exif=exif, **{"lossless": True} if kind == "webp" else {})
    if kind == "late.png": exif_behind_the_pixels(path)
    expected = stored if orientation == 1 else stored.transpose(Image.Transpose({2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[orientation]))
    assert (read_picture(path) == np.asarray(expected)).all()
    (_, _, x1, y1), = folder(tmp_path, progress=False).boxes
    assert (x1 + 0.5, y1 + 0.5) == expected.size


def test_a_jpeg_checked_coarsely_has_its_whole_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(tmp_path/"a.jpg", Image.new("RGB", (1001, 1008)), exif=exif)       # square at an eighth
    assert folder(tmp_path, progress=False).boxes.tolist() == [[-.5, -.5, 1007.5, 1000.5]]


RAMP = np.linspace(0, 1, 2000).reshape(40, 50)
EXPECTED = np.repeat((255 * RAMP).round()[..., None], 3, 2)

def tiff(path, values, sample_format, *more):
    "A grey, uncompressed TIFF of any integers, with more tags (number, kind, value)."
    data = np.ascontiguousarray(values).tobytes()
    tags = [(256, 3, 50), (257, 3, 40), (258, 3, 8 * values.itemsize), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 3, 40),
            (279, 4, len(data)), *more, (339, 3, sample_format)]
    rows = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + struct.pack("<H", len(tags)) + rows + bytes(4))
    return path


@pytest.mark.parametrize("dtype, low, high, said", [
    (np.uint16, 0, 1023, "0 to 1023"), (np.uint16, 0, 4000, "0 to 4095"), (np.uint16, 0, 65535, ""), (np.int8, -128, 127, "-128 to 127"),
    (np.int16, -1000, 3000, "-1000 to 3000"), (np.int32, -9, 2**30, "-9 to 1073741824"), (np.uint32, 0, 2**32 - 1, "0 to 4294967295"),
], ids="10-bit 12-bit 16-bit signed-8 signed-16 signed-32 unsigned-32".split())
def test_values_beyond_8_bits_are_stretched_and_that_is_said(tmp_path, dtype, low, high, said):
    values = (low + RAMP * (high - low)).round().astype(dtype)
    tiff(tmp_path/"a.tif", values, 1 if dtype(0).dtype.kind == "u" else 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Notice)
        sets = folder(tmp_path, progress=False), given_pictures([values])
    assert [said in str(w.message) for w in caught] == [True] * (2 * bool(said)) and ("a.tif" in str(caught[0].message) if said else True)
    for one in sets: assert abs(one[0] - EXPECTED * (4000 / 4095 if high == 4000 else 1)).max() <= 1


@pytest.mark.parametrize("most, white", [(4095, 4095), (2000, 2000), (65535, 65535), (500, 1023)], ids="12-bit its-own 16-bit too-small".split())
def test_a_tiff_says_what_white_is(tmp_path, most, white):
    "MaxSampleValue, but for one that is less than a value of the picture."
    values = (800 * RAMP).round().astype(np.uint16)
    tiff(tmp_path/"a.tif", values, 1, (281, 3, most))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Notice)
        assert abs(folder(tmp_path, progress=False)[0] - EXPECTED * 800 / white).max() <= 1
    assert [f"0 to {white}" in str(w.message) for w in caught] == [True] * (white != 65535)


def test_colours_of_12_bits_that_cannot_be_read_are_refused(tmp_path):
    "Pillow gives the upper 8 of 16 bits."
    rows = b"".join(b"\0" + row.tobytes() for row in np.repeat((4095 * RAMP)[..., None], 3, 2).astype(">u2"))
    parts = (b"IHDR", struct.pack(">IIBBBBB", 50, 40, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    png = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    (tmp_path/"deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    with pytest.raises(ValueError, match="deep.png: cannot be decoded: its colours fill 12 of 16 bits at most.*save it with 8"): folder(tmp_path, progress=False)


def test_more_than_one_page_is_said(tmp_path):
    more = [Image.fromarray(255 - NOISE)] * 2
    for name in ("a.tif", "b.gif", "c.webp"): saved(tmp_path/name, save_all=True, append_images=more)
    saved(tmp_path/"d.mpo", format="MPO", save_all=True, append_images=more)            # as telephones write
    with pytest.warns(Notice, match=r"3 of 4 pictures: more than one page or frame; the first is read \(a.tif: 3\)"):
        assert (folder(tmp_path, progress=False)[0] == NOISE).all()


@pytest.mark.parametrize("make, n", [
    (lambda a: pd.Series(list(a), index=[2, 0, 1]), 3), (lambda a: pd.Series(list(a), index=list("abc")), 3), (lambda a: a[0], 1),
    (lambda a: a[0, ..., 0], 1), (lambda a: torch.from_numpy(a[0]).movedim(-1, 0), 1), (lambda a: Image.fromarray(a[0]), 1), (lambda a: a, 3),
], ids="shuffled named one grey tensor PIL many".split())
def test_pictures_are_taken_by_place(make, n):
    many = np.random.default_rng(1).integers(0, 255, (3, 6, 8, 3), np.uint8)
    images = given_pictures(make(many))
    assert len(images) == n
    for i in range(n): assert (images[i][..., 0] == many[i, ..., 0]).all()


@pytest.mark.parametrize("pictures, said", [
    ({"a": NOISE}, "a dict has its pictures by name; give a list"), (pd.DataFrame({"a": ["b.png"]}), "a DataFrame has .* one column"),
    (np.zeros((3, 40, 50), np.uint8), r"\(3, 40, 50\) may be one picture or three grey ones")], ids="dict table channels-first".split())
def test_what_may_mean_two_things_is_refused(pictures, said):
    with pytest.raises(ValueError, match=said): given_pictures(pictures)


def test_what_pillow_reads_is_read_and_the_rest_is_counted(tmp_path):
    for name in ("a.jfif", "b.jpe", "c.tga", "d.PNG", ".hidden.png"): saved(tmp_path/name)
    saved(tmp_path/"e.mpo", format="MPO", save_all=True, append_images=[Image.fromarray(NOISE)])
    for hidden in (".thumbs", "f/.git"):
        (tmp_path/hidden).mkdir(parents=True)
        saved(tmp_path/hidden/"g.png")
    for name in ("h.jxl", "i.JXL", "j.dng", "notes.txt", "boxes.csv"): (tmp_path/name).touch()
    with pytest.warns(Notice, match="3 files not read as pictures: 2 .jxl, 1 .dng$"):
        assert folder(tmp_path, progress=False).names.tolist() == ["a.jfif", "b.jpe", "c.tga", "d.PNG", "e.mpo"]


def test_heic_is_read_or_the_extra_is_named(tmp_path):
    if importlib.util.find_spec("pillow_heif"):
        smooth = Image.fromarray(np.uint8(EXPECTED))
        saved(tmp_path/"a.heic", smooth, quality=95)
        assert abs(folder(tmp_path, progress=False)[0] - EXPECTED).max() < 8
    else:
        (tmp_path/"a.heic").touch()
        with pytest.raises(FileNotFoundError, match=r"no pictures.*1 .heic; pip install 'lmdisc\[heic\]'"): folder(tmp_path, progress=False)


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


@pytest.mark.parametrize("broken, of, bad, left", [(1, 5, .1, 4), (3, 8, .1, 5), (4, 20, .1, None), (2, 3, .1, None), (1, 5, 0, None), (2, 20, .1, 18)])
def test_few_broken_pictures_are_left_out(tmp_path, broken, of, bad, left):
    for i in range(of): (tmp_path/f"{i:02}.png").write_text("no picture") if i < broken else saved(tmp_path/f"{i:02}.png")
    if left:
        with pytest.warns(LeftOut, match=f"{broken} of {of} pictures cannot be read"): assert len(folder(tmp_path, bad=bad, progress=False)) == left
    else:
        most = "none" if not bad else min(3, of // 2)
        with pytest.raises(ValueError, match=f"{broken} of {of} pictures cannot be read, and {most} may be left out; remove or replace") as said:
            folder(tmp_path, bad=bad, progress=False)
        assert "00.png: not a picture that Pillow can read" in str(said.value) and "BytesIO" not in str(said.value)


@pytest.mark.parametrize("where, said", [
    ("no/such.png", "no/such.png: no such file or folder"), ("such.png", "such.png: no such file or folder"), ("cats/all", "cats/all: no such file or folder"),
    ("https://example.org/a.png", "addresses are not opened; download"), ("cats/*.png", "patterns are not opened; name a folder"),
    ("mycats", "no folder here and no data set 'mycats': choose one of")], ids="file plain-file folder address pattern name".split())
def test_what_is_not_there_is_told_as_what_it_is(tmp_path, monkeypatch, where, said):
    monkeypatch.chdir(tmp_path)
    for ask in (datasets.open, given_pictures, lambda w: pictures_at([w])):
        with pytest.raises((FileNotFoundError, ValueError), match=said.replace("*", r"\*")): ask(where)


def test_two_folders_and_one_file(tmp_path):
    for name in ("a", "b"):
        (tmp_path/name).mkdir()
        saved(tmp_path/name/"c.png")
    both = [str(tmp_path/"a"), str(tmp_path/"b")]
    for ask in (given_pictures, pictures_at):
        with pytest.raises((FileNotFoundError, ValueError), match="a:? is a folder; .*one folder alone"): ask(both)
    assert len(datasets.open(tmp_path/"a"/"c.png")) == 1
    assert len(datasets.open([tmp_path/"a"/"c.png", tmp_path/"b"/"c.png"])) == len(datasets.open([NOISE] * 2)) == 2
    with pytest.raises(ValueError, match="1 of 1 picture cannot be read, .*\n.*d.png: No such file or directory$"): picture_files([tmp_path/"d.png"])


def test_photographs_of_telephones_are_not_too_large(tmp_path):
    code = "import lmdisc.data.images as i, sys; print(i.opened(sys.argv[1]).size)"
    big = str(saved(tmp_path/"big.png", Image.new("1", (16_320, 12_240)), compress_level=1))  # 200 megapixels
    def opened(**more): return subprocess.run([sys.executable, "-W", "error", "-c", code, big], capture_output=True, text=True, env=os.environ | more)
    assert opened().stdout == "(16320, 12240)\n"
    assert "set LMDISC_MEGAPIXELS" in opened(LMDISC_MEGAPIXELS="50").stderr


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
    with pytest.raises(FileNotFoundError, match="holds no pictures; there is: "): folder(tmp_path, progress=False)


@pytest.mark.parametrize("box", [(60, 5, 90, 30), (5, 5, 5, 30), (30, 5, 5, 30), (np.nan, 5, 30, 30), (5, -20, 30, -3)],
                         ids="outside flat inverted nan above".split())
def test_box_without_area_in_the_picture(tmp_path, box):
    saved(tmp_path/"a.png"), saved(tmp_path/"b.png")
    (tmp_path/"boxes.csv").write_text("name,x0,y0,x1,y1\na.png,5,5,30,30\nb.png," + ",".join(map(str, box)))
    with pytest.raises(ValueError, match=r"b.png: box .*50 × 40"): folder(tmp_path, tmp_path/"boxes.csv", progress=False)


HEADER = "name,x0,y0,x1,y1\n"

@pytest.mark.parametrize("text, encoding, said", [
    (HEADER + "a.png,5,5,30,30\nb.png,5,5,30,30\na.png,6,6,20,20\n", "utf-8", "boxes.csv, line 4: a second box of a.png"),
    (HEADER + "a.png,.1,.1,.6,.7\nb.png,0,0,1,1\n", "utf-8", r"a.png: box .* shares .* pixels are needed: multiply .* 50 and 40"),
    (HEADER, "utf-8", "boxes.csv has column names and no boxes"), ("", "utf-8", "boxes.csv: columns name,x0,y0,x1,y1 are needed"),
    (HEADER.replace(",", ";"), "utf-8", "not found in its first line, 'name;x0;y0;x1;y1'"),
    (HEADER + "a.png,5,5,30,30\nb.png,5,5,30,30\n", "utf-16", "boxes.csv is not in UTF-8; save it"),
    (HEADER + "ä.png,5,5,30,30\n", "latin-1", "boxes.csv is not in UTF-8; save it"),
    (HEADER + "a.png,5,5,inf,30\nb.png,5,5,30,30\n", "utf-8", r"a.png: box .*infinite"),
    (HEADER + 'a.png,5,5,30,30\nb.png,5,5,30,"' + 200_000 * "3", "utf-8", "boxes.csv cannot be read as CSV.*quotation mark"),
], ids="twice shares header-only empty semicolons utf-16 latin-1 infinite quote".split())
def test_a_table_of_boxes_that_is_not_one(tmp_path, text, encoding, said):
    saved(tmp_path/"a.png"), saved(tmp_path/"b.png")
    (tmp_path/"boxes.csv").write_bytes(text.encode(encoding))
    with pytest.raises(ValueError, match=said): folder(tmp_path, tmp_path/"boxes.csv", progress=False)


def test_boxes_of_shares_are_refused_as_arrays(tmp_path):
    saved(tmp_path/"a.png")
    with pytest.raises(ValueError, match="a.png.*pixels are needed"): folder(tmp_path, [[.2, .2, .9, .9]], progress=False)
    with pytest.raises(ValueError, match="picture 0.*pixels are needed"): given_pictures([NOISE], [[0, 0, 1, 1]])


@pytest.mark.parametrize("boxes, said", [
    ([[1, 2, 3], [1, 2, 3, 4]], "boxes are not rows of numbers, all of one length"), ([["a"] * 4] * 2, "boxes are not rows of numbers"),
    ({"a.png": [1, 2, 3, 4]}, "boxes are not rows of numbers"), (np.array(3), r"boxes have shape \(\)"), ([1, 2, 3, 4], r"boxes have shape \(4,\)"),
    ([[1, 2, 3, 4]], r"boxes have shape \(1, 4\)")], ids="ragged text dict number row few".split())
def test_boxes_that_are_none(tmp_path, boxes, said):
    for name in ("a.png", "b.png"): saved(tmp_path/name)
    for ask in (lambda: folder(tmp_path, boxes, progress=False), lambda: given_pictures(tmp_path, boxes), lambda: given_pictures([NOISE] * 2, boxes),
                lambda: given_pictures([tmp_path/"a.png", tmp_path/"b.png"], boxes)):
        with pytest.raises(ValueError, match=f"{said}.*; one row x0, y0, x1, y1 for each of 2 pictures is needed"): ask()


def test_a_folder_may_hide_what_comes_with_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path); (tmp_path/"heads").mkdir()
    with pytest.raises(FileNotFoundError, match="heads: a folder of this name hides the detector that comes with the package"): load("heads")


@pytest.mark.parametrize("pictures", [NOISE, [NOISE], "face.png"], ids="array list path".split())
def test_a_detector_says_what_makes_an_image_set(pictures):
    with pytest.raises(TypeError, match=f"{type(pictures).__name__} is no ImageSet; lmdisc.open makes one"): load("heads").predict(pictures)


def test_one_picture_and_the_boxes_of_a_folder(tmp_path):
    for name in ("a/x.png", "a/y.png", "b/x.png"):
        (tmp_path/name).parent.mkdir(exist_ok=True)
        saved(tmp_path/name)
    table = tmp_path/"boxes.csv"
    table.write_text("name,x0,y0,x1,y1\nx.png,1,2,30,31\ny.png,3,4,20,21\n")
    assert given_pictures(tmp_path/"a"/"y.png", table).boxes.tolist() == [[3, 4, 20, 21]]
    assert given_pictures([tmp_path/"a"/"x.png", tmp_path/"a"/"y.png"], table).boxes.tolist() == [[1, 2, 30, 31], [3, 4, 20, 21]]
    with pytest.raises(ValueError, match="boxes.csv: no box for: .*z.png"):
        saved(tmp_path/"a"/"z.png")
        given_pictures(tmp_path/"a"/"z.png", table)
    with pytest.raises(ValueError, match="boxes.csv: a box may be of two of these pictures"): given_pictures([tmp_path/"a"/"x.png", tmp_path/"b"/"x.png"], table)
    (tmp_path/"a"/"z.png").unlink()
    table.write_text("name,x0,y0,x1,y1\nx.png,1,2,30,31\n")
    with pytest.raises(ValueError, match="no box for: y.png"): folder(tmp_path/"a", table, progress=False)


@pytest.mark.parametrize("one", [np.array(3), torch.tensor(3), np.array("a.png"), np.float32(3), 3, None], ids=lambda one: type(one).__name__)
def test_what_holds_no_pictures(one):
    with pytest.raises(ValueError, match="cannot be asked for its length and its items; give a folder, a list or an array"): given_pictures(one)


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


def test_the_limit_of_megapixels_is_a_number():
    done = subprocess.run([sys.executable, "-c", "import lmdisc.data.images"], env=os.environ | {"LMDISC_MEGAPIXELS": "many"}, capture_output=True, text=True)
    assert done.returncode and "LMDISC_MEGAPIXELS is 'many'; a whole number" in done.stderr
