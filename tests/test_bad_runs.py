"What may go wrong within a run: a clear message, or simply handled."
import json, os
from dataclasses import replace
import numpy as np, pytest, torch
from safetensors import SafetensorError
from sklearn.exceptions import NotFittedError
from safetensors.torch import save_file
from lmdisc.store import files
from lmdisc.method.clustering import kmeans, label_keypoints
from lmdisc.scores.completion import complete
from lmdisc.method.stage1 import detect_and_describe
from lmdisc.config import change
from lmdisc.discovery import correspondence_scores, discover
from lmdisc.scores.errors import score
from lmdisc.data.images import ImageSet
from lmdisc.data.points import Keypoints, Labels
from lmdisc.method.detector import LandmarkDetector
from lmdisc.method.stage2 import cluster_targets, learn_landmarks
from lmdisc.nets.networks import CorrespondenceNet, keep_channels, landmark_net
from lmdisc.store.files import load_state, save_state
from lmdisc.use.estimator import LandmarkDiscovery
from conftest import small_config

GREY = np.full((64, 64, 3), 128, np.uint8)

def grey_set(n=3): return ImageSet(lambda i: GREY, np.tile([5, 5, 58, 58], (n, 1)), data_hash="grey")

def labels_of(points, clusters):
    "`Labels` of N pictures from lists of points and of their clusters."
    counts = torch.tensor([0, *map(len, clusters)]).cumsum(0)
    flat = torch.tensor(sum(clusters, []), dtype=torch.long)
    return Labels(counts, torch.tensor(sum(points, []), dtype=torch.float).view(-1, 2), torch.ones(len(flat)), None, flat, torch.zeros(len(flat)))

# keypoints

def test_no_keypoints_at_all():
    with pytest.raises(ValueError, match="found 0 keypoints in 3 pictures, fewer than the 8 clusters"): discover(grey_set(), small_config())

def test_fewer_keypoints_than_clusters(heads_set):
    with pytest.raises(ValueError, match="fewer than the 100000 clusters.*smaller stage1.clusters"):
        discover(heads_set.take(range(3)), change(small_config(), {"stage1.clusters": 100_000}))

def test_grey_pictures_go_along(heads_set):
    "Two training pictures and a held-out one show nothing: they have no keypoints, and the others are learned from."
    grey = {0, 7, 30}
    found = discover(replace(heads_set, load=lambda i: GREY if i in grey else heads_set.load(i), data_hash="with grey"), small_config())
    assert found.start.keypoints.counts[[0, 7]].tolist() == [0, 0] and found.start.keypoints.n_images == 24
    assert found.found[0].shape == (24, found.detector.K, 2) and found.found[1].shape == (12, found.detector.K, 2)
    assert np.isfinite(found.scores.nme_forward)

def test_more_keypoints_than_clusters():
    g = torch.Generator().manual_seed(0)
    points = Keypoints(torch.tensor([0, 20, 20, 40]), torch.rand(40, 2, generator=g), torch.ones(40), torch.randn(40, 8, generator=g))
    labels = label_keypoints(points, kmeans(points.descriptor, 5), tolerance=torch.inf)
    assert labels.counts.tolist() == [5, 0, 5]
    assert sorted(labels.cluster[:5].tolist()) == [0, 1, 2, 3, 4]

def test_harvest_of_pictures_without_a_point(found):
    points = detect_and_describe(found_phi(found), found.train, None, torch.inf)
    assert len(points) == 0 and points.n_images == 24 and points.descriptor.shape[1] == found.config.net.descriptor

def found_phi(found):
    torch.manual_seed(0)
    return CorrespondenceNet(found.config.net)

# clusters

def learn(found, labels, n_clusters, **changes):
    "Stage 2 alone, four steps."
    stage = replace(found.config.stage2, steps=4, merge_from=2, merge_every=1, **changes)
    return learn_landmarks(found.train, cluster_targets(labels, n_clusters, stage), found_phi(found), stage, found.config.learning2)[:2]

def test_a_dead_cluster_leaves_no_landmark(found):
    "Cluster 1 of 3 has no point in any picture."
    labels = labels_of([[(20, 20), (40, 40)]] * 24, [[0, 2]] * 24)
    psi, history = learn(found, labels, 3)
    assert [h["landmarks"] for h in history][0] == 2 and 1 <= psi.K <= 2

def test_pictures_without_labels_are_not_trained_on(found):
    labels = labels_of([[(20, 20)]] + [[]] * 23, [[0]] + [[]] * 23)
    assert learn(found, labels, 2)[0].K == 1

