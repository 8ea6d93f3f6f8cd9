import pytest
import torch
from torch import nn

from swaplab.errors import UserError
from swaplab.networks.autoencoder import Autoencoder
from swaplab.networks.initialisation import initialise
from swaplab.networks.mask import LearnedMask
from swaplab.networks.protocols import Generator


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_has_the_parameters_of_the_original() -> None:
    with torch.device("meta"):
        network = Autoencoder(("A", "B"))
    assert parameters(network.encoder) == 69_662_976
    assert parameters(network.decoders["A"]) == 6_199_747
    assert parameters(network) == 69_662_976 + 2 * 6_199_747


def test_shapes_range_and_protocol() -> None:
    network = Autoencoder(("A", "B", "C"), width=0.1, latent=16, mask=LearnedMask)
    assert isinstance(network, Generator)
    code = network.encode(torch.rand(2, 3, 64, 64), "A")
    assert code.shape[2:] == (8, 8)
    output = network.decode(code, "C")
    assert output.raw.shape == (2, 3, 64, 64)
    assert output.mask is not None
    assert output.mask.shape == (2, 1, 64, 64)
    for image in (output.raw, output.mask):
        assert image.min() >= 0
        assert image.max() <= 1
    background = torch.rand(2, 3, 64, 64)
    expected = output.mask * output.raw + (1 - output.mask) * background
    torch.testing.assert_close(output.composed(background), expected)


def test_an_unknown_resolution_is_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"data.resolution must be one of 64, 128, 256 for generator=.*; got 96"):
        Autoencoder(("A", "B"), resolution=96)


class Doubling(nn.Module):
    """Stands in for an attention: it remembers its width and doubles its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def test_attention_stands_at_the_named_sites_and_changes_no_other_start() -> None:
    plain = Autoencoder(("A", "B"), width=0.1, latent=16)
    attended = Autoencoder(
        ("A", "B"), width=0.1, latent=16, attention=Doubling, attention_sites=("encoder.down2", "decoder.up3")
    )
    found = [m.channels for m in attended.modules() if isinstance(m, Doubling)]
    assert found == [24, 8, 8]  # one in the encoder, one in each decoder
    for network in (plain, attended):
        initialise(network, 3, "generator")
    pairs = zip(plain.parameters(), attended.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    x = torch.rand(1, 3, 64, 64)
    assert not torch.equal(plain.encode(x, "A"), attended.encode(x, "A"))


@pytest.mark.parametrize("site", ["encoder.down9", "decoder.up0"])
def test_attention_at_an_unknown_site_is_refused(site: str) -> None:
    with pytest.raises(UserError, match=f"no attention site '{site}'; choose from .*encoder.down1"):
        Autoencoder(("A",), width=0.1, latent=16, attention=Doubling, attention_sites=(site,))


def test_a_norm_takes_the_bias_of_the_convolution_before_it() -> None:
    network = Autoencoder(("A",), width=0.1, latent=16, norm=nn.BatchNorm2d)
    convolutions = [m.conv for m in network.modules() if hasattr(m, "conv") and hasattr(m, "norm")]
    assert convolutions
    assert all(c.bias is None for c in convolutions)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == len(convolutions)
