"Pictures without boxes: the object is found, a missing one is reported, and nothing lies beyond a picture's edge."
import warnings
from dataclasses import replace
import numpy as np, pytest, torch
from lmdisc.nets.detectors import at_hand
from lmdisc.use.finding import Finder, found_boxes, shape_in_crops
from lmdisc.use.windows import Finding, overlap
from lmdisc.data.images import boxed, in_picture
from lmdisc.datasets.rendered.scenes import scenes
from lmdisc.data.images import ImageSet
from lmdisc.method.detection import detect_keypoints
from lmdisc.method.shape import Shape

needs_xfeat = pytest.mark.skipif(not at_hand("xfeat"), reason="the weights of XFeat are not at hand")
FEW = Finding(shares=(0.3, 0.45, 0.65), pictures=30, tried=60, aligned=3, contrasted=2)

def rings(n):
    "A toy category: a ring with a cross in it, on grey."
    def load(i):
        y, x = np.mgrid[:64, :64] - 32
        p = np.full((64, 64, 3), 120 + i % 20, np.uint8)
        p[abs(np.hypot(x, y) - 20) < 4] = 230
        p[(np.minimum(abs(x), abs(y)) < 3) & (np.hypot(x, y) < 18)] = 20
        return p
    return ImageSet(load, np.tile(np.float32([8, 8, 56, 56]), (n, 1)), data_hash="rings")

