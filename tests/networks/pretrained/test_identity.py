from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from swaplab.errors import UserError
from swaplab.faces.alignment import FIVE_POINTS, Alignment, five_points
from swaplab.networks.pretrained import identity
from swaplab.networks.pretrained.identity import (
    CHIP,
    FaceRecognitionResNet,
    IdentityEmbedder,
    Residual,
    face_chips,
)
from swaplab.networks.pretrained.weights import dequantised, shipped_weights
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import render
from swaplab.synthetic.states import FrameState

# What dlib 20.0.1 itself (face_recognition_model_v1, unquantised weights) answers for `drawn_face(150)`.
DLIB_DESCRIPTOR = np.loadtxt(Path(__file__).with_name("dlib_descriptor.txt")).ravel()

STORED = [-0.09431, 0.06237, 0.01764, -0.09361]  # first numbers of the descriptor of `drawn_face(64)`


@pytest.fixture(scope="module")
def embedder() -> IdentityEmbedder:
    return IdentityEmbedder()


def drawn_face(side: int) -> torch.Tensor:
    """A face of Gaussian blobs (1, 3, side, side), 8-bit levels in [0, 1]."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side

    def blob(cx: float, cy: float, w: float, h: float) -> np.ndarray:
        return np.exp(-(((x - cx) / w) ** 2) - ((y - cy) / h) ** 2)

    skin = blob(0.5, 0.5, 0.33, 0.45)
    dark = blob(0.32, 0.31, 0.07, 0.04) + blob(0.67, 0.31, 0.07, 0.04)
    dark = dark + 0.6 * blob(0.5, 0.78, 0.14, 0.03) + 0.4 * blob(0.5, 0.58, 0.05, 0.03)
    face = np.stack([0.3 + 0.55 * skin, 0.28 + 0.4 * skin, 0.3 + 0.28 * skin]) * (1 - 0.8 * np.clip(dark, 0, 1))
    return torch.from_numpy(np.round(face * 255) / 255).float()[None]


def test_descriptor_is_that_of_dlib_up_to_eight_bit_weights(embedder: IdentityEmbedder) -> None:
    with torch.inference_mode():
        ours = embedder.network(drawn_face(CHIP))[0].numpy()
    # 0.6 separates two people; weights that are read wrongly end far above 0.1.
    assert np.linalg.norm(ours - DLIB_DESCRIPTOR) < 0.05


def test_descriptor_of_a_region_stays_as_it_was(embedder: IdentityEmbedder) -> None:
    with torch.inference_mode():
        first = embedder(drawn_face(64))[0, :4].numpy()
    np.testing.assert_allclose(first, STORED, atol=2e-4)


def test_every_layer_has_the_size_of_dlibs_network() -> None:
    def conv(inputs: int, outputs: int, kernel: int = 3) -> int:
        return inputs * outputs * kernel**2 + 3 * outputs  # kernel, bias, scale, offset

    widths = [(32, 32)] * 3 + [(32, 64)] + [(64, 64)] * 3 + [(64, 128)] + [(128, 128)] * 2
    widths += [(128, 256)] + [(256, 256)] * 3
    expected = conv(3, 32, 7) + sum(conv(a, b) + conv(b, b) for a, b in widths) + 256 * 128
    assert sum(p.numel() for p in FaceRecognitionResNet().parameters()) == expected == 5_614_592


def explicit_convolution(x: np.ndarray, layer: torch.nn.Module, stride: int, padding: int) -> np.ndarray:
    kernel, bias = layer.conv.weight.numpy(), layer.conv.bias.numpy()
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    height, width = ((n - 3) // stride + 1 for n in x.shape[1:])
    y = np.empty((len(kernel), height, width))
    for i in range(height):
        for j in range(width):
            patch = x[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
            y[:, i, j] = (kernel * patch).sum((1, 2, 3)) + bias
    return y * layer.scale.weight.numpy()[:, None, None] + layer.scale.bias.numpy()[:, None, None]


@pytest.mark.parametrize(("inputs", "outputs", "down", "side"), [(4, 4, False, 7), (3, 6, True, 9), (4, 4, True, 8)])
@torch.no_grad()
def test_residual_block_matches_explicit_sums(inputs: int, outputs: int, down: bool, side: int) -> None:
    generator = torch.Generator().manual_seed(0)
    block = Residual(inputs, outputs, down=down).double()
    for parameter in block.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    x = torch.randn(1, inputs, side, side, generator=generator, dtype=torch.float64)

    new = np.maximum(explicit_convolution(x[0].numpy(), block.conv1, 2 if down else 1, 0 if down else 1), 0)
    new = explicit_convolution(new, block.conv2, 1, 1)
    old = x[0].numpy()
    if down:
        half = side // 2
        old = old[:, : 2 * half, : 2 * half].reshape(inputs, half, 2, half, 2).mean((2, 4))
    expected = np.zeros([max(a, b) for a, b in zip(new.shape, old.shape, strict=True)])
    expected[:, : new.shape[1], : new.shape[2]] += new
    expected[: old.shape[0], : old.shape[1], : old.shape[2]] += old
    np.testing.assert_allclose(block(x)[0].numpy(), np.maximum(expected, 0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_chip_puts_the_eyes_where_dlib_wants_them(side: int) -> None:
    y, x = (torch.from_numpy(np.mgrid[:side, :side]) + 0.5) / side
    for (eye_x, eye_y), (chip_x, chip_y) in zip(FIVE_POINTS[:2], ((0.3182, 0.3143), (0.6685, 0.3142)), strict=True):
        spot = torch.exp(-((x - eye_x) ** 2 + (y - eye_y) ** 2) / 0.04**2)[None, None].float()
        chip = face_chips(spot)[0, 0].double()
        assert chip.shape == (CHIP, CHIP)
        centre = (torch.arange(CHIP) + 0.5) / CHIP
        assert float((chip.sum(0) * centre).sum() / chip.sum()) == pytest.approx(chip_x, abs=0.003)
        assert float((chip.sum(1) * centre).sum() / chip.sum()) == pytest.approx(chip_y, abs=0.003)


def test_descriptor_hardly_depends_on_the_regions_resolution(embedder: IdentityEmbedder) -> None:
    with torch.inference_mode():
        small, large = embedder(drawn_face(96)), embedder(F.interpolate(drawn_face(384), 256, mode="area"))
    assert float((small - large).norm()) < 0.1


def test_two_rendered_people_are_told_apart(embedder: IdentityEmbedder) -> None:
    alignment = Alignment(64)
    states = [FrameState(yaw=yaw, expression=said) for yaw, said in ((-15, {}), (0, {"jawOpen": 0.5}), (15, {}))]
    found = []
    for who in (person("A"), person("B")):
        frames = [render(who, state, 128) for state in states]
        crops = [alignment.cut(f.image, alignment.matrix(five_points(f.landmarks))) for f in frames]
        regions = torch.from_numpy(alignment.region_of(np.stack(crops)).transpose(0, 3, 1, 2).copy()).float() / 255
        found.append(embedder(regions))
    within = max(float(torch.pdist(descriptors).max()) for descriptors in found)
    assert within < 0.55 < 0.6 < float(torch.cdist(*found).min())


def test_gradient_reaches_the_face_and_not_the_weights(embedder: IdentityEmbedder) -> None:
    face = drawn_face(64).requires_grad_()
    embedder(face)[0, 0].backward()
    assert face.grad is not None
    assert float(face.grad[:, :, 20:44, 20:44].abs().min(1).values.mean()) > 0
    assert all(p.grad is None for p in embedder.parameters())
    step = 1e-2 * face.grad / face.grad.norm()
    with torch.no_grad():
        change = embedder(face + step)[0, 0] - embedder(face - step)[0, 0]
    assert float(change) == pytest.approx(2e-2 * float(face.grad.norm()), rel=0.05)


def test_building_it_moves_no_global_generator() -> None:
    before = torch.get_rng_state()
    IdentityEmbedder()
    assert torch.equal(before, torch.get_rng_state())


def test_damaged_weights_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"face_recognition\.safetensors are damaged.*reinstall swaplab"):
        shipped_weights(identity.WEIGHTS, "0" * 64)
    with pytest.raises(UserError, match=r"nobody\.safetensors are missing"):
        shipped_weights("nobody.safetensors", "0" * 64)


def test_dequantisation_is_scale_and_minimum() -> None:
    values = torch.tensor([0, 1, 255], dtype=torch.uint8)
    actual = dequantised(values, torch.tensor([0.5, -3.0], dtype=torch.float64))
    assert actual.tolist() == [-3.0, -2.5, 124.5]
    assert actual.dtype == torch.float32
