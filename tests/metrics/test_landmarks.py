"""On rendered people, whose pose and expression are known: a true swap keeps them, a frozen face does not."""

import numpy as np
import pytest
import torch

from swaplab.faces.alignment import Alignment, five_points
from swaplab.metrics.geometry import head_angles, head_rotation
from swaplab.metrics.landmarks import QueryLandmarks, correlated
from swaplab.networks.pretrained.landmarks import Landmarker
from swaplab.randomness import generator_at
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import render, true_swap
from swaplab.synthetic.states import FrameState

FRAMES = 30
NAME = Landmarker.name
ALIGNMENT = Alignment(64)


def states() -> list[FrameState]:
    found = []
    for index in range(FRAMES):
        g = generator_at(11, "kept", index)
        yaw, pitch, roll = (float(angle) for angle in g.uniform((-25, -9, -10), (25, 9, 10)))
        jaw, lids = (float(value) for value in g.uniform((0, 0), (0.7, 1)))
        expression = {"jawOpen": jaw, "eyeBlinkLeft": lids, "eyeBlinkRight": lids}
        found.append(FrameState(yaw=yaw, pitch=pitch, roll=roll, expression=expression))
    return found


def region(frame: object) -> np.ndarray:
    matrix = ALIGNMENT.matrix(five_points(frame.landmarks))  # type: ignore[attr-defined]
    return ALIGNMENT.region_of(ALIGNMENT.cut(frame.image, matrix))  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def faces() -> dict[str, torch.Tensor]:
    """Regions (n, 3, 64, 64) of A and, in the same states, of B."""
    shown = {
        "A": [region(render(person("A"), state, 128)) for state in states()],
        "B": [region(true_swap(state, person("B"), 128)) for state in states()],
    }
    return {name: torch.from_numpy(np.stack(f)).permute(0, 3, 1, 2).float() / 255 for name, f in shown.items()}


@pytest.fixture(scope="module")
def query(faces: dict[str, torch.Tensor]) -> QueryLandmarks:
    return QueryLandmarks.of(Landmarker(), faces["A"])


def means(query: QueryLandmarks, answer: torch.Tensor) -> dict[str, float]:
    measured = query.measure(answer)
    assert {len(values) for values in measured.values()} == {FRAMES}
    return {name.removesuffix(f"[{NAME}]"): float(values.mean()) for name, values in measured.items()}


def test_a_copy_differs_in_nothing(query: QueryLandmarks, faces: dict[str, torch.Tensor]) -> None:
    for name, value in means(query, faces["A"]).items():
        assert value == pytest.approx(1 if name.endswith("correlation") else 0, abs=1e-3)


def test_true_swap_keeps_what_a_frozen_face_does_not(query: QueryLandmarks, faces: dict[str, torch.Tensor]) -> None:
    true = means(query, faces["B"])
    frozen = means(query, faces["B"].mean(0).expand_as(faces["B"]))
    other = means(query, faces["B"].roll(FRAMES // 2, 0))
    for name in ("landmark_distance", "landmark_distance_aligned", "pose_difference", "yaw_difference"):
        assert true[name] < 0.6 * min(frozen[name], other[name])
    assert true["pose_difference"] < 6
    assert true["yaw_difference"] < 3
    assert true["yaw_correlation"] > 0.95
    assert true["mouth_correlation"] > 0.8
    assert true["pitch_correlation"] > 0.6
    assert true["eye_correlation"] > 0.3
    for name in ("yaw", "pitch", "mouth", "eye"):
        assert frozen[f"{name}_correlation"] == 0
        assert abs(other[f"{name}_correlation"]) < 0.5


def test_angles_are_the_rendered_ones(query: QueryLandmarks) -> None:
    found = head_angles(head_rotation(query.points)).numpy()
    yaw, pitch = (np.array([getattr(state, axis) for state in states()]) for axis in ("yaw", "pitch"))
    assert np.corrcoef(found[:, 0], yaw)[0, 1] > 0.97
    assert np.abs(found[:, 0] - yaw).mean() < 4
    assert np.corrcoef(found[:, 1], pitch)[0, 1] > 0.7


def test_values_average_to_pearsons_correlation() -> None:
    x, y = torch.from_numpy(generator_at(0, "x").normal(size=(2, 50)))
    y = y - 3 * x
    found = correlated(x, 100 * y + 7)
    assert float(found.mean()) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert float(correlated(x, 2 * x + 1).min()) == pytest.approx(1)
    assert float(found.max()) <= 1
    assert correlated(x, y * 1e-9).abs().max() == 0
