"Clustering by chains, over random inputs."
import numpy as np, pytest, torch
import torch.nn.functional as F
from hypothesis import given, settings, strategies as st
from lmdisc.method.chains import Chains, affine_inliers, chain, links, similar_pictures, sample_pictures
from lmdisc.data.points import Keypoints, offsets_of

def ragged(counts, d=8, seed=0):
    "Random points of pictures, some of them empty."
    g, counts = torch.Generator().manual_seed(seed), torch.tensor(counts)
    P = int(counts.sum())
    return Keypoints(offsets_of(counts), 64 * torch.rand(P, 2, generator=g), torch.ones(P), F.normalize(torch.randn(P, d, generator=g), dim=1))

@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=3, max_size=12), st.integers(0, 99))
def test_links_are_between_different_pictures_and_one_to_one(counts, seed):
    points = ragged(counts + [4, 4], seed=seed)
    u, v, alike = links(points, similar_pictures(points, 3), 64, Chains(least=-1., bend=.5))
    assert (points.image[u] != points.image[v]).all() and (alike >= -1).all()
    pair = torch.stack([u, points.image[v]], 1)
    assert len(pair.unique(dim=0)) == len(pair)

@settings(max_examples=20, deadline=None)
@given(st.integers(6, 12), st.integers(0, 99))
def test_a_small_affine_change_agrees_with_itself(n, seed):
    g = torch.Generator().manual_seed(seed)
    a = torch.rand(1, n, 2, generator=g) - .5
    b = a @ (torch.eye(2) + .05 * torch.randn(2, 2, generator=g)) + .02 * torch.randn(2, generator=g)
    match = torch.eye(n, dtype=torch.bool)[None]
    assert (affine_inliers(a, b, match, .05) == match).all()

def test_a_cluster_has_one_point_a_picture_and_runs_repeat():
    truth, g = F.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(1)), dim=1), torch.Generator().manual_seed(0)
    place = torch.rand(1, 6, 2, generator=g) * 64
    points = Keypoints(torch.arange(0, 241, 6), (place + torch.randn(40, 6, 2, generator=g)).reshape(-1, 2), torch.ones(240),
                       F.normalize(truth[None] + .1 * torch.randn(40, 6, 8, generator=g), dim=-1).reshape(-1, 8))
    one, centroids = chain(points, 6, 64, Chains(pictures=8), torch.inf)
    again, _ = chain(points, 6, 64, Chains(pictures=8), torch.inf)
    assert torch.equal(one.cluster, again.cluster)
    pair = one.image * 6 + one.cluster
    assert len(pair.unique()) == len(pair) and centroids.shape == (6, 8)
    best = (F.normalize(centroids, dim=1) @ truth.T).max(0).values
    np.testing.assert_array_less(.9, best)

def test_pictures_beyond_the_limit_are_removed():
    "They are not kept as empty pictures, so `share` is one of the pictures that are linked."
    points = ragged([2, 0, 3, 4, 1, 5])
    some = sample_pictures(points, 4, 0)
    assert some.n_images == 4 and len(some) == some.counts.sum()
    assert all(any(torch.equal(some.xy[a:b], points.xy[c:d]) for c, d in zip(points.offsets, points.offsets[1:])) for a, b in zip(some.offsets, some.offsets[1:]))
    assert torch.equal(sample_pictures(points, 4, 0).xy, some.xy)

def test_without_links_k_means_is_used_with_a_warning():
    with pytest.warns(UserWarning, match="fewer than the 5 clusters asked for: K-means groups them instead"):
        labels, centroids = chain(ragged([3] * 6), 5, 64, Chains(least=.99), torch.inf)
    assert len(labels) and centroids.shape == (5, 8)
