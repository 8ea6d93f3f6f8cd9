"""Matching of codes between identities, against the moments themselves."""

import pytest
import torch

from swaplab.networks.code_match import CodeMoments


def measured(shape: tuple[int, ...]) -> tuple[CodeMoments, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    codes = {
        name: scale * torch.randn(400, *shape, generator=generator, dtype=torch.float64) + offset
        for name, scale, offset in (("A", 2.0, -1.0), ("B", 0.5, 3.0), ("C", 1.0, 0.0))
    }
    match = CodeMoments(tuple(codes), shape).double()
    for name, code in codes.items():
        match.measure(name, code)
    return match, codes


def test_matched_codes_have_the_moments_of_the_target() -> None:
    match, codes = measured((5, 2, 2))
    deviation, mean = torch.std_mean(match(codes["A"], "A", "B"), 0)
    assert (mean - codes["B"].mean(0)).abs().max() < 1e-9
    # the floor of one per cent keeps this from being exact
    assert (deviation / codes["B"].std(0) - 1).abs().max() < 0.01


def test_there_and_back_is_the_code_itself() -> None:
    match, codes = measured((7,))
    back = match(match(codes["A"], "A", "C"), "C", "A")
    assert torch.allclose(back, codes["A"], atol=1e-12)
    assert match(codes["A"], "A", "A") is codes["A"]


def test_changes_nothing_before_both_are_measured() -> None:
    match = CodeMoments(("A", "B"), (3,))
    codes = torch.randn(6, 3)
    match.measure("A", codes)
    assert torch.equal(match(codes, "A", "B"), codes)
    match.measure("B", codes + 1)
    assert not torch.equal(match(codes, "A", "B"), codes)


def test_units_that_never_fire_stay_finite() -> None:
    match = CodeMoments(("A", "B"), (2,))
    dead = torch.tensor([[0.0, 1.0], [0.0, 3.0]])
    match.measure("A", dead)
    match.measure("B", dead + torch.tensor([0.5, 0.0]))
    moved = match(dead, "A", "B")
    assert moved[:, 0].tolist() == pytest.approx([0.5, 0.5])
    assert torch.isfinite(moved).all()
