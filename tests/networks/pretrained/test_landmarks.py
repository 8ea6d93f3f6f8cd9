from collections.abc import Iterator

import numpy as np
import pytest
import torch

from swaplab.faces.alignment import Alignment, five_points
from swaplab.networks.pretrained import landmarks
from swaplab.networks.pretrained.landmarks import MEAN_COLOUR, SIDE, Landmarker, LandmarkNet, boxes
from swaplab.randomness import generator_at
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import render
from swaplab.synthetic.states import FrameState

Array = np.ndarray


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return Landmarker()


def correlated(x: Array, kernel: Array, stride: int, depthwise: bool) -> Array:
    """TensorFlow's ``same`` convolution by explicit sums over taps: the odd zero of the padding comes after."""
    size, width = x.shape[-1], kernel.shape[-1]
    steps = -(-size // stride)
    missing = max((steps - 1) * stride + width - size, 0)
    x = np.pad(x, ((0, 0), (missing // 2, missing - missing // 2), (missing // 2, missing - missing // 2)))
    total = np.zeros((len(kernel), steps, steps))
    for i in range(width):
        for j in range(width):
            shown = x[:, i : i + stride * (steps - 1) + 1 : stride, j : j + stride * (steps - 1) + 1 : stride]
            tap = kernel[:, :, i, j]
            total += shown * tap[:, :, None] if depthwise else np.einsum("oc,chw->ohw", tap, shown)
    return total


def reference(state: dict[str, Array], box: Array) -> Array:
    """The network of one RGB box (3, 112, 112) in [0, 1], written once more from the description."""

    def separable(x: Array, name: str, stride: int) -> Array:
        x = correlated(x, state[f"{name}.depthwise.weight"], stride, depthwise=True)
        x = correlated(x, state[f"{name}.pointwise.weight"], 1, depthwise=False)
        return x + state[f"{name}.pointwise.bias"][:, None, None]

    x = (255 * box - np.array(MEAN_COLOUR)[:, None, None]) / 255
    for block in range(4):
        name = f"dense{block}.conv"
        if block:
            first = separable(x, f"{name}0", 2)
        else:
            first = correlated(x, state["dense0.conv0.weight"], 2, depthwise=False)
            first = first + state["dense0.conv0.bias"][:, None, None]
        outputs = [np.maximum(first, 0)]
        for k in (1, 2, 3):
            outputs.append(separable(np.maximum(sum(outputs), 0), f"{name}{k}", 1))
        x = np.maximum(sum(outputs), 0)
    assert x.shape == (256, 7, 7)
    return (state["coordinates.weight"] @ x.mean((1, 2)) + state["coordinates.bias"]).reshape(68, 2)


@torch.no_grad()
def test_network_matches_explicit_sums(landmarker: Landmarker) -> None:
    box = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    state = {name: value.double().numpy() for name, value in landmarker.network.state_dict().items()}
    expected = [reference(state, one.double().numpy()) for one in box]
    np.testing.assert_allclose(landmarker.network(box).numpy(), expected, atol=2e-5)


def shots(names: tuple[str, ...] = ("A", "B"), count: int = 40) -> Iterator[tuple[str, FrameState]]:
    """Frames of both people in every pose and with jaws and lids in every position."""
    for name in names:
        for index in range(count):
            g = generator_at(7, "landmark test", name, index)
            jaw, lids = (float(value) for value in g.uniform((0, 0), (0.7, 1)))
            expression = {"jawOpen": jaw, "eyeBlinkLeft": lids, "eyeBlinkRight": lids}
            yaw, pitch, roll = (float(angle) for angle in g.uniform((-25, -10, -10), (25, 10, 10)))
            yield name, FrameState(expression=expression, yaw=yaw, pitch=pitch, roll=roll)


@pytest.fixture(scope="module", params=[64, 160])
def rendered(request: pytest.FixtureRequest) -> tuple[Alignment, Array, Array, list[str]]:
    """Stored crops, their exact landmarks in crop pixels and whose they are."""
    alignment = Alignment(request.param)
    crops, points, names = [], [], []
    for name, state in shots(count=40 if request.param == 64 else 12):
        frame = render(person(name), state, 2 * request.param)
        matrix = alignment.matrix(five_points(frame.landmarks))
        crops.append(alignment.cut(frame.image, matrix))
        points.append(frame.landmarks @ matrix[:, :2].T + matrix[:, 2])
        names.append(name)
    return alignment, np.stack(crops), np.stack(points), names


def error(found: Array, true: Array) -> Array:
    """Mean distance of the points of each face, in units of the distance of its outer eye corners."""
    return np.linalg.norm(found - true, axis=2).mean(1) / np.linalg.norm(true[:, 36] - true[:, 45], axis=1)


def test_rendered_landmarks_are_found(
    landmarker: Landmarker, rendered: tuple[Alignment, Array, Array, list[str]]
) -> None:
    alignment, crops, points, names = rendered
    errors = error(landmarker(crops, alignment.border), points)
    for name in ("A", "B"):
        assert np.median(errors[np.array(names) == name]) < 0.08
    regions = torch.from_numpy(alignment.region_of(crops).transpose(0, 3, 1, 2).copy()).float() / 255
    from_region = landmarker.landmarks(regions).numpy() + alignment.border
    assert np.median(error(from_region, points)) < 0.08


def test_an_opened_mouth_is_seen(landmarker: Landmarker, rendered: tuple[Alignment, Array, Array, list[str]]) -> None:
    alignment, crops, points, names = rendered

    def gap(found: Array) -> Array:
        return np.linalg.norm(found[:, 61:64].mean(1) - found[:, 65:68].mean(1), axis=1)

    found = landmarker(crops, alignment.border)
    for name in ("A", "B"):
        own = np.array(names) == name
        assert np.corrcoef(gap(found[own]), gap(points[own]))[0, 1] > 0.85


@pytest.mark.parametrize(("side", "border"), [(96, 16), (64, 0), (240, 40)])
def test_box_is_the_square_that_coordinates_refer_to(
    monkeypatch: pytest.MonkeyPatch, landmarker: Landmarker, side: int, border: int
) -> None:
    """A spot in the face appears in the box where the network's answer would be taken back to that spot."""
    where = torch.tensor([0.37, 0.55]) * (side - 1)
    y, x = torch.meshgrid(*[torch.arange(side) - float(c) for c in where], indexing="ij")
    face = torch.exp(-(x**2 + y**2) / (0.04 * side) ** 2).expand(1, 3, side, side)

    class Spot(LandmarkNet):
        def forward(self, box: torch.Tensor) -> torch.Tensor:
            weight = box[:, 0] / box[:, 0].sum()
            centres = (torch.arange(SIDE) + 0.5) / SIDE
            spot = torch.stack([(weight.sum(1) * centres).sum(1), (weight.sum(2) * centres).sum(1)], 1)
            return spot[:, None].expand(-1, 68, 2)

    monkeypatch.setattr(landmarker, "network", Spot())
    assert boxes(face, border).shape == (1, 3, SIDE, SIDE)
    found = landmarker.landmarks(face, border)[0, 0]
    assert found.tolist() == pytest.approx([float(where[1]), float(where[0])], abs=0.05)


def test_batches_do_not_matter_and_none_is_none(monkeypatch: pytest.MonkeyPatch, landmarker: Landmarker) -> None:
    faces = generator_at(0, "faces").integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
    at_once = landmarker(faces, 16)
    monkeypatch.setattr(landmarks, "BATCH", 2)
    np.testing.assert_allclose(landmarker(faces, 16), at_once, atol=1e-3)
    assert landmarker(faces[:0], 16).shape == (0, 68, 2)
    assert at_once.dtype == np.float64


def test_building_it_moves_no_global_generator() -> None:
    before = torch.get_rng_state()
    Landmarker()
    assert torch.equal(before, torch.get_rng_state())
