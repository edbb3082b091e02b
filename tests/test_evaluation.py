"Properties of completion, evaluation and merging over random inputs."
import warnings
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdisc.data.points import Keypoints
from lmdisc.discovery import cluster_scores
from lmdisc.lab.measures import often_seen
from lmdisc.scores.completion import complete
from lmdisc.scores.curves import ced
from lmdisc.scores.clusters import cluster_agreement, detection_scores, matched
from lmdisc.scores.errors import evaluate, regress
from lmdisc.scores.visibility import nearest_annotated, visibility_auc
from lmdisc.method.merging import absorbers, overlaps

quick = settings(max_examples=10, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def shapes(rng, n=60, found=5, truth=4, share=.8):
    "Landmarks that move in three ways, the found ones with gaps."
    mean, ways = rng.uniform(20, 100, (found + truth, 2)), rng.normal(size=(3, (found + truth) * 2)) * 4
    xy = mean + (rng.normal(size=(n, 3)) @ ways).reshape(n, -1, 2) + rng.normal(size=(n, found + truth, 2)) * .3
    return np.where(rng.random((n, found, 1)) < share, xy[:, :found], np.nan), xy[:, found:]


def scores(found, truth, scale=1, normaliser=None, **kwargs):
    "Trained on the first 40 pictures, scored on the rest."
    normaliser = np.full(len(truth) - 40, 50.) if normaliser is None else normaliser
    return evaluate(found[:40] * scale, truth[:40] * scale, found[40:] * scale, truth[40:] * scale, normaliser * scale, 128 * scale, **kwargs)


@quick
@given(seeds)
def test_order_of_landmarks_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    found, truth = shapes(rng)
    a, k, l = scores(found, truth, n_labelled=30), rng.permutation(5), rng.permutation(4)
    b = scores(found[:, k], truth[:, l], n_labelled=30)
    np.testing.assert_allclose([b.nme_forward, b.nme_backward, b.coverage], [a.nme_forward, a.nme_backward, a.coverage], rtol=1e-6)
    np.testing.assert_allclose(b.landmark_forward, a.landmark_forward[l], rtol=1e-6)
    np.testing.assert_allclose(b.landmark_backward, a.landmark_backward[k], rtol=1e-6)


@quick
@given(seeds)
def test_order_of_images_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    found, truth = shapes(rng)
    order = np.concatenate([rng.permutation(40), 40 + rng.permutation(20)])
    a, b = scores(found, truth), scores(found[order], truth[order])
    np.testing.assert_allclose(b.image_forward, a.image_forward[order[40:] - 40], rtol=1e-6)
    np.testing.assert_allclose([b.nme_forward, b.nme_backward], [a.nme_forward, a.nme_backward], rtol=1e-6)


@quick
@given(seeds, st.sampled_from([.5, 2., 4.]))
def test_errors_do_not_depend_on_the_unit(seed, scale):
    found, truth = shapes(np.random.default_rng(seed))
    a, b = scores(found, truth), scores(found, truth, scale)
    np.testing.assert_allclose([b.nme_forward, b.nme_backward], [a.nme_forward, a.nme_backward], rtol=1e-8)
    half = scores(found, truth, normaliser=np.full(20, 25.))
    np.testing.assert_allclose([half.nme_forward, half.nme_backward], [2 * a.nme_forward, 2 * a.nme_backward], rtol=1e-12)


@quick
@given(seeds, st.integers(1, 5))
def test_seen_landmarks_alone_give_the_same_where_none_is_missing(seed, n_found):
    found, truth = shapes(np.random.default_rng(seed), found=n_found, share=2)
    kwargs = dict(n_labelled=30, repeats=2)
    a = scores(found, truth, **kwargs)
    assert a.nme_forward_seen == a.nme_forward
    X, Y = found.reshape(60, -1), truth[:40] / 128 - .5
    everything = np.ones(X[40:].shape, bool)
    np.testing.assert_allclose(regress(X[:40], Y, X[40:], there=everything), regress(X[:40], Y, X[40:]), atol=1e-9)


@quick
@given(seeds)
def test_values_of_missing_landmarks_are_not_used(seed):
    "A landmark with one missing coordinate is missing; without any landmark the prediction is the mean shape."
    rng = np.random.default_rng(seed)
    X, Y, there = rng.normal(size=(60, 8)), rng.normal(size=(40, 3, 2)), np.repeat(rng.random((20, 4)) < .6, 2, axis=1)
    Y[rng.random((40, 3)) < .2] = np.nan
    there[0] = False
    a, b = (regress(X[:40], Y, np.where(there, X[40:], other), there=there) for other in (0., rng.normal(size=(20, 8)) * 100))
    np.testing.assert_allclose(a, b, atol=1e-9)
    np.testing.assert_allclose(a[0], np.nanmean(Y, 0), atol=1e-9)
    found, truth = shapes(rng)
    half = found.copy()
    half[50:, 0, 0] = np.nan          # x alone is missing: the point is not seen
    whole = found.copy()
    whole[50:, 0] = np.nan
    np.testing.assert_allclose(scores(half, truth).nme_forward_seen, scores(whole, truth).nme_forward_seen, rtol=1e-9)


@quick
@given(seeds)
def test_hidden_landmarks_cost_little_where_only_seen_ones_are_used(seed):
    "Annotated landmarks with random gaps, as `floor` scores them."
    _, truth = shapes(np.random.default_rng(seed), truth=8)
    hidden = np.random.default_rng(seed).random((60, 8, 1)) < .3
    a = scores(np.where(hidden, np.nan, truth), truth)
    assert a.nme_forward_seen < .5 * a.nme_forward


@quick
@given(seeds)
def test_a_score_that_follows_visibility_has_an_auc_of_one(seed):
    "Whatever the scale of the scores and the order of the landmarks."
    rng = np.random.default_rng(seed)
    _, truth = shapes(rng, truth=4)
    visible, which = rng.random((60, 4)) < .5, rng.permutation(4)
    visible[40:42] = [[True] * 4, [False] * 4]
    found = truth[:, which] + rng.normal(size=(60, 4, 2))
    np.testing.assert_array_equal(nearest_annotated(found[:40], truth[:40], visible[:40]), which)
    def auc(score): return visibility_auc(score, truth[:40][:, which], truth[:40], visible[:40], visible[40:])
    follows = visible[40:][:, which] + rng.random((20, 4)) * .5
    np.testing.assert_array_equal(auc(follows), 1.)
    np.testing.assert_array_equal(auc(np.exp(3 * follows)), 1.)
    np.testing.assert_array_equal(auc(-follows), 0.)
    np.testing.assert_array_equal(auc(np.ones((20, 4))), .5)


@quick
@given(seeds)
def test_affine_landmarks_are_recovered(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-.5, .5, (50, 6))
    Y = (X @ rng.normal(size=(6, 6)) + rng.normal(size=6)).reshape(50, 3, 2)
    learn = np.where(rng.random((50, 3, 1)) < .7, Y, np.nan)
    np.testing.assert_allclose(regress(X, learn, X, lam=1e-13), Y, atol=1e-8)


@quick
@given(seeds, st.integers(0, 3), st.integers(1, 4))
def test_any_gaps_give_finite_scores_or_nan(seed, n_found, n_truth):
    rng = np.random.default_rng(seed)
    found, truth = shapes(rng, 45, n_found, n_truth, share=rng.random())
    truth[rng.random(truth.shape[:2]) < rng.random()] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row = scores(found, truth, n_labelled=20, repeats=2).row()
    assert np.isnan(row["forward"]) or row["forward"] >= 0
    assert 0 <= row["coverage"] <= 1


@quick
@given(seeds, st.integers(1, 3))
def test_low_rank_is_completed(seed, rank):
    rng = np.random.default_rng(seed)
    full = rng.normal(size=(80, rank)) @ rng.normal(size=(rank, 30))
    gaps = np.where(rng.random(full.shape) < .8, full, np.nan)
    filled = complete(gaps, tol=1e-5)
    assert np.linalg.norm(filled - full) < 1e-3 * np.linalg.norm(full)
    seen = ~np.isnan(gaps)
    np.testing.assert_array_equal(filled[seen], gaps[seen])


@quick
@given(seeds)
def test_names_of_classes_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-1, 6, 200), rng.integers(-1, 4, 200)
    names = np.append(rng.permutation(100)[:6], -1)
    first, second = cluster_agreement(a, b), cluster_agreement(names[a], b)
    np.testing.assert_allclose([first["nmi"], first["ari"]], [second["nmi"], second["ari"]], atol=1e-12)
    assert cluster_agreement(names[a], a)["nmi"] > 1 - 1e-12


