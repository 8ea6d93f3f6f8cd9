import numpy as np
import pytest

from swaplab.synthetic.mesh import LEFT_EYE, RIGHT_EYE, head


def test_the_eyes_of_every_shape_are_at_the_origin() -> None:
    for shape in ({}, {"head-square": 0.5}, {"caucasian-male-old": 1.0, "nose-hump-incr": 0.5}):
        vertices = head().shaped(shape)
        eyes = np.isin(head().vertex_part, (LEFT_EYE, RIGHT_EYE))
        np.testing.assert_allclose(vertices[eyes].mean(0), 0, atol=1e-5)


def test_expressions_add_up_and_leave_the_eyeballs() -> None:
    units = {"jawOpen": 0.5, "mouthSmileLeft": 1.0, "eyeLookDownLeft": 1.0}
    together = head().expression(units)
    apart = sum(weight * head().expression({unit: 1.0}) for unit, weight in units.items())
    np.testing.assert_allclose(together, apart, atol=1e-6)
    eyes = np.isin(head().vertex_part, (LEFT_EYE, RIGHT_EYE))
    assert np.abs(together[~eyes]).max() > 0.05
    assert np.abs(together[eyes]).max() == 0


def test_there_are_52_units_and_no_other() -> None:
    assert len(head().units) == 52
    with pytest.raises(KeyError, match="smirk"):
        head().expression({"smirk": 1.0})


def test_normals_match_a_loop() -> None:
    mesh = head()
    expected = np.zeros(mesh.rest.shape)
    for a, b, c in mesh.triangles:
        expected[[a, b, c]] += np.cross(mesh.rest[b] - mesh.rest[a], mesh.rest[c] - mesh.rest[a])
    used = mesh.vertex_part >= 0
    expected = expected[used] / np.linalg.norm(expected[used], axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.normals(mesh.rest)[used], expected, atol=1e-3)


def test_no_two_landmarks_are_one_vertex() -> None:
    assert len(set(head().landmarks.tolist())) == 68
