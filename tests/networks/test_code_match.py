"""Matching of codes between identities, against the moments themselves."""

import pytest
import torch
from torch import Tensor, nn

from swaplab.networks.code_match import CodeMoments, CodeTransport

SHAPE = (5, 2, 2)


def sample(shape: tuple[int, ...] = SHAPE, count: int = 400) -> dict[str, Tensor]:
    """Codes of three people, each with its own mean and covariance."""
    generator = torch.Generator().manual_seed(3)
    size = int(torch.Size(shape).numel())
    codes = {}
    for name, offset in (("A", -1.0), ("B", 3.0), ("C", 0.0)):
        mixing = torch.randn(size, size, generator=generator, dtype=torch.float64)
        white = torch.randn(count, size, generator=generator, dtype=torch.float64)
        codes[name] = (white @ mixing + offset).view(count, *shape)
    return codes


def matched(kind: type[nn.Module], codes: dict[str, Tensor], **settings: float) -> nn.Module:
    match = kind(tuple(codes), next(iter(codes.values())).shape[1:], **settings).double()
    match.measure(codes)
    return match


def test_moments_are_those_of_the_target() -> None:
    codes = sample()
    moved = matched(CodeMoments, codes)(codes["A"], "A", "B")
    deviation, mean = torch.std_mean(moved, 0)
    assert (mean - codes["B"].mean(0)).abs().max() < 1e-9
    # the floor of one per cent keeps this from being exact
    assert (deviation / codes["B"].std(0) - 1).abs().max() < 0.01


def test_transport_gives_mean_and_covariance_of_the_target() -> None:
    codes = sample()
    moved = matched(CodeTransport, codes, rank=20, ridge=0.0, prior=0.0)(codes["A"], "A", "B")
    assert torch.allclose(moved.mean(0), codes["B"].mean(0))
    assert torch.allclose(torch.cov(moved.flatten(1).T), torch.cov(codes["B"].flatten(1).T))


def test_transport_is_the_shortest_way_there() -> None:
    """Its map is symmetric and positive, which makes it the gradient of a convex function (Brenier)."""
    codes = sample()
    match = matched(CodeTransport, codes, rank=20, ridge=0.0, prior=0.0)
    change = match.maps[0, 1] + torch.eye(20)
    assert torch.allclose(change, change.T)
    assert torch.linalg.eigvalsh(change).min() > 0
    wider = {"A": codes["A"], "B": 3 * codes["A"] + 1}
    assert torch.allclose(
        matched(CodeTransport, wider, rank=20, ridge=0.0, prior=0.0).maps[0, 1], 2 * torch.eye(20).double()
    )


@pytest.mark.parametrize("kind", [CodeMoments, CodeTransport])
def test_there_and_back_is_the_code_itself(kind: type[nn.Module]) -> None:
    codes = sample()
    match = matched(kind, codes)
    back = match(match(codes["A"], "A", "C"), "C", "A")
    assert torch.allclose(back, codes["A"], atol=1e-9)
    assert match(codes["A"], "A", "A") is codes["A"]


@pytest.mark.parametrize("kind", [CodeMoments, CodeTransport])
def test_changes_nothing_before_it_is_measured(kind: type[nn.Module]) -> None:
    match, codes = kind(("A", "B"), (3,)), torch.randn(6, 3)
    assert torch.equal(match(codes, "A", "B"), codes)
    match.measure({"A": codes, "B": codes + 1})
    assert not torch.equal(match(codes, "A", "B"), codes)


@pytest.mark.parametrize("kind", [CodeMoments, CodeTransport])
def test_units_that_never_fire_and_few_faces_stay_finite(kind: type[nn.Module]) -> None:
    dead = torch.zeros(4, 200)
    dead[:, 1] = torch.tensor([1.0, 3.0, 2.0, 7.0])
    match = kind(("A", "B"), (200,))
    match.measure({"A": dead, "B": dead + 0.5})
    assert match(dead, "A", "B").sub(dead).sub(0.5).abs().max() < 1e-5


def test_few_faces_move_codes_less() -> None:
    codes = sample(count=30)
    size = 20
    bold, careful = (matched(CodeTransport, codes, rank=size, prior=prior).maps[0, 1] for prior in (0.0, 300.0))
    assert careful.norm() < 0.5 * bold.norm()