@quick
@given(seeds, st.floats(0, 20))
def test_matches_are_one_to_one_and_within_the_radius(seed, radius):
    rng = np.random.default_rng(seed)
    image, xy, landmarks = rng.integers(0, 5, 60), rng.uniform(0, 50, (60, 2)), rng.uniform(0, 50, (5, 6, 2))
    landmarks[rng.random((5, 6)) < .2] = np.nan
    match = matched(image, xy, landmarks, radius)
    hit = match >= 0
    pairs = np.stack([image[hit], match[hit]], 1)
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert (np.linalg.norm(landmarks[image[hit], match[hit]] - xy[hit], axis=1) <= radius).all()
    found = detection_scores(image, xy, landmarks, radius)
    assert 0 <= found["f_measure"] <= max(found["precision"], found["recall"]) <= 1
    order = rng.permutation(60)
    np.testing.assert_array_equal(matched(image[order], xy[order], landmarks, radius), match[order])


@quick
@given(seeds)
def test_the_cumulative_error_distribution_never_falls(seed):
    x, y = ced(np.abs(np.random.default_rng(seed).normal(size=50)))
    assert (np.diff(y) >= 0).all() and 0 <= y[0] and y[-1] <= 1


@quick
@given(seeds, st.floats(.1, 1))
def test_merging_does_not_depend_on_the_numbering(seed, threshold):
    g = torch.Generator().manual_seed(seed)
    xy, score = torch.rand(40, 8, 2, generator=g) * 2, torch.rand(40, 8, generator=g)
    population, p = torch.randperm(8, generator=g), torch.randperm(8, generator=g)
    together = overlaps(xy, score)
    torch.testing.assert_close(overlaps(xy[:, p], score[:, p]), together[p][:, p])
    keeper = absorbers(together, population, threshold)
    assert torch.equal(keeper[keeper], keeper)
    assert (population[keeper] >= population).all()
    assert torch.equal(p[absorbers(together[p][:, p], population[p], threshold)], keeper[p])


