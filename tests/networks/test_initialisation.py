import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from swaplab.networks.autoencoder import Autoencoder
from swaplab.networks.initialisation import initialise


def state(identities: tuple[str, ...], seed: int, **options: object) -> dict[str, torch.Tensor]:
    network = Autoencoder(identities, width=0.1, latent=16, **options)  # type: ignore[arg-type]
    initialise(network, seed, "generator")
    return network.state_dict()


def test_starts_are_a_function_of_seed_and_site() -> None:
    torch.manual_seed(0)
    first = state(("A", "B"), 1)
    torch.manual_seed(99)  # the global generator has no say
    again = state(("A", "B"), 1)
    other = state(("A", "B"), 2)
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["encoder.down.down1.conv.weight"], other["encoder.down.down1.conv.weight"])


def test_another_identity_changes_no_start() -> None:
    two, three = state(("A", "B"), 1), state(("C", "A", "B"), 1)
    assert all(torch.equal(two[k], three[k]) for k in two)
    assert not torch.equal(two["decoders.A.colour.weight"], two["decoders.B.colour.weight"])


def test_a_norm_changes_no_start_where_shapes_agree() -> None:
    plain, normed = state(("A",), 1), state(("A",), 1, norm=nn.BatchNorm2d)
    agree = [k for k in plain if k in normed and plain[k].shape == normed[k].shape]
    assert "encoder.down.down1.conv.weight" in agree
    assert all(torch.equal(plain[k], normed[k]) for k in agree)


def test_leaves_the_global_generator_alone() -> None:
    network = nn.Conv2d(3, 4, 3)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    initialise(network, 1, "n")
    assert torch.equal(torch.rand(3), expected)


def test_a_parametrised_layer_starts_as_the_bare_one() -> None:
    bare, normed = nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Sequential(spectral_norm(nn.Conv2d(3, 4, 3)))
    initialise(bare, 1, "n")
    initialise(normed, 1, "n")
    assert torch.equal(bare[0].weight, normed[0].parametrizations.weight.original)
    assert torch.equal(bare[0].bias, normed[0].bias)