def test_no_label_is_left(found):
    with pytest.raises(ValueError, match="no picture has a labelled point left"): learn(found, labels_of([[]] * 24, [[]] * 24), 3)

# landmarks

def test_no_landmark_at_all(found):
    "K = 0: the detector answers with nothing, the scores with the mean shape."
    psi = keep_channels(landmark_net(found_phi(found), 3), torch.zeros(0, dtype=torch.long))
    detector = LandmarkDetector(psi, found.config.data.size)
    none = [detector.predict(c)[0] for c in (found.train, found.test)]
    assert none[0].shape == (24, 0, 2)
    scores = score(*none, found.train, found.test)
    assert scores.n_landmarks == 0 and scores.nme_forward > 0 and np.isnan(scores.row()["backward"])

def test_landmarks_that_are_never_seen(found):
    nothing = [np.full((n, 3, 2), np.nan, np.float32) for n in (24, 12)]
    scores = score(*nothing, found.train, found.test)
    assert (scores.n_landmarks, scores.coverage) == (3, 0) and scores.nme_forward > 0

def test_a_landmark_never_seen_changes_no_forward_error(found):
    rng = np.random.default_rng(0)
    marks = [c.landmarks[:, :6] + rng.normal(size=(len(c), 6, 2)) for c in (found.train, found.test)]
    more = [np.concatenate([m, np.full((len(m), 1, 2), np.nan)], 1) for m in marks]
    assert score(*more, found.train, found.test).nme_forward == score(*marks, found.train, found.test).nme_forward

def test_svt_of_a_column_without_an_entry():
    X = np.random.default_rng(0).normal(size=(20, 6))
    X[:, 2] = np.nan
    with pytest.raises(ValueError, match="column"): complete(X)

@pytest.mark.parametrize("gap", ["points", "a landmark", "a picture"])
def test_gaps_in_annotations(found, gap):
    where = {"points": np.s_[::3, 4:9], "a landmark": np.s_[:, 5], "a picture": np.s_[2]}[gap]
    train, test = (replace(c, landmarks=c.landmarks.copy()) for c in (found.train, found.test))
    for c in (train, test): c.landmarks[where] = np.nan
    marks = [c.landmarks[:, 20:28] for c in (found.train, found.test)]
    scores, rounds = score(*marks, train, test), correspondence_scores(found_phi(found), found.correspondence.centroids, test)
    assert np.isfinite([scores.nme_forward, scores.nme_backward]).all() and np.isfinite(list(rounds.values())).all()

# files

def full_disk(monkeypatch):
    def save(tensors, path, metadata):
        path.write_bytes(b"half a file")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    monkeypatch.setattr(files, "save_file", save)

def test_others_may_read_what_is_written_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try: save_state(tmp_path/"a.safetensors", {"x": torch.ones(2)}, {})
    finally: os.umask(before)
    assert os.name == "nt" or (tmp_path/"a.safetensors").stat().st_mode & 0o777 == 0o640

def test_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path/"a.safetensors"
    save_state(path, {"x": torch.ones(2)}, {"step": 1})
    full_disk(monkeypatch)
    with pytest.raises(OSError, match="could not write .*a.safetensors: .*No space left.*; free some space"): save_state(path, {"x": torch.zeros(2)}, {"step": 2})
    assert load_state(path)[1] == {"step": 1} and [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]

def test_full_disk_stops_a_run_with_one_clear_line(heads_set, tmp_path, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(OSError, match="could not write .*keypoints-.*free some space"): discover(heads_set.take(range(3)), small_config(), tmp_path)
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} <= {"begun.json", "lock"}

@pytest.fixture
def saved(found, tmp_path):
    found.detector.save(tmp_path/"detector")
    return tmp_path/"detector"

def test_a_saved_detector_finds_the_same(found, saved):
    for a, b in zip(LandmarkDetector.load(saved).predict(found.test), found.detector.predict(found.test)): np.testing.assert_array_equal(a, b)

