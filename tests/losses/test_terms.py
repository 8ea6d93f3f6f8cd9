from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.adversarial import LSGANDiscriminator, LSGANGenerator
from swaplab.losses.context import StepContext
from swaplab.losses.mask import MaskSize
from swaplab.losses.reconstruction import L1, MSE
from swaplab.losses.settings import StepSettings
from swaplab.losses.term import LossTerm
from swaplab.networks.protocols import SwapOutput


class Shift(nn.Module):
    """A generator that adds a constant per identity and masks a half; it counts its calls."""

    shared_encoder = True

    def __init__(self, mask: float | None = None) -> None:
        super().__init__()
        self.identities = ("A", "B")
        self.shift = nn.ParameterDict({"A": nn.Parameter(torch.tensor(0.1)), "B": nn.Parameter(torch.tensor(-0.2))})
        self.alpha = mask
        self.calls: list[str] = []

    def encode(self, faces: Tensor, source: str) -> Tensor:
        self.calls.append(f"encode {len(faces)}")
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        self.calls.append(f"decode {target}")
        mask = None if self.alpha is None else torch.full_like(code[:, :1], self.alpha)
        return SwapOutput(code + self.shift[target], mask)


class Mean(nn.Module):
    """A discriminator whose score is the mean of the face."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        return self.gain * faces.mean((1, 2, 3), keepdim=True)


def context(generator: nn.Module, faces: dict[str, dict[str, Tensor]], **settings: object) -> StepContext:
    networks = nn.ModuleDict({"generator": generator, "discriminator": Mean()})
    batch = len(next(iter(faces.values()))["input"])
    return StepContext(networks, faces, torch.arange(batch), 0.5, StepSettings(batch, **settings))  # type: ignore[arg-type]


@pytest.fixture
def faces() -> dict[str, dict[str, Tensor]]:
    rng = np.random.default_rng(0)
    return {n: {k: torch.from_numpy(rng.random((4, 3, 8, 8))) for k in ("input", "target")} for n in "AB"}


@pytest.mark.parametrize(("term", "power"), [(L1(), 1), (MSE(), 2)])
def test_pixel_losses_match_the_formula(term: LossTerm, power: int, faces: dict[str, dict[str, Tensor]]) -> None:
    expected = sum(
        np.mean(np.abs(faces[n]["input"].numpy() + shift - faces[n]["target"].numpy()) ** power)
        for n, shift in (("A", 0.1), ("B", -0.2))
    )
    assert term(context(Shift(), faces)).item() == pytest.approx(expected, rel=1e-6)


def test_composed_reconstruction_looks_at_the_blend(faces: dict[str, dict[str, Tensor]]) -> None:
    expected = sum(
        np.mean(np.abs(faces[n]["input"].numpy() + 0.25 * shift - faces[n]["target"].numpy()))
        for n, shift in (("A", 0.1), ("B", -0.2))
    )
    assert L1(image="composed")(context(Shift(0.25), faces)).item() == pytest.approx(expected, rel=1e-6)


def test_lsgan_matches_the_formula_on_both_sides(faces: dict[str, dict[str, Tensor]]) -> None:
    step = context(Shift(), faces)
    expected_d, expected_g = 0.0, 0.0
    for n, shift in (("A", 0.1), ("B", -0.2)):
        real = faces[n]["target"].numpy().mean((1, 2, 3))
        fake = faces[n]["input"].numpy().mean((1, 2, 3)) + shift
        expected_d += np.mean((real - 1) ** 2) + np.mean(fake**2)
        expected_g += np.mean((fake - 1) ** 2)
    assert LSGANDiscriminator()(step).item() == pytest.approx(expected_d, rel=1e-6)
    assert LSGANGenerator()(step).item() == pytest.approx(expected_g, rel=1e-6)


def test_the_discriminator_side_sends_no_gradient_to_the_generator(
    faces: dict[str, dict[str, Tensor]],
) -> None:
    generator = Shift()
    step = context(generator, faces)
    LSGANDiscriminator()(step).backward()
    assert all(p.grad is None for p in generator.parameters())
    LSGANGenerator()(step).backward()
    assert all(p.grad is not None for p in generator.parameters())


def test_shares_of_odd_shards_add_up_to_the_global_loss(faces: dict[str, dict[str, Tensor]]) -> None:
    whole = L1()(context(Shift(), faces)).item()
    shares = 0.0
    for shard in (slice(0, 3), slice(3, 4)):
        part = {n: {k: v[shard] for k, v in of.items()} for n, of in faces.items()}
        step = StepContext({"generator": Shift()}, part, torch.arange(4)[shard], 0.5, StepSettings(4))
        shares += L1()(step).item()
    assert shares == pytest.approx(whole, rel=1e-12)


def test_nothing_is_computed_twice_or_without_being_asked_for(faces: dict[str, dict[str, Tensor]]) -> None:
    generator = Shift()
    step = context(generator, faces)
    L1()(step)
    MSE()(step)
    LSGANGenerator()(step)
    assert generator.calls == ["encode 8", "decode A", "decode B"]
    generator.calls.clear()
    step.stepped("discriminator")
    L1()(step)
    assert generator.calls == []
    step.stepped("generator")
    L1()(step)
    assert generator.calls == ["encode 8", "decode A", "decode B"]


def test_identities_can_pass_apart(faces: dict[str, dict[str, Tensor]]) -> None:
    generator = Shift()
    L1()(context(generator, faces, joint=False))
    assert generator.calls == ["encode 4", "decode A", "encode 4", "decode B"]


def test_an_update_may_be_of_one_identity_only(faces: dict[str, dict[str, Tensor]]) -> None:
    step = context(Shift(), faces)
    with step.update("generator", ["B"]):
        only = L1()(step).item()
    expected = np.mean(np.abs(faces["B"]["input"].numpy() - 0.2 - faces["B"]["target"].numpy()))
    assert only == pytest.approx(expected, rel=1e-6)
    assert step.identities == ("A", "B")


def test_swap_and_cycle_go_through_the_right_decoders(faces: dict[str, dict[str, Tensor]]) -> None:
    step = context(Shift(), faces)
    torch.testing.assert_close(step.swap("A", "B").raw, faces["A"]["input"] - 0.2)
    torch.testing.assert_close(step.cycle("A", "B").raw, faces["A"]["input"] - 0.2 + 0.1)
    torch.testing.assert_close(step.resemblance("B").raw, faces["B"]["target"] - 0.2)


def test_a_measured_term_does_not_cut_the_graph_of_a_trained_one(faces: dict[str, dict[str, Tensor]]) -> None:
    step = context(Shift(), faces)
    with torch.no_grad():
        MSE(weight=0.0)(step)
    assert L1()(step).requires_grad


def test_mask_size_is_the_mean_and_needs_a_mask(faces: dict[str, dict[str, Tensor]]) -> None:
    assert MaskSize()(context(Shift(0.25), faces)).item() == pytest.approx(0.5)
    assert MaskSize(power=2)(context(Shift(0.25), faces)).item() == pytest.approx(0.125)
    with pytest.raises(UserError, match=r"power .* must be 1 or 2; got 3"):
        MaskSize(power=3)
    with pytest.raises(UserError, match="needs a mask; set mask=learned"):
        MaskSize()(context(Shift(), faces))


def test_an_unknown_image_is_refused() -> None:
    with pytest.raises(UserError, match="raw or composed; got 'blurred'"):
        L1(image="blurred")


def test_everything_with_a_side_a_weight_and_a_call_is_a_term() -> None:
    assert isinstance(L1(), LossTerm)
    assert not isinstance(SimpleNamespace(side="generator"), LossTerm)
