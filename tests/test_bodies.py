"Rendered bodies: the same pictures whatever the workers, joints where the body is, left and right, and what hides what."
import numpy as np, pytest
from lmdisc import datasets
from lmdisc.datasets.rendered.bodies import (body_landmarks, body_model, draw_pose, dressed, landmarks_of, posed,
                                             render_body)

LEFT, RIGHT = ([i for i, n in enumerate(body_landmarks) if n.startswith(side)] for side in ("left", "right"))
FAR = [i for i, n in enumerate(body_landmarks) if n.endswith(("shoulder", "hip", "elbow"))]


@pytest.fixture(scope="module")
def model(): return body_model()

@pytest.fixture(scope="module")
def people(model): return [dressed(model, [5, 0, k]) for k in range(6)]

def shots(model, people, yaw): return [render_body(model, p, [5, 0, k, 1], 16, view=(yaw, 0, 0)) for k, p in enumerate(people)]


def test_same_pictures_whatever_the_workers(tmp_path):
    one = datasets.open("bodies", n_train=5, n_test=2, size=32, seed=3, cache=tmp_path/"a", workers=1)
    two = datasets.open("bodies", n_train=5, n_test=2, size=32, seed=3, cache=tmp_path/"b", workers=2)
    assert one.data_hash == two.data_hash
    for a, b in zip(one, two): np.testing.assert_array_equal(a, b)
    other = datasets.open("bodies", n_train=4, n_test=1, size=32, seed=4, cache=tmp_path/"a", workers=1)
    assert not np.array_equal(other[0], one[0])


def test_rows_belong_together(tmp_path):
    images = datasets.open("bodies", n_train=5, n_test=2, size=32, cache=tmp_path, workers=1)
    assert images.fields["identity"].tolist() == [0, 0, 0, 0, 1, 2, 2] and images.fields["split"].tolist() == ["train"] * 5 + ["test"] * 2
    assert images.landmarks.shape == (7, 14, 2) and images.visible.shape == (7, 14) and (images.normaliser > 0).all()
    assert len(datasets.open("bodies", n_train=0, n_test=1, size=32, cache=tmp_path, workers=1)) == 1


def test_joints_lie_in_the_box_and_the_box_in_the_picture(model, people):
    for yaw in (-120, 0, 75):
        for shot in shots(model, people, yaw):
            x0, y0, x1, y1 = shot["box"]
            assert -0.5 < x0 < x1 < 15.5 and -0.5 < y0 < y1 < 15.5
            assert (shot["landmarks"] > [x0 - 0.3, y0 - 0.3]).all() and (shot["landmarks"] < [x1 + 0.3, y1 + 0.3]).all()


def test_left_and_right_swap_from_behind(model, people):
    hips = [body_landmarks.index(f"{side}_hip") for side in ("left", "right")]
    for front, back in zip(shots(model, people, 0), shots(model, people, 180)):
        assert np.subtract(*front["landmarks"][hips, 0]) > 0 > np.subtract(*back["landmarks"][hips, 0])


def test_the_far_side_is_hidden_more_often(model, people):
    "At -90 degrees the left side faces the camera."
    for yaw, near, far in ((-90, LEFT, RIGHT), (90, RIGHT, LEFT)):
        seen = np.mean([s["visible"] for s in shots(model, people, yaw)], 0)
        assert seen[near].mean() > seen[far].mean() + 0.2
        assert seen[np.intersect1d(far, FAR)].mean() < 0.6 < 0.75 < seen[near].mean()


def test_from_front_and_behind_most_joints_show(model, people):
    for yaw in (0, 180): assert np.mean([s["visible"] for s in shots(model, people, yaw)]) > 0.75


def test_poses_keep_people_whole(model, people):
    "Bones keep their lengths, shoulders stay above hips, and no foot rises above the head."
    bone = lambda joints, a, b: np.linalg.norm(joints[body_landmarks.index(a)] - joints[body_landmarks.index(b)])
    for k in range(40):
        v = people[k % 6]["vertices"]
        before, after = landmarks_of(v), landmarks_of(posed(model, v, *draw_pose(np.random.default_rng(k))))
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            for side in ("left_", "right_"): assert bone(after, side + a, side + b) == pytest.approx(bone(before, side + a, side + b), rel=1e-3)
        z = dict(zip(body_landmarks, after[:, 2]))
        assert z["neck"] > max(z["left_hip"], z["right_hip"]) and z["head_top"] > max(z["left_ankle"], z["right_ankle"])


def test_signers_face_the_camera_and_move_their_arms(tmp_path):
    images = datasets.open("signing", n_train=16, n_test=4, size=32, cache=tmp_path, workers=1)
    xy, at = images.landmarks / images.normaliser[:, None, None], images.landmark_names.index
    assert (xy[:, at("left_shoulder"), 0] > xy[:, at("right_shoulder"), 0]).all()     # nobody is seen from behind
    still, moves = (np.linalg.norm((xy[:, at(n)] - xy[:, at("neck")]).std(0)) for n in ("left_shoulder", "left_wrist"))
    assert moves > 3 * still
    assert (images.landmarks > images.boxes[:, None, :2] - 1).all() and (images.landmarks < images.boxes[:, None, 2:] + 1).all()
    assert datasets.open("bodies", n_train=16, n_test=4, size=32, cache=tmp_path, workers=1).data_hash != images.data_hash