@pytest.mark.parametrize("spoil, message", [
    (lambda d: (d/"weights.safetensors").write_bytes(b"\x80\x04 a pickle, say"), "weights.safetensors is no file of lmdisc's"),
    (lambda d: (d/"weights.safetensors").write_bytes((d/"weights.safetensors").read_bytes()[:-100]), "weights.safetensors is no file of lmdisc's"),
    (lambda d: save_file({"x": torch.ones(1)}, d/"weights.safetensors"), "weights.safetensors is no file of lmdisc's"),
    (lambda d: save_state(d/"weights.safetensors", {"x": torch.ones(1)}, {}), "weights.safetensors does not fit detector.json"),
    (lambda d: (d/"detector.json").write_text("{not json"), "detector.json is not the record of a detector"),
    (lambda d: (d/"detector.json").write_text('{"what": "something else"}'), "detector.json is not the record of a detector"),
    (lambda d: (d/"detector.json").write_text(json.dumps(json.loads((d/"detector.json").read_text()) | {"K": 99, "names": [""] * 99})), "does not fit"),
], ids="pickle cut foreign other-network no-json other-json other-K".split())
def test_a_detector_that_is_not_what_it_claims(saved, spoil, message):
    spoil(saved)
    with pytest.raises(ValueError, match=message): LandmarkDetector.load(saved)

@pytest.mark.parametrize("name", ["detector.json", "weights.safetensors"])
def test_half_a_detector(saved, name):
    (saved/name).unlink()
    with pytest.raises(FileNotFoundError, match=name): LandmarkDetector.load(saved)

def test_crops_of_another_size(found, heads_set):
    with pytest.raises(ValueError, match="crops are 32 px, but this detector was trained on 64"): found.detector.predict(heads_set.crops(32, progress=False))

def test_crops_and_pictures_agree(found, heads_set):
    few = heads_set.take(range(24, 30))
    in_image, _ = found.detector.predict(few)
    in_crop, _ = found.detector.predict(few.crops(64, progress=False))
    np.testing.assert_allclose(in_image, few.crops(64, progress=False).to_image(in_crop, np.arange(6)), atol=1e-2)

# choices

@pytest.mark.parametrize("path, value", [("seed", -1), ("seed", 2**32), ("data.n_images", -5), ("data.n_images", "20"), ("data.size", 0), ("data.size", 10**6),
                                         ("stage1.clusters", 0), ("stage1.clusters", 2.5), ("stage2.steps", -1), ("stage2.batch", 0), ("learning2.lr", float("nan"))])
def test_numbers_that_no_run_can_use(path, value):
    with pytest.raises(ValueError, match=f"{path} is .*number of at least .* is needed"): change(small_config(), {path: value})

@pytest.mark.parametrize("ask", ["predict", "predict_frame", "pose_frame", "transform", "score"])
def test_an_estimator_that_is_not_fitted_says_so(heads_set, ask):
    with pytest.raises(NotFittedError): getattr(LandmarkDiscovery("smoke"), ask)(heads_set)
    with pytest.raises(NotFittedError): LandmarkDiscovery("smoke").get_feature_names_out()

def test_unknown_parameters_change_nothing():
    one = LandmarkDiscovery("smoke")
    with pytest.raises(ValueError, match="no choice 'profil'"): type(one)(profil="smoke")
    with pytest.raises(ValueError, match="no choice 'clusterz'"): one.set_params(seed=3, stage1__clusterz=3)
    assert one.get_params() == LandmarkDiscovery("smoke").get_params()

# files

@pytest.mark.parametrize("variable", ["LMDISC_CACHE", "LMDISC_RUNS", None])
def test_a_file_in_the_way_of_a_folder_is_named_with_the_way_out(heads_set, tmp_path, monkeypatch, variable):
    (tmp_path/"file").write_text("in the way")
    place = tmp_path/"file"/"deeper"
    if variable: monkeypatch.setenv(variable, str(place))
    way_out = f"set {variable} to another folder" if variable else "choose another"
    for work in (lambda: files.whole_file(place/"a.csv").__enter__(), lambda: files.whole_folder(place/"project", "a project").__enter__(),
                 lambda: discover(heads_set, small_config(), place)):
        with pytest.raises(OSError, match=f"cannot write to the folder .*deeper.*: Not a directory; {way_out}$") as said: work()
        assert "\n" not in str(said.value)

@pytest.mark.parametrize("write", ["file", "folder"])
def test_messages_name_the_file_that_was_wanted(tmp_path, write):
    "The name fits, the longer one beside it does not."
    wanted = tmp_path/("x" * 250)
    with pytest.raises(OSError) as e:
        with getattr(files, f"whole_{write}")(wanted, *["a project"] * (write == "folder")) as part: part.write_text("")
    assert "; choose another" in e.value.strerror and e.value.filename == str(wanted)

def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path/"points.csv").mkdir()
    with pytest.raises(IsADirectoryError) as e:
        with files.whole_file(tmp_path/"points.csv") as part: part.write_text("")
    assert e.value.filename == str(tmp_path/"points.csv") and not list(tmp_path.glob("*.tmp"))
