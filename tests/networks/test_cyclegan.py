import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from swaplab.errors import UserError
from swaplab.networks.cyclegan import CycleGAN
from swaplab.networks.initialisation import initialise
from swaplab.networks.mask import LearnedMask
from swaplab.networks.protocols import Generator


def instance(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels)


@pytest.mark.parametrize(("blocks", "count"), [(9, 11_378_179), (6, 7_837_699)])
def test_published_parameter_counts(blocks: int, count: int) -> None:
    with torch.device("meta"):
        network = CycleGAN(("A", "B"), resolution=256, blocks=blocks, norm=instance)
    assert sum(p.numel() for p in network.into["A"].parameters()) == count
    assert sum(p.numel() for p in network.parameters()) == 2 * count


def test_a_generator_into_each_domain_behind_the_contract() -> None:
    network = CycleGAN(("A", "B", "C"), resolution=32, width=0.1, blocks=2, norm=instance)
    initialise(network, 0, "generator")
    assert isinstance(network, Generator)
    assert not network.shared_encoder
    faces = torch.rand(2, 3, 32, 32)
    assert network.encode(faces, "A") is faces
    raws = [network.decode(faces, name).raw for name in "ABC"]
    assert all(raw.shape == faces.shape and raw.min() >= 0 and raw.max() <= 1 for raw in raws)
    assert not torch.equal(raws[0], raws[1])
    raws[1].sum().backward()
    assert {path.split(".")[1] for path, p in network.named_parameters() if p.grad is not None} == {"B"}


def test_forward_against_the_paper_written_out() -> None:
    """c7s1-k, dk, Rk, uk of the appendix, with functions and the network's own weights."""
    network = CycleGAN(("A",), resolution=16, width=0.125, blocks=1, norm=instance).double()
    initialise(network, 1, "generator")
    w = dict(network.into["A"].named_parameters())

    def conv(x: torch.Tensor, site: str, pad: int, stride: int = 1, reflect: bool = True) -> torch.Tensor:
        x = F.pad(x, (pad,) * 4, mode="reflect" if reflect else "constant")
        return F.conv2d(x, w[f"{site}.conv.weight"], w[f"{site}.conv.bias"], stride)

    def up(x: torch.Tensor, site: str) -> torch.Tensor:
        # zeros between the pixels, then an ordinary convolution with the turned kernel
        n, c, h, v = x.shape
        spread = torch.zeros(n, c, 2 * h, 2 * v, dtype=x.dtype)
        spread[..., ::2, ::2] = x
        kernel = w[f"{site}.conv.weight"].flip(2, 3).transpose(0, 1)
        return F.conv2d(F.pad(spread, (1, 1, 1, 1)), kernel, w[f"{site}.conv.bias"])

    def normed(x: torch.Tensor) -> torch.Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
        return (x - mean) / torch.sqrt(variance + 1e-5)

    faces = torch.from_numpy(np.random.default_rng(0).random((2, 3, 16, 16)))
    x = normed(conv(faces * 2 - 1, "trunk.stem", 3)).relu()
    x = normed(conv(x, "trunk.down1", 1, 2, reflect=False)).relu()
    x = normed(conv(x, "trunk.down2", 1, 2, reflect=False)).relu()
    block = normed(conv(x, "trunk.block1.first", 1)).relu()
    x = x + normed(conv(block, "trunk.block1.second", 1))
    x = normed(up(x, "trunk.up1")).relu()
    x = normed(up(x, "trunk.up2")).relu()
    expected = (torch.tanh(conv(x, "colour", 3)) + 1) / 2
    torch.testing.assert_close(network.decode(faces, "A").raw, expected)


def test_weights_start_as_the_paper_says() -> None:
    network = CycleGAN(("A",), resolution=64, width=0.5, blocks=2, norm=instance)
    initialise(network, 0, "generator")
    for path, parameter in network.named_parameters():
        if path.endswith("bias"):
            assert not parameter.any(), path
        elif parameter.numel() > 5000:
            assert abs(float(parameter.detach().std()) - 0.02) < 0.001, path


def test_a_mask_head_learns_from_the_features_of_the_colours() -> None:
    network = CycleGAN(("A",), resolution=16, width=0.1, blocks=1, mask=LearnedMask)
    initialise(network, 0, "generator")
    mask = network.decode(torch.rand(1, 3, 16, 16), "A").mask
    assert mask is not None
    assert mask.shape == (1, 1, 16, 16)
    mask.sum().backward()
    assert network.into["A"].trunk.stem.conv.weight.grad is not None


class Doubling(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1] == self.channels
        return 2 * x


def test_attention_stands_where_it_is_named() -> None:
    sites = ("encoder.down1", "encoder.block2", "decoder.up2")
    faces = torch.rand(1, 3, 16, 16)
    kinds = {"resolution": 16, "width": 0.5, "blocks": 2}
    plain, attended = CycleGAN(("A",), **kinds), CycleGAN(("A",), **kinds, attention=Doubling, attention_sites=sites)
    for network in (plain, attended):
        initialise(network, 0, "generator")
    assert [m.channels for m in attended.modules() if isinstance(m, Doubling)] == [64, 128, 32]
    assert not torch.equal(plain.decode(faces, "A").raw, attended.decode(faces, "A").raw)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), attended.parameters(), strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 30}, "30"),
        ({"resolution": 16, "blocks": 0}, "blocks must be at least 1 .*; got 0"),
        (
            {"resolution": 16, "attention": Doubling, "attention_sites": ["encoder.block17"], "blocks": 2},
            "block17.*choose from",
        ),
    ],
)
def test_what_it_cannot_be_is_refused(options: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UserError, match=message):
        CycleGAN(("A",), width=0.1, **options)
