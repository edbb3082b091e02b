"Videos as people have them: damaged, turned, mirrored, anamorphic; and the same landmarks as `predict` gives in their frames."
import itertools
from fractions import Fraction
import numpy as np, pandas as pd, pytest
from scipy.io import netcdf_file
from lmdisc.data.images import ImageSet, boxed
from lmdisc.cli import main
from lmdisc.use.chosen import load
from lmdisc.use.estimator import places_and_scores
from lmdisc.use.finding import Finder

av = pytest.importorskip("av")
from lmdisc.export.video import frames, length_of, pixel_ratio, track_video, write_video  # noqa: E402

def pictures(n, height=64, width=80):
    "Noise that moves: each picture takes some kB."
    noise = np.random.default_rng(0).integers(0, 256, (height, width + n, 3), dtype=np.uint8)
    return [noise[:, i:i + width] for i in range(n)]

def remuxed(path, to, **options):
    "The same packets in another container."
    with av.open(str(path)) as old, av.open(str(to), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return to

@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "One video of 60 frames in several containers."
    folder = tmp_path_factory.mktemp("whole")
    mp4 = write_video(folder/"plain.mp4", ((i / 30, p) for i, p in enumerate(pictures(60))))
    return [mp4, *(remuxed(mp4, folder/name) for name in ("a.mkv", "a.ts", "a.mov")), remuxed(mp4, folder/"fast.mp4", movflags="faststart"),
            remuxed(mp4, folder/"keys.mp4", movflags="frag_keyframe+empty_moov"), remuxed(mp4, folder/"each.mp4", movflags="frag_every_frame+empty_moov")]

def cut(data, at): return data[:int(len(data) * at)]
def blank(data, at): return data[:int(len(data) * at)] + bytes(len(data) // 10) + data[int(len(data) * at) + len(data) // 10:]

def test_a_whole_video_is_whole_in_every_container(whole):
    for path in whole: assert length_of(path)[0] == len(list(frames(path))) == 60

@pytest.mark.parametrize("damage, at", list(itertools.product((cut, blank), (.2, .6))))
def test_a_damaged_video_is_an_error_and_never_a_shorter_video(whole, damage, at, tmp_path):
    "But for a file that does not say how long it is, and ends between two of its packets: that is a whole, shorter video."
    for path in whole:
        broken = tmp_path/path.name
        broken.write_bytes(damage(path.read_bytes(), at))
        if damage is cut and path.name in ("a.ts", "each.mp4"): continue
        with pytest.raises(ValueError, match=path.name): list(frames(broken))

def test_the_error_of_a_damaged_video_comes_before_the_work_and_says_what_to_do(whole, tmp_path):
    broken = tmp_path/"film.mkv"
    broken.write_bytes(cut(whole[1].read_bytes(), .5))
    with pytest.raises(ValueError, match=r"film.mkv: it should last 2.00 s and ends at [01].\d\d s; copy .* ffmpeg -i FILE whole.mp4"):
        track_video(broken, None, tmp_path/"out.mp4", progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["film.mkv"]

WAYS = {                              # of a display matrix a, b, c, d: what a player shows of a picture
    (1, 0, 0, 1): lambda p: p, (-1, 0, 0, -1): lambda p: p[::-1, ::-1], (-1, 0, 0, 1): lambda p: p[:, ::-1], (1, 0, 0, -1): lambda p: p[::-1],
    (0, 1, -1, 0): lambda p: np.rot90(p, -1), (0, -1, 1, 0): lambda p: np.rot90(p), (0, 1, 1, 0): lambda p: p.swapaxes(0, 1),
    (0, -1, -1, 0): lambda p: np.rot90(p, 2).swapaxes(0, 1)}

@pytest.mark.parametrize("matrix", WAYS)
def test_a_turned_or_mirrored_video_is_shown_as_a_player_shows_it(matrix, whole, tmp_path):
    data = whole[0].read_bytes()
    def words(*values): return b"".join((int(v) * 65536 % 2**32).to_bytes(4, "big") for v in values)
    (a, b, c, d), at = matrix, data.index(words(1, 0, 0, 0, 1), data.index(b"tkhd"))
    (tmp_path/"turned.mp4").write_bytes(data[:at] + words(a, b, 0, c, d) + data[at + 20:])
    for (_, p), (_, q) in zip(frames(whole[0]), frames(tmp_path/"turned.mp4")): np.testing.assert_array_equal(q, WAYS[matrix](p))

class Middle:
    "One landmark in the middle."
    K, size, margin, names, threshold = 1, 16, .1, ["middle"], .5
    def predict(self, crops): return np.full((len(crops), 1, 2), 7.5, np.float32), np.ones((len(crops), 1), np.float32)

@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_a_written_video_lasts_as_long_and_is_as_wide_as_its_source(name, tmp_path):
    times = [0, .1, .2, .5]
    source = write_video(tmp_path/"source.mkv", zip(times, pictures(4)), 1.7, Fraction(4, 3))
    track_video(source, Middle(), tmp_path/name, progress=False)
    for path in (source, tmp_path/name):
        assert pixel_ratio(path) == Fraction(4, 3)
        np.testing.assert_allclose([t for t, _ in frames(path)], times, atol=2e-3)
        assert length_of(path) == (4, pytest.approx(1.7, abs=2e-3))
        with av.open(str(path)) as container: assert container.duration / 1e6 == pytest.approx(1.7, abs=2e-3)

def test_a_video_and_predict_agree_where_the_object_is_cut_off(tmp_path, monkeypatch):
    "A detector that looks for its object: where it is found to reach beyond the frame, and where a box is given."
    beyond = np.float32([-20, 5, 60, 90])
    monkeypatch.setattr(Finder, "load", classmethod(lambda cls, folder: cls({})))
    monkeypatch.setattr(Finder, "boxes", lambda self, images, *_: np.tile(beyond, (len(images), 1)))
    detector, film = load("heads"), write_video(tmp_path/"film.mp4", ((i / 10, p) for i, p in enumerate(pictures(3))))
    detector.save(tmp_path/"detector")
    (tmp_path/"detector"/"finder").mkdir()
    (tmp_path/"detector"/"finder"/"finder.json").write_text("{}")
    shown = [p for _, p in frames(film)]
    images = ImageSet(shown.__getitem__, np.tile(np.float32([-.5, -.5, 79.5, 63.5]), (3, 1)))
    for how, box in (([], beyond), (["--box", "-20", "5", "60", "90"], [-.5, 5, 60, 63.5])):
        assert main(["video", str(tmp_path/"detector"), str(film), "--table", str(tmp_path/"t.csv"), *how]) == 0
        xy, score = places_and_scores(detector, boxed(images, np.tile(box, (3, 1))))
        table = pd.read_csv(tmp_path/"t.csv")
        np.testing.assert_allclose(table[["x", "y"]], xy.reshape(-1, 2), atol=2e-3)
        np.testing.assert_allclose(table.score, score.ravel(), atol=2e-3)

@pytest.mark.parametrize("form, name", [("dlc_predictions", "t.h5"), ("movement", "t.nc"), ("nwb", "t.nwb")])
def test_tracks_in_the_formats_of_other_tools(form, name, tmp_path):
    pytest.importorskip("sleap_io")
    film = write_video(tmp_path/"film.mp4", zip([0, .1, .4], pictures(3)))
    assert main(["video", "heads", str(film), "--table", str(tmp_path/name), "--format", form]) == 0
    want = track_video(film, load("heads"), progress=False)
    if form == "dlc_predictions": x = pd.read_hdf(tmp_path/name).xs("x", axis=1, level=2).to_numpy()
    elif form == "movement":
        with netcdf_file(tmp_path/name, mmap=False) as file: x = file.variables["position"].data[:, 0, :, 0]
    else:
        import pynwb
        with pynwb.NWBHDF5IO(tmp_path/name, "r", load_namespaces=True) as io:
            poses = io.read().processing["behavior"]["PoseEstimation"]
            x = np.stack([poses[n].data[:, 0] for n in want.name[:want.landmark.max() + 1]], 1)
            np.testing.assert_allclose(poses[want.name[0]].timestamps[:], [0, .1, .4], atol=1e-3)
    np.testing.assert_allclose(x.ravel(), want.x, atol=.01)