def noise(n, wh=(160, 64)):
    "Wide pictures, strongly textured up to their border."
    load = lambda i: np.kron(np.random.default_rng(i).integers(0, 2, (wh[1] // 8, wh[0] // 8, 1)) * 255, np.ones((8, 8, 3))).astype(np.uint8)
    return ImageSet(load, np.tile(np.float32([-0.5, -0.5, wh[0] - 0.5, wh[1] - 0.5]), (n, 1)), data_hash="noise")

@pytest.mark.parametrize("name", ["aliked", "xfeat"])
def test_padding_carries_no_keypoint(name):
    if not at_hand(name): pytest.skip(f"the weights of {name} are not at hand")
    crops = noise(6).crops(128, 0.15, progress=False)
    points = detect_keypoints(crops, name, scales=(1,), progress=False)
    xy = np.stack([crops.to_image(p, i) for p, i in zip(points.xy.numpy(), points.image.numpy())])
    assert len(xy) > 30 and (xy >= -0.5).all() and (xy <= [159.5, 63.5]).all()

@pytest.mark.skipif(not at_hand("aliked"), reason="the weights of ALIKED are not at hand")
def test_without_a_box_keypoints_lie_in_the_padding():
    crops = noise(6).crops(128, 0.15, progress=False)
    everywhere = replace(crops, boxes=np.tile(np.float32([-0.5, -0.5, 127.5, 127.5]), (6, 1)))
    points = detect_keypoints(everywhere, "aliked", scales=(1,), progress=False)
    xy = np.stack([crops.to_image(p, i) for p, i in zip(points.xy.numpy(), points.image.numpy())])
    assert ((xy < -0.5) | (xy > [159.5, 63.5])).any()

def test_a_landmark_outside_is_not_seen():
    xy = np.random.default_rng(0).uniform(-30, 200, (20, 5, 2)).astype(np.float32)
    seen = in_picture(xy, np.tile([160, 64], (20, 1)))
    assert (seen == ((xy > -0.5) & (xy < [159.5, 63.5])).all(-1)).all() and seen.any() and not seen.all()

@pytest.fixture(scope="module")
def found():
    hidden = scenes(rings(40), short=192)
    cut, finder = found_boxes(replace(hidden, fields=hidden.fields | {"split": np.array(["train"] * 30 + ["test"] * 10)}), how=FEW, progress=False)
    return hidden, cut, finder

@needs_xfeat
def test_the_object_that_recurs_is_found(found):
    hidden, cut, _ = found
    same = overlap(cut.boxes, hidden.fields["true_box"])
    assert np.median(same) > 0.4 and (same > 0.2).mean() > 0.8 and cut.data_hash != hidden.data_hash
    assert (cut.fields["split"] == "unsure").sum() == 6 and len(cut.split("test")) == 10          # a fifth of what is learned from
    assert (cut.boxes[:, 2:] <= hidden.fields["size_wh"] - 0.5 + 1e-3).all() and (cut.boxes >= -0.5).all()

@needs_xfeat
def test_a_saved_finder_finds_the_same_boxes(found, tmp_path):
    hidden, _, finder = found
    finder.save(tmp_path)
    again, new = Finder.load(tmp_path), hidden.take(slice(30, 34))
    assert again.how == FEW and all(torch.equal(v, again.tensors[k]) for k, v in finder.tensors.items())
    assert np.array_equal(finder.boxes(new), again.boxes(new))

@needs_xfeat
def test_where_nothing_is_found_a_warning_says_so_and_the_picture_is_taken_whole(found):
    _, _, finder = found
    blank = replace(noise(3), load=lambda i: np.full((64, 160, 3), 60 * i, np.uint8))
    with pytest.warns(UserWarning, match="not found in 3 of 3 pictures, such as picture 0"): boxes = finder.boxes(blank)
    assert np.array_equal(boxes, blank.boxes)
    best = int(finder.scored_boxes(found[0])[1].argmax())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finder.boxes(found[0].take([best]))

class Knowing:
    "A detector that knows a shape, and where it is in each of some pictures; it sees in pictures what lies in their crops."
    size, margin = 64, .15
    def __init__(self, points): # (N, K, 2) image px
        self.points, g = points, torch.Generator().manual_seed(0)
        xyz = .2 * (2 * torch.rand(8, 3, generator=g).double() - 1)
        self.shape = Shape(xyz - xyz.mean(0), torch.eye(3).double()[None], torch.ones(8).double(), size=64)
    def predict(self, crops):
        xy = crops.to_crop(self.points, np.arange(len(crops)))
        return xy, np.ones(xy.shape[:2], np.float32)

def test_a_box_is_moved_to_where_the_shape_lies():
    rng, n = np.random.default_rng(0), 12
    knowing = Knowing(None)
    middle, large = rng.uniform(120, 180, (n, 2)), rng.uniform(60, 100, n)
    knowing.points = middle[:, None] + 2.6 * large[:, None, None] * knowing.shape.xyz[:, :2].numpy()
    def at(middle, half): return np.c_[middle - half[:, None], middle + half[:, None]].astype(np.float32)
    whole = ImageSet(lambda i: np.zeros((300, 300, 3), np.uint8), at(np.full((n, 2), 149.5), np.full(n, 150.)))
    right = boxed(whole, at(middle, large))
    wrong = boxed(whole, at(middle + rng.normal(0, 8, (n, 2)), large * rng.uniform(.7, 1.4, n)))
    wrong.boxes[0] = whole.boxes[0]                            # in this one nothing was found
    finder = Finder({"usual": shape_in_crops(right, knowing)[0].median(0).values})
    moved = finder.moved(wrong, whole, knowing)
    assert (np.abs(moved.boxes - right.boxes).max(1) / large)[1:].max() < .04 and np.array_equal(moved.boxes[0], whole.boxes[0])
    assert Finder({}).moved(wrong, whole, knowing) is wrong    # never aimed
    knowing.shape = None
    assert finder.moved(wrong, whole, knowing) is wrong and finder.aim(wrong, whole, knowing) is wrong

@needs_xfeat
def test_a_finder_learns_again_from_landmarks_in_space(found):
    hidden, cut, finder = found
    true, learns, knowing = hidden.fields["true_box"], slice(0, 30), Knowing(None)
    def points(rows): return ((true[rows, None, :2] + true[rows, None, 2:]) / 2 +
                              (true[rows, 2] - true[rows, 0])[:, None, None] * 1.3 * knowing.shape.xyz[:, :2].numpy()).astype(np.float32)
    def same(boxes, rows): return overlap(boxes, true[rows])
    def without_splits(images): return replace(images, fields={})
    knowing.points, aimed = points(learns), Finder(dict(finder.tensors), finder.how)
    train = aimed.aim(without_splits(cut.take(learns)), without_splits(hidden.take(learns)), knowing)
    assert np.ptp(same(train.boxes, learns)) < .05 < np.ptp(same(cut.boxes[learns], learns))    # alike in all pictures
    assert len(aimed.tensors["template"]) == 3                  # a template for each range of yaw
    new = slice(30, 40)
    knowing.points = points(new)
    assert same(aimed.boxes(hidden.take(new)), new).min() > .2   # found again
    assert np.ptp(same(aimed.boxes(hidden.take(new), detector=knowing), new)) < .05

def test_a_wrong_folder_is_named(tmp_path):
    (tmp_path/"finder.json").write_text("{}")
    with pytest.raises(ValueError, match="not the record of a finder"): Finder.load(tmp_path)
