"Properties of the shared shape over random inputs: recovery, invariances, and input that says little or nothing."
import math, torch, pytest
from lmdisc.method.cameras import (Cameras, Fit, adjust, aligned, angles, directions, energy, pose, projected, rotation_of, triangulate)
from lmdisc.method.shape import facing, fit_shape, in_sight, mirrored, refitted, typical_rotations

def scene(seed, n=120, points=20):
    "Random points, and cameras that turn up to 70°."
    g = torch.Generator().manual_seed(seed)
    def rand(*shape): return 2 * torch.rand(*shape, generator=g).double() - 1
    xyz = .2 * rand(points, 3)
    rotation = rotation_of(rand(n, 3) * torch.tensor([.3, 1.2, .2]))
    return xyz - xyz.mean(0), Cameras(rotation, (.1 * rand(n)).exp(), .05 * rand(n, 2)), g

def similar_of(cameras, k=10):
    return (cameras.rotation[:, None] - cameras.rotation).square().sum((-1, -2)).topk(k + 1, largest=False).indices[:, 1:]

def spoiled(places, g, gaps, wrong):
    "Places with gaps (NaN), some of the rest anywhere."
    n, m = places.shape[:2]
    anywhere = torch.rand(n, m, 2, generator=g).double() - .5
    places = anywhere.where((torch.rand(n, m, generator=g) < wrong)[..., None], places)
    return places.where((torch.rand(n, m, generator=g) >= gaps)[..., None], torch.nan)

@pytest.mark.parametrize("seed", range(3))
def test_every_place_is_found_with_60_percent_of_gaps_and_30_percent_of_wrong_points(seed):
    xyz, cameras, g = scene(seed, 300, 30)
    truth = projected(xyz, cameras)
    places = spoiled(truth, g, .6, .3)
    shape = fit_shape(places, similar_of(cameras), 1, Fit(flat=0.), seed)
    found = shape.place(shape.pose(places, torch.ones(places.shape[:2])))
    off = (found - truth).norm(dim=-1)
    assert off.median() < .005 and (off < .02).double().mean() > .85

@pytest.mark.parametrize("seed", range(3))
def test_adjusting_never_raises_the_energy(seed):
    xyz, cameras, g = scene(seed)
    places = spoiled(projected(xyz, cameras), g, .3, .2)
    weights, places = (~places.isnan().any(-1)).double(), places.nan_to_num()
    start = aligned(places, weights, xyz + .05, cameras.rotation)
    def level(xyz, cameras): return energy(places, weights, xyz, cameras, Fit(), Fit().scale, None)
    levels = [level(xyz, start)] + [level(*adjust(places, weights, xyz, start, Fit(), steps)) for steps in (1, 5, 25)]
    assert levels == sorted(levels, reverse=True)

def test_several_starts_at_once_are_as_one_by_one():
    xyz, cameras, g = scene(0)
    places, weights = projected(xyz, cameras), torch.ones(120, 20).double()
    both = torch.stack([xyz, xyz + .02 * torch.randn(20, 3, generator=g).double()])
    start = Cameras(*(v.expand(2, *v.shape) for v in (cameras.rotation, cameras.scale, cameras.shift)))
    together, _ = adjust(places, weights.expand(2, -1, -1), both, start, steps=5)
    for one, alone in zip(together, both): torch.testing.assert_close(one, adjust(places, weights, alone, cameras, steps=5)[0])

def test_a_shape_and_its_mirror_image_look_the_same():
    xyz, cameras, _ = scene(1)
    torch.testing.assert_close(projected(*mirrored(xyz, cameras)), projected(xyz, cameras))
    twice = mirrored(*mirrored(xyz, cameras))
    torch.testing.assert_close(twice[1].rotation, cameras.rotation)

def test_a_pose_does_not_hang_on_the_other_pictures():
    xyz, cameras, g = scene(2)
    places = spoiled(projected(xyz, cameras), g, .3, .2)
    weights, places = (~places.isnan().any(-1)).double(), places.nan_to_num()
    every, order = pose(places, weights, xyz, directions()), torch.randperm(120, generator=g)
    torch.testing.assert_close(pose(places[order], weights[order], xyz, directions()).rotation, every.rotation[order])
    torch.testing.assert_close(pose(places, weights, xyz, directions(), block=7).shift, every.shift)

def test_the_same_seed_gives_the_same_shape():
    xyz, cameras, g = scene(3)
    places, similar = spoiled(projected(xyz, cameras), g, .5, .2), similar_of(cameras)
    first, again, other = (fit_shape(places, similar, 1, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.xyz, again.xyz) and not torch.equal(first.xyz, other.xyz)

def test_pictures_and_points_without_a_place_do_no_harm():
    xyz, cameras, g = scene(4)
    places = spoiled(projected(xyz, cameras), g, .3, 0.)
    places[5], places[:, 3] = torch.nan, torch.nan
    shape = fit_shape(places, similar_of(cameras), 1)
    assert shape.xyz.isfinite().all() and shape.rigid[3].isnan()
    assert shape.place(shape.pose(places, torch.ones(120, 20))).isfinite().all()
    assert refitted(shape, places, torch.ones(120, 20)).xyz.isfinite().all()

@pytest.mark.parametrize("n, points", [(120, 3), (8, 20)])
def test_too_little_to_go_by_is_an_error_that_says_how_much_is_needed(n, points):
    xyz, cameras, _ = scene(0, n, points)
    with pytest.raises(ValueError, match="10 pictures with 4 points each"): fit_shape(projected(xyz, cameras), similar_of(cameras, 3), 1)

def test_points_are_found_under_known_cameras():
    xyz, cameras, g = scene(5)
    places = spoiled(projected(xyz, cameras), g, .4, .3)
    weights, places = (~places.isnan().any(-1)).double(), places.nan_to_num()
    torch.testing.assert_close(triangulate(places, weights, cameras), xyz, atol=.01, rtol=0)

def test_points_that_always_or_never_have_a_keypoint_leave_sight_finite():
    xyz, cameras, _ = scene(6)
    seen = facing(xyz, cameras) > 0
    seen[:, 0], seen[:, 1] = True, False
    p = in_sight(xyz, cameras, seen)
    assert p.isfinite().all() and (p >= 0).all() and (p <= 1).all()
    assert p[:, 2:][seen[:, 2:]].mean() > p[:, 2:][~seen[:, 2:]].mean() + .4

def test_points_of_a_plane_face_the_viewer():
    xyz, cameras, _ = scene(6)
    assert facing(xyz * torch.tensor([1., 1, 0]), cameras[:1]).isfinite().all()
    looking = Cameras(torch.eye(3).double()[None], torch.ones(1).double(), torch.zeros(1, 2).double())
    assert (facing(xyz * torch.tensor([1., 1, 0]), looking) > 0).all()

def test_typical_rotations_leave_out_the_odd_one():
    _, cameras, _ = scene(7, 200)
    odd = rotation_of(torch.tensor([[math.pi, 0, 0]]).double())
    typical = typical_rotations(torch.cat([cameras.rotation, odd]))
    assert (angles(typical)[:, 0].abs() < 80).all() and len(typical) == 12

@pytest.mark.parametrize("seed", range(3))
def test_where_all_points_are_seen_none_is_said_to_lie_on_the_far_side(seed):
    xyz, cameras, g = scene(seed)
    places = spoiled(projected(xyz, cameras), g, 0, 0) + .002 * torch.randn(120, 20, 2, generator=g).double()
    assert fit_shape(places, similar_of(cameras), 1, seed=seed).far_side < .05
