"""Reconstruction, edge and eye losses against slow loops in NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.edge import Edge, Eyes, EyesEdge, resized
from swaplab.losses.reconstruction import MSSSIM, SSIM, Auxiliary, FocalFrequency, Gradient, ReconstructionLoss, strided
from swaplab.losses.settings import StepSettings
from swaplab.losses.similarity import multi_scale_similarity, scales_of
from swaplab.networks.protocols import SwapOutput

Picture = np.ndarray


class Fixed(nn.Module):
    """A generator whose output is its input, with a half and a quarter of it beside."""

    shared_encoder, identities = True, ("A",)

    def __init__(self, aux: bool = True) -> None:
        super().__init__()
        self.aux = aux

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        aux = {"32": code[..., 1::2, 1::2], "16": code[..., 3::4, 3::4]} if self.aux else {}
        return SwapOutput(code, None, aux)


def pictures(n: int = 2, side: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two stacks of unlike smooth pictures."""
    rng = np.random.default_rng(seed)
    rough = rng.random((2, n, 3, side // 4, side // 4)).repeat(4, -1).repeat(4, -2)
    a = rough[0] * 0.6 + 0.2 * rng.random(rough[0].shape)
    return torch.from_numpy(a), torch.from_numpy(0.7 * a + 0.3 * rough[1])


def step_of(a: Tensor, b: Tensor, masks: Tensor | None = None, aux: bool = True) -> StepContext:
    faces = {"A": {"input": a, "target": b}}
    if masks is not None:
        faces["A"]["masks"] = masks
    names = ("mouth", "eyes") if masks is not None else ()
    return StepContext({"generator": Fixed(aux)}, faces, torch.arange(len(a)), 0.0, StepSettings(len(a), masks=names))


def gaussian() -> Picture:
    g = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    return np.outer(g, g) / g.sum() ** 2


def slow_factors(x: Picture, y: Picture) -> tuple[float, float]:
    """Mean SSIM and mean contrast-structure of two (h, w) pictures, window after window."""
    window, ssim, structure = gaussian(), [], []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            structure.append((2 * cov + 0.03**2) / (vp + vq + 0.03**2))
            ssim.append((2 * mp * mq + 0.01**2) / (mp**2 + mq**2 + 0.01**2) * structure[-1])
    return float(np.mean(ssim)), float(np.mean(structure))


def slow_ssim(a: Picture, b: Picture) -> float:
    return 1 - float(
        np.mean([slow_factors(x, y)[0] for x, y in zip(a.reshape(-1, 64, 64), b.reshape(-1, 64, 64), strict=True)])
    )


def slow_ms_ssim(a: Picture, b: Picture) -> float:
    weights = np.array([0.0448, 0.2856, 0.3001])
    values = []
    for x, y in zip(a.reshape(-1, 64, 64), b.reshape(-1, 64, 64), strict=True):
        value = 1.0
        for scale, weight in enumerate(weights / weights.sum()):
            if scale:
                x, y = (z.reshape(len(z) // 2, 2, -1, 2).mean((1, 3)) for z in (x, y))
            value *= slow_factors(x, y)[0 if scale == 2 else 1] ** weight
        values.append(value)
    return 1 - float(np.mean(values))


def slow_gradient(a: Picture, b: Picture) -> float:
    d = a - b
    return np.abs(np.diff(d, axis=2)[..., :-1]).mean() + np.abs(np.diff(d, axis=3)[:, :, :-1]).mean()


def slow_edge(a: Picture, b: Picture, mask: Picture | float = 1.0) -> float:
    total = 0.0
    for axis, crop in ((2, np.s_[..., :-1]), (3, np.s_[:, :, :-1])):
        total += (mask * np.abs(np.abs(np.diff(a, axis=axis)) - np.abs(np.diff(b, axis=axis)))[crop]).mean()
    return total


def slow_focal(a: Picture, b: Picture) -> float:
    n = a.shape[-1]
    at = np.arange(n)
    basis = np.exp(-2j * np.pi * np.outer(at, at) / n) / np.sqrt(n)
    losses = []
    for x, y in zip(a.reshape(-1, n, n), b.reshape(-1, n, n), strict=True):
        distance = np.abs(basis @ x @ basis.T - basis @ y @ basis.T)
        losses.append((distance / distance.max() * distance**2).mean())
    return float(np.mean(losses))


@pytest.mark.parametrize(
    ("term", "slow"),
    [
        (SSIM(), slow_ssim),
        (MSSSIM(), slow_ms_ssim),
        (Gradient(), slow_gradient),
        (Edge(), slow_edge),
        (FocalFrequency(), slow_focal),
    ],
    ids=lambda x: type(x).__name__,
)
def test_against_the_slow_reference(term: ReconstructionLoss, slow: Callable[[Picture, Picture], float]) -> None:
    a, b = pictures()
    value = term(step_of(a, b))
    assert value.item() == pytest.approx(slow(a.numpy(), b.numpy()), rel=1e-7)
    assert term(step_of(a, a)).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    "term", [SSIM(), MSSSIM(), Gradient(), Edge(), FocalFrequency()], ids=lambda x: type(x).__name__
)
def test_a_step_down_the_gradient_lowers_the_loss(term: ReconstructionLoss) -> None:
    a, b = pictures()
    a = a.requires_grad_()
    value = term.error(a, b).mean()
    (slope,) = torch.autograd.grad(value, a)
    assert torch.isfinite(slope).all()
    assert term.error(a - 1e-3 * slope / slope.norm(), b).mean() < value


@pytest.mark.parametrize(
    "term", [SSIM(), MSSSIM(), Gradient(), Edge(), FocalFrequency()], ids=lambda x: type(x).__name__
)
def test_autocast_costs_no_precision(term: ReconstructionLoss) -> None:
    a, b = (x.float() for x in pictures())
    plain = term.error(a, b).mean()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(term.error(a, b).mean(), plain)


def test_scales_are_as_many_as_hold_a_window() -> None:
    assert [scales_of(side) for side in (11, 22, 43, 64, 128, 175, 176, 256)] == [1, 2, 2, 3, 4, 4, 5, 5]
    a, b = pictures(1, 176)
    whole = multi_scale_similarity(a, b, 5)
    assert whole.shape == (1, 3)
    assert (whole < 1).all()
    assert torch.isfinite(multi_scale_similarity(a, 1 - a, 5)).all()


def test_focal_weights_send_no_gradient() -> None:
    """With weights held, the loss of a single frequency is its squared distance, its slope twice the distance."""
    size = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    wave = torch.cos(2 * torch.pi * torch.arange(16, dtype=torch.float64) / 16).expand(1, 1, 16, 16)
    FocalFrequency().error(size * wave, torch.zeros_like(wave)).sum().backward()
    power = wave.square().sum().item()
    assert size.grad is not None
    assert size.grad.item() == pytest.approx(2 * 0.5 * power)


def test_auxiliary_targets_are_strided() -> None:
    a, b = pictures()
    expected = np.abs(a.numpy()[..., 1::2, 1::2] - b.numpy()[..., ::2, ::2]).mean()
    expected += np.abs(a.numpy()[..., 3::4, 3::4] - b.numpy()[..., ::4, ::4]).mean()
    assert Auxiliary()(step_of(a, b)).item() == pytest.approx(expected)
    with pytest.raises(UserError, match="needs a generator with outputs at lower resolutions"):
        Auxiliary()(step_of(a, b, aux=False))
    with pytest.raises(ValueError, match="must divide the image's side"):
        strided(a, 48)


def slow_resized(x: Picture, side: int) -> Picture:
    out = np.empty((*x.shape[:2], side, side))
    for i in range(side):
        for j in range(side):
            y, z = i * x.shape[2] / side, j * x.shape[3] / side
            t, s = int(y), int(z)
            b, r = min(t + 1, x.shape[2] - 1), min(s + 1, x.shape[3] - 1)
            top = x[..., t, s] * (1 - z + s) + x[..., t, r] * (z - s)
            out[..., i, j] = top * (1 - y + t) + (x[..., b, s] * (1 - z + s) + x[..., b, r] * (z - s)) * (y - t)
    return out


def test_eyes_are_weighed_by_their_mask_over_all_pixels() -> None:
    a, b = pictures()
    masks = torch.from_numpy(np.random.default_rng(1).random((2, 2, 64, 64)))
    eyes = masks[:, 1:].numpy()
    expected = (eyes * np.abs(a.numpy() - b.numpy())).mean()
    assert Eyes()(step_of(a, b, masks)).item() == pytest.approx(expected)
    expected = slow_edge(a.numpy(), b.numpy(), slow_resized(eyes, 63))
    assert EyesEdge()(step_of(a, b, masks)).item() == pytest.approx(expected)
    with pytest.raises(UserError, match="needs the mask 'eyes'"):
        Eyes()(step_of(a, b))


@pytest.mark.parametrize("side", [32, 63, 224])
def test_resizing_is_anchored_at_the_top_left(side: int) -> None:
    x = torch.from_numpy(np.random.default_rng(2).random((1, 2, 64, 64)))
    np.testing.assert_allclose(resized(x, side).numpy(), slow_resized(x.numpy(), side), atol=1e-12)
    if side == 32:
        assert torch.equal(resized(x, 32), strided(x, 32))
