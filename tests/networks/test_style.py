"""Modulated convolutions against a kernel a sample, their variance, and noise that is keyed."""

import numpy as np
import pytest
import torch
from torch import Tensor

from swaplab.networks import spectral
from swaplab.networks.draws import Draws, drawing
from swaplab.networks.initialisation import initialise
from swaplab.networks.style import ModulatedConv2d, NoiseInput, StyledConv
from swaplab.randomness import generator_at


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_modulated_convolution_is_a_demodulated_kernel_a_sample() -> None:
    layer = ModulatedConv2d(5, 4, 3).double()
    x, style, weight = random(3, 5, 6, 6), random(3, 5, seed=1), layer.conv.weight.detach().numpy()
    expected = np.empty((3, 4, 6, 6))
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    for n in range(3):
        for o in range(4):
            kernel = weight[o] * style[n].numpy()[:, None, None]
            kernel = kernel / np.sqrt((kernel**2).sum() + 1e-8)
            for i in range(6):
                for j in range(6):
                    expected[n, o, i, j] = (kernel * padded[n, :, i : i + 3, j : j + 3]).sum()
    np.testing.assert_allclose(layer(x, style).detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_demodulated_outputs_have_unit_variance_whatever_the_style() -> None:
    layer = ModulatedConv2d(16, 8, 3).double()
    x = random(4, 16, 128, 128)
    for scale in (0.01, 1.0, 100.0):
        y = layer(x, scale * random(4, 16, seed=2)).detach()[:, :, 1:-1, 1:-1]
        assert y.var((2, 3)).numpy() == pytest.approx(np.ones((4, 8)), abs=0.08)


def test_styled_layers_in_a_row_keep_their_scale() -> None:
    """Leaky ReLU with slope 0.2 keeps (1 + 0.04) / 2 of the mean square; the gain of sqrt(2) puts it back."""
    layers = [StyledConv(32, 32, 8) for _ in range(4)]
    for i, layer in enumerate(layers):
        initialise(layer, i, "styled")
    x, style = random(2, 32, 32, 32).float(), random(2, 8, seed=3).float()
    for layer in layers:
        x = layer(x, style)
    assert 0.5 < float(x.square().mean().detach()) < 2


def test_styles_scale_by_one_at_start_on_average() -> None:
    layer = StyledConv(64, 8, 16)
    initialise(layer, 1, "styled")
    assert torch.equal(layer.style(torch.zeros(1, 16)), torch.ones(1, 64))


def test_noise_is_keyed_by_the_face_and_absent_outside_a_step() -> None:
    noise, x = NoiseInput().double(), random(2, 3, 4, 4)
    with torch.no_grad():
        noise.strength.fill_(0.5)
    assert torch.equal(noise(x), x)
    with drawing(noise, Draws(7, "reconstruction", [("A", 3), ("B", 3)])):
        noisy = noise(x).detach()
    for row, name in enumerate("AB"):
        drawn = generator_at(7, "model", "reconstruction", "", name, 3).standard_normal((1, 4, 4), np.float32)
        np.testing.assert_allclose(noisy[row].numpy(), x[row].numpy() + 0.5 * drawn)
    with torch.no_grad():
        noise.strength.zero_()
    with drawing(noise, Draws(7, "reconstruction", [("A", 3), ("B", 3)])):
        assert torch.equal(noise(x), x)


def test_a_normalised_kernel_is_computed_once_a_forward() -> None:
    layer = ModulatedConv2d(4, 6, 3)
    spectral.apply(layer)
    calls: list[object] = []
    layer.conv.parametrizations.weight[0].register_forward_hook(lambda *_: calls.append(1))
    layer(torch.rand(2, 4, 8, 8), torch.rand(2, 4)).sum().backward()
    assert len(calls) == 1
    assert layer.conv.parametrizations.weight.original.grad is not None
