import cv2
import numpy as np
import pytest
import torch

from swaplab.faces.alignment import similarity
from swaplab.metrics.geometry import (
    EYES,
    MOUTH,
    distance,
    head_angles,
    head_rotation,
    interocular,
    laid_over,
    mean_head,
    opening,
    turn_between,
)
from swaplab.randomness import generator_at
from swaplab.synthetic.mesh import head
from swaplab.synthetic.rendering import _rotation
from swaplab.synthetic.states import FrameState

POSES = [(0, 0, 0), (30, 0, 0), (0, 12, 0), (0, 0, -15), (-25, 8, 11), (18, -10, -7)]
TO_IMAGE = np.diag([1.0, -1.0, -1.0])


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The renderer's own rotation of a pose, in the axes of an image."""
    rotation = _rotation(FrameState(yaw=yaw, pitch=pitch, roll=roll)).astype(np.float64)
    return TO_IMAGE @ rotation @ TO_IMAGE


def viewed(pose: tuple[float, float, float], focal: float = 1e6) -> torch.Tensor:
    """Landmarks (1, 68, 2) of the mean head in a pose, by OpenCV's projection from ``focal`` head units away."""
    vector, _ = cv2.Rodrigues(turned(*pose))
    camera = np.array([[20 * focal, 0, 32], [0, 20 * focal, 30], [0, 0, 1.0]])
    found, _ = cv2.projectPoints(mean_head().numpy(), vector, np.array([0.0, 0.0, focal]), camera, None)
    return torch.from_numpy(found[:, 0])[None]


def test_mean_head_is_that_of_the_mesh() -> None:
    expected = head().rest[head().landmarks].astype(np.float64) @ TO_IMAGE
    np.testing.assert_allclose(mean_head().numpy(), expected - expected.mean(0), atol=1e-4)


@pytest.mark.parametrize("pose", POSES)
def test_pose_seen_from_afar_is_found_with_the_renderers_signs(pose: tuple[float, float, float]) -> None:
    rotation = head_rotation(viewed(pose))
    np.testing.assert_allclose(rotation[0].numpy(), turned(*pose), atol=1e-4)
    assert head_angles(rotation)[0].tolist() == pytest.approx(pose, abs=0.01)


@pytest.mark.parametrize("pose", POSES)
def test_perspective_of_a_portrait_costs_few_degrees(pose: tuple[float, float, float]) -> None:
    assert head_angles(head_rotation(viewed(pose, focal=9)))[0].tolist() == pytest.approx(pose, abs=7)


def test_turn_is_the_angle_of_one_rotation() -> None:
    one, other = (torch.from_numpy(turned(*pose))[None] for pose in (POSES[4], POSES[5]))
    vector, _ = cv2.Rodrigues((one[0] @ other[0].T).numpy())
    assert float(turn_between(one, other)[0]) == pytest.approx(np.degrees(np.linalg.norm(vector)), rel=1e-5)
    assert float(turn_between(one, one)[0]) == pytest.approx(0, abs=1e-4)


def test_laid_over_is_umeyamas_similarity_of_each_face() -> None:
    faces, references = generator_at(0, "points").normal(size=(2, 3, 68, 2))
    faces = faces + 0.5 * references + 7
    found = laid_over(torch.from_numpy(faces), torch.from_numpy(references)).numpy()
    for face, reference, actual in zip(faces, references, found, strict=True):
        matrix = similarity(face, reference)
        np.testing.assert_allclose(actual, face @ matrix[:, :2].T + matrix[:, 2], atol=1e-9)


def test_a_moved_turned_and_scaled_face_lies_on_itself() -> None:
    face = torch.from_numpy(generator_at(1, "points").normal(size=(2, 68, 2)))
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    assert float(distance(laid_over(3 * face @ quarter + 5, face), face).max()) < 1e-9
    mirrored = face * torch.tensor([-1.0, 1.0], dtype=torch.float64)
    assert float(distance(laid_over(mirrored, face), face).min()) > 0.1


def test_openings_and_unit_are_those_of_the_right_points() -> None:
    neutral = viewed((0, 0, 0))
    lowered = neutral.clone()
    lowered[:, 65:68, 1] += 3  # the lower inner lip
    assert float(opening(lowered, MOUTH) - opening(neutral, MOUTH)) == pytest.approx(3, abs=0.1)
    assert float(opening(lowered, EYES) - opening(neutral, EYES)) == 0
    shut = neutral.clone()
    for upper, lower in zip(*EYES, strict=True):
        shut[:, upper] = shut[:, lower]
    assert float(opening(shut, EYES)) == 0
    assert float(interocular(neutral)) == pytest.approx(float((neutral[0, 36] - neutral[0, 45]).norm()))