def test_every_annotated_point_counts_in_the_nmi():
    "Also where landmarks are more than clusters: then several landmarks of a picture share one."
    rng, (N, L, M) = np.random.default_rng(0), (5, 6, 2)
    truth = Keypoints(torch.arange(N + 1) * L, torch.zeros(N * L, 2), descriptor=torch.from_numpy(rng.normal(size=(N * L, 4))).float())
    which, centroids = torch.arange(L).repeat(N), torch.from_numpy(rng.normal(size=(M, 4))).float()
    scores = cluster_scores(truth, which, centroids, SimpleNamespace(fields={"yaw": np.linspace(-90, 90, N)}))
    unit = F.normalize(truth.descriptor, dim=1)
    nearest = torch.cdist(unit, centroids).argmin(1)
    assert scores["scored_points"] == N * L and scores["nmi"] == cluster_agreement(nearest, which)["nmi"]


def test_landmarks_seldom_seen_are_left_out_of_the_released_columns():
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 50, (40, 3, 2))
    found = np.where(np.arange(40)[:, None, None] % 2 * (np.arange(3) == 2)[:, None], np.nan, xy)
    crops = SimpleNamespace(landmarks=xy, visible=None, normaliser=np.full(40, 50.), size=50)
    row = often_seen([found, found], crops, crops)
    assert row["K_80"] == 2 and row["forward_80"] == evaluate(found[:, :2], xy, found[:, :2], xy, crops.normaliser, 50).nme_forward
