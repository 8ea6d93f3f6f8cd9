import pytest
import torch
from torch import nn

from swaplab.errors import UserError
from swaplab.networks.draws import Draws, drawing
from swaplab.networks.initialisation import initialise
from swaplab.networks.mask import LearnedMask
from swaplab.networks.pix2pix import Pix2Pix
from swaplab.networks.protocols import Generator


@pytest.mark.parametrize(("side", "count"), [(256, 54_413_955), (128, 41_828_995), (64, 29_244_035)])
def test_published_parameter_counts(side: int, count: int) -> None:
    """256 and 128: the authors' code prints 54.414 M and 41.829 M; a level of 512 channels is 12,584,960."""
    with torch.device("meta"):
        network = Pix2Pix(("A", "B"), resolution=side, norm=nn.BatchNorm2d)
    assert sum(p.numel() for p in network.into["A"].parameters()) == count
    assert count == 54_413_955 - (8 - side.bit_length() + 1) * 12_584_960


@pytest.fixture
def network() -> Pix2Pix:
    net = Pix2Pix(("A", "B"), resolution=64, width=0.125)
    initialise(net, 0, "generator")
    return net


def test_contract(network: Pix2Pix) -> None:
    assert isinstance(network, Generator)
    faces = torch.rand(2, 3, 64, 64)
    raw = network.decode(network.encode(faces, "A"), "B").raw
    assert raw.shape == faces.shape
    assert raw.min() >= 0
    assert raw.max() <= 1


def maps(net: nn.Module) -> dict[str, torch.Tensor]:
    """The output of every level of the way down, kept with its gradient."""
    kept: dict[str, torch.Tensor] = {}
    for site, level in net.down.named_children():
        level.register_forward_hook(lambda _m, _i, out, site=site: kept.__setitem__(site, out) or out.retain_grad())
    return kept


def test_one_pixel_sees_the_whole_face_and_every_skip_reaches_the_output(network: Pix2Pix) -> None:
    net = network.into["A"]
    kept = maps(net)
    faces = torch.rand(1, 3, 64, 64, requires_grad=True)
    net(faces)[0, :, 31, 31].sum().backward()
    assert faces.grad is not None
    assert (faces.grad != 0).any(1).float().mean() > 0.95  # through the bottleneck of one pixel
    assert [kept[f"down{i}"].shape[-1] for i in range(1, 7)] == [32, 16, 8, 4, 2, 1]
    for site, x in kept.items():
        assert x.grad is not None
        assert x.grad.any(), site


@pytest.mark.parametrize("level", range(1, 6))
def test_a_skip_stands_beside_the_map_of_its_size(network: Pix2Pix, level: int) -> None:
    """With the way up from below silenced, a level's picture reaches the output through its own skip."""
    net = network.into["A"]
    kept = maps(net)
    below = getattr(net.up, f"up{level + 1}")
    below.register_forward_hook(lambda _m, _i, out: torch.zeros_like(out))
    net(torch.rand(1, 3, 64, 64)).sum().backward()
    through = {site for site, x in kept.items() if x.grad is not None and x.grad.any()}
    assert through == {f"down{i}" for i in range(1, level + 1)}


def test_dropout_is_a_function_of_face_and_site_alone() -> None:
    net = Pix2Pix(("A", "B"), resolution=128, width=0.125, norm=nn.InstanceNorm2d).double()
    initialise(net, 0, "generator")
    faces = torch.rand(4, 3, 128, 128, dtype=torch.float64)

    def output(rows: list[int], seed: int = 0, purpose: str = "reconstruction", name: str = "A") -> torch.Tensor:
        with drawing(net, Draws(seed, purpose, [("A", 7 + row) for row in rows])):
            return net.decode(faces[rows], name).raw

    together = output([0, 1, 2, 3])
    torch.testing.assert_close(torch.cat([output([0]), output([1, 2, 3])]), together)
    torch.testing.assert_close(output([3, 2, 1, 0]).flip(0), together)
    for other in (output([0, 1, 2, 3], seed=1), output([0, 1, 2, 3], purpose="swap"), net.decode(faces, "A").raw):
        assert not torch.allclose(other, together)
    with drawing(net.eval(), Draws(0, "reconstruction", [("A", 1)] * 4)):
        assert torch.equal(net.decode(faces, "A").raw, net.decode(faces, "A").raw)
    assert all(layer.draws is None for layer in net.modules() if hasattr(layer, "draws"))


def test_without_a_norm_convolutions_have_a_bias_and_dropout_can_be_off() -> None:
    net = Pix2Pix(("A",), resolution=64, width=0.125, dropout=0.0)
    assert not [m for m in net.modules() if hasattr(m, "draws")]
    assert all(up.conv.bias is not None for up in net.into["A"].up)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 96}, "must be a power of 2 .*; got 96"),
        ({"resolution": 64, "mask": LearnedMask}, "set mask=none"),
        ({"resolution": 64, "dropout": 1.0}, r"dropout must be in \[0, 1\); got 1.0"),
        (
            {"resolution": 64, "attention": nn.Identity, "attention_sites": ["decoder.up1"]},
            "up1.*choose from enc",
        ),
    ],
)
def test_what_it_cannot_be_is_refused(options: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UserError, match=message):
        Pix2Pix(("A",), width=0.125, **options)
