"""Masks from landmarks, against the renderer's true masks and a slow point-in-polygon test."""

import numpy as np
import pytest

from swaplab.faces.alignment import Points
from swaplab.faces.faceset import MASKS
from swaplab.faces.hull import face_masks, hull_mask
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import Rendering, render
from swaplab.synthetic.states import FrameState


@pytest.fixture(scope="module", params=[("A", 0), ("B", 25)])
def rendering(request: pytest.FixtureRequest) -> Rendering:
    name, yaw = request.param
    return render(person(name), FrameState({"jawOpen": 0.4}, yaw=yaw), 160)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    a, b = first > 127, second > 127
    return float((a & b).sum() / (a | b).sum())


def test_the_masks_are_those_of_the_face(rendering: Rendering) -> None:
    masks = face_masks(rendering.landmarks, 160)
    assert (masks.shape, masks.dtype) == ((160, 160, len(MASKS)), np.uint8)
    for name, least in (("face", 0.85), ("eyes", 0.5), ("mouth", 0.75)):
        channel = MASKS.index(name)
        assert overlap(masks[..., channel], rendering.masks[..., channel]) > least, name
    assert not masks[..., MASKS.index("occluder")].any()


def test_the_hull_is_the_hull(rendering: Rendering) -> None:
    landmarks = rendering.landmarks
    mask = hull_mask(landmarks, (160, 160, 3))
    lifted = landmarks[17:27] + 0.5 * (landmarks[17:27].mean(0) - landmarks[30])
    points = np.concatenate([landmarks, lifted])
    distance = signed_distance(points, 160)
    assert (mask[distance > 1] == 255).all()
    assert (mask[distance < -1] == 0).all()
    assert (mask[(distance > -1) & (distance < 1)] > 0).any()


def signed_distance(points: Points, side: int) -> np.ndarray:
    """Distance of every pixel to the nearest edge line of the points' convex hull, positive inside; slow."""
    y, x = np.mgrid[0:side, 0:side]
    nearest = np.full((side, side), np.inf)
    for i, start in enumerate(points):
        for j, end in enumerate(points):
            along = end - start
            if i == j or not np.linalg.norm(along):
                continue
            normal = np.array([-along[1], along[0]]) / np.linalg.norm(along)
            if ((points - start) @ normal >= -1e-9).all():
                nearest = np.minimum(nearest, (x - start[0]) * normal[0] + (y - start[1]) * normal[1])
    return nearest


def test_a_hull_may_leave_the_picture(rendering: Rendering) -> None:
    whole = hull_mask(rendering.landmarks, (160, 160))
    moved = hull_mask(rendering.landmarks - [70, 0], (160, 160))
    np.testing.assert_allclose(moved[:, :80].astype(int), whole[:, 70:150], atol=20)
    assert not hull_mask(rendering.landmarks + 500, (160, 160)).any()
