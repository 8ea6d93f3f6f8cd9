import numpy as np
import pytest
import torch

from swaplab.networks.blocks import ConvBlock, ResidualBlock, SameConv2d


def same_convolution_reference(x: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's "same" rule by loops: output pixel i looks at input from i * stride - total // 2 on."""
    n, _, height, width = x.shape
    out, _, kernel, _ = weight.shape
    rows, columns = -(-height // stride), -(-width // stride)
    top = max((rows - 1) * stride + kernel - height, 0) // 2
    left = max((columns - 1) * stride + kernel - width, 0) // 2
    y = np.zeros((n, out, rows, columns))
    for i in range(rows):
        for j in range(columns):
            for a in range(kernel):
                for b in range(kernel):
                    r, c = i * stride - top + a, j * stride - left + b
                    if 0 <= r < height and 0 <= c < width:
                        y[:, :, i, j] += x[:, :, r, c] @ weight[:, :, a, b].T
    return y


@pytest.mark.parametrize(
    ("kernel", "stride", "side"), [(5, 2, 8), (3, 2, 8), (4, 2, 8), (4, 1, 8), (5, 1, 7), (5, 2, 9)]
)
def test_same_convolution_matches_the_rule(kernel: int, stride: int, side: int) -> None:
    layer = SameConv2d(3, 2, kernel, stride=stride, bias=False).double()
    x = torch.randn(2, 3, side, side + 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = same_convolution_reference(x.numpy(), layer.weight.detach().numpy(), stride)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_conv_block_keeps_its_bias_only_without_a_norm() -> None:
    assert ConvBlock(3, 8, kernel=3, stride=1, slope=0.1).conv.bias is not None
    assert ConvBlock(3, 8, kernel=3, stride=1, slope=0.1, norm=torch.nn.BatchNorm2d).conv.bias is None


def test_residual_block_is_its_input_plus_two_convolutions() -> None:
    block = ResidualBlock(4, slope=0.1).double()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def leaky(a: np.ndarray) -> np.ndarray:
        return np.where(a > 0, a, 0.1 * a)

    first, second = (c.weight.detach().numpy() for c in (block.block.conv, block.conv))
    inner = leaky(same_convolution_reference(x.numpy(), first, 1))
    expected = leaky(x.numpy() + same_convolution_reference(inner, second, 1))
    np.testing.assert_allclose(block(x).detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    normed = ResidualBlock(4, slope=0.1, norm=torch.nn.BatchNorm2d)
    assert normed.conv.bias is normed.block.conv.bias is None
