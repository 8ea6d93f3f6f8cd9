import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks import spectral
from swaplab.networks.discriminator import PerIdentity
from swaplab.networks.initialisation import initialise
from swaplab.networks.loading import put_weights
from swaplab.runs.weights import load_weights, save_weights
from swaplab.training.ema import EMA


def judges(normed: bool = True, seed: int = 3, iterations: int = 1) -> PerIdentity:
    network = PerIdentity(("A", "B"), resolution=32, width=0.125)
    if normed:
        spectral.apply(network, iterations)
    initialise(network, seed, "discriminator")
    return network


def judged(network: PerIdentity) -> Tensor:
    faces = torch.linspace(0, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
    return network.judge(faces, "A", faces)


def vectors(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items() if name.endswith(".u")}


@pytest.mark.parametrize("layer", [nn.Linear(5, 7), nn.Conv2d(3, 6, 3), nn.ConvTranspose2d(6, 3, 4)])
def test_the_largest_singular_value_becomes_one(layer: nn.Module) -> None:
    before = layer.weight.detach().clone()
    spectral.apply(nn.Sequential(layer), iterations=2000)
    matrix = before.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else before
    largest = np.linalg.svd(matrix.reshape(len(matrix), -1).numpy(), compute_uv=False)[0]
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy() / largest, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_the_quotient() -> None:
    """d(w / sigma)/dw with u and v held: checked against finite differences at the fixed point of the iteration."""
    layer = nn.Linear(4, 3, bias=False).double()
    spectral.apply(nn.Sequential(layer), iterations=500)
    layer.double()
    original = layer.parametrizations.weight.original
    probe = torch.arange(12.0, dtype=torch.float64).view(3, 4)

    def value(w: np.ndarray) -> float:
        return float((w / np.linalg.svd(w, compute_uv=False)[0] * probe.numpy()).sum())

    (layer.weight * probe).sum().backward()
    w = original.detach().numpy().copy()
    for place in [(0, 0), (1, 2), (2, 3)]:
        step = np.zeros_like(w)
        step[place] = 1e-6
        assert original.grad[place].item() == pytest.approx((value(w + step) - value(w - step)) / 2e-6, rel=1e-4)


def test_looks_leave_the_vectors_alone_and_an_update_moves_all() -> None:
    network = judges()
    start = vectors(network)
    first, again = judged(network), judged(network)
    network.eval()
    assert torch.equal(first, again)
    assert torch.equal(first, judged(network)), "training divides by what evaluation divides by"
    assert all(torch.equal(value, start[name]) for name, value in vectors(network).items())
    spectral.advance(network)
    assert not any(torch.equal(v, start[name]) for name, v in vectors(network).items() if len(v) > 1)


def test_updates_one_after_the_other_iterate_on() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 7)
    largest = torch.linalg.matrix_norm(layer.weight.detach(), 2)
    original = layer.weight.detach().clone()
    spectral.apply(nn.Sequential(layer))
    for _ in range(200):
        spectral.advance(layer)
    torch.testing.assert_close(layer.weight.detach(), original / largest, rtol=1e-4, atol=1e-6)


def test_layers_start_as_without_it_and_twice_alike() -> None:
    plain, normed, again = judges(normed=False), judges(), judges()
    own = {spectral.site_of(name): value for name, value in normed.state_dict().items()}
    for name, value in plain.state_dict().items():
        assert torch.equal(own[name], value), name
    assert all(torch.equal(a, b) for a, b in zip(vectors(normed).values(), vectors(again).values(), strict=True))
    assert not all(
        torch.equal(a, b) for a, b in zip(vectors(normed).values(), vectors(judges(seed=4)).values(), strict=True)
    )


def test_weights_travel_and_averages_follow(tmp_path: Path) -> None:
    network = judges()
    spectral.advance(network)
    average = EMA(network, 100)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01)
    spectral.advance(network)
    average.follow(network, 10_000, 1_000_000)
    network.eval()
    torch.testing.assert_close(judged(average.network), judged(network), rtol=1e-4, atol=1e-5)
    save_weights(tmp_path / "weights.safetensors", network, {})
    other = judges(seed=9).eval()
    put_weights(other, load_weights(tmp_path / "weights.safetensors"), "there")
    assert torch.equal(judged(other), judged(network))
    assert torch.equal(judged(copy.deepcopy(network)), judged(network))
    with pytest.raises(UserError, match="another architecture"):
        put_weights(judges(normed=False), network.state_dict(), "there")


def test_what_would_do_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no convolution"):
        spectral.apply(nn.ReLU())
    with pytest.raises(UserError, match="at least 1; got 0"):
        spectral.apply(nn.Conv2d(1, 1, 1), 0)
