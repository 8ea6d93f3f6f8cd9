"""Upsampling blocks against torch's own operations and loops, and the checkerboards they start with."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.initialisation import initialise
from swaplab.networks.upsampling import InterpolatedConv, PixelShuffle, TransposedConv


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.1 * x)


def test_pixel_shuffle_puts_channel_4k_plus_2r_plus_s_at_subpixel_r_s() -> None:
    layer = PixelShuffle(1, 1, slope=1.0)
    conv = layer.block.conv
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[:, 0, 1, 1] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    result = layer(torch.ones(1, 1, 1, 1))
    assert result.squeeze().tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_pixel_shuffle_against_torch() -> None:
    layer, x = PixelShuffle(5, 3, slope=0.1).double(), random(2, 5, 4, 4)
    conv = layer.block.conv
    expected = nn.PixelShuffle(2)(leaky(nn.functional.conv2d(x, conv.weight, conv.bias, padding=1)))
    torch.testing.assert_close(layer(x), expected)


def test_nearest_then_convolution() -> None:
    layer, x = InterpolatedConv(5, 3, slope=0.1).double(), random(2, 5, 4, 4)
    conv = layer.block.conv
    larger = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(layer(x), leaky(nn.functional.conv2d(larger, conv.weight, conv.bias, padding=1)))


def bilinear_reference(x: np.ndarray) -> np.ndarray:
    """Doubled side: output pixel i lies at (i + 1/2) / 2 - 1/2 of the input, edge pixels repeated."""
    side = x.shape[-1]
    at = np.clip((np.arange(2 * side) + 0.5) / 2 - 0.5, 0, side - 1)
    low, part = np.floor(at).astype(int), at % 1
    high = np.minimum(low + 1, side - 1)
    rows = x[:, :, low] * (1 - part)[:, None] + x[:, :, high] * part[:, None]
    mixed: np.ndarray = rows[..., low] * (1 - part) + rows[..., high] * part
    return mixed


def test_bilinear_then_convolution() -> None:
    layer, x = InterpolatedConv(5, 3, slope=0.1, mode="bilinear").double(), random(2, 5, 4, 4)
    conv = layer.block.conv
    larger = torch.from_numpy(bilinear_reference(x.numpy()))
    torch.testing.assert_close(layer(x), leaky(nn.functional.conv2d(larger, conv.weight, conv.bias, padding=1)))


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_transposed_convolution_spreads_every_pixel(kernel: int) -> None:
    """Pixel (i, j) adds its kernel at 2 i - p, 2 j - p; what falls off the picture is lost."""
    layer, x = TransposedConv(3, 2, slope=0.1, kernel=kernel).double(), random(1, 3, 4, 4)
    weight, pad = layer.conv.weight.detach(), (kernel - 1) // 2
    canvas = torch.zeros(1, 2, 8 + 2 * kernel, 8 + 2 * kernel, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            top, left = 2 * i - pad + kernel, 2 * j - pad + kernel
            canvas[0, :, top : top + kernel, left : left + kernel] += torch.einsum("c,cokl->okl", x[0, :, i, j], weight)
    expected = leaky(canvas[:, :, kernel : kernel + 8, kernel : kernel + 8])
    torch.testing.assert_close(layer(x).detach(), expected)


def checkerboard(y: Tensor) -> float:
    """The part of the variance inside blocks of 2x2 pixels, away from the border."""
    inner = y[:, :, 2:-2, 2:-2]
    means = nn.functional.avg_pool2d(inner, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    return float((inner - means).abs().max())


def test_only_plain_pixel_shuffle_and_uneven_kernels_start_with_a_checkerboard() -> None:
    """A feature that is constant in space must come out constant."""
    constant = random(1, 6, 1, 1).expand(-1, -1, 8, 8)

    def started(layer: nn.Module) -> Tensor:
        initialise(layer, 1, "up")
        y: Tensor = layer.double()(constant).detach()
        return y

    smooth = [
        PixelShuffle(6, 4, slope=0.1, icnr=True),
        InterpolatedConv(6, 4, slope=0.1),
        InterpolatedConv(6, 4, slope=0.1, mode="bilinear"),
    ]
    rough = [PixelShuffle(6, 4, slope=0.1), TransposedConv(6, 4, slope=0.1), TransposedConv(6, 4, slope=0.1, kernel=3)]
    assert all(checkerboard(started(layer)) < 1e-12 for layer in smooth)
    assert all(checkerboard(started(layer)) > 1e-2 for layer in rough)


def test_with_icnr_the_start_is_nearest_neighbour_upsampling() -> None:
    layer = PixelShuffle(3, 2, slope=0.1, icnr=True)
    initialise(layer, 5, "up")
    x = random(2, 3, 4, 4).float()
    one = leaky(nn.functional.conv2d(x, layer.block.conv.weight[::4], padding=1))
    torch.testing.assert_close(layer(x), one.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert not torch.equal(layer.block.conv.weight[0], layer.block.conv.weight[4])


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(UserError, match=r"generator.upsampling.mode must be nearest or bilinear; got cubic"):
        InterpolatedConv(3, 3, slope=0.1, mode="cubic")
    with pytest.raises(UserError, match=r"generator.upsampling.kernel must be at least 2.*; got 1"):
        TransposedConv(3, 3, slope=0.1, kernel=1)
