"""Adversarial losses against their formulas in NumPy, penalties against closed forms, and any sharding."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses import adversarial as adv
from swaplab.losses.context import StepContext
from swaplab.losses.relativistic import RelativisticLSGANDiscriminator, RelativisticLSGANGenerator
from swaplab.losses.settings import StepSettings
from swaplab.losses.term import LossTerm
from swaplab.losses.wasserstein import GradientPenalty, WassersteinDiscriminator, WassersteinGenerator
from swaplab.networks.discriminator import PerIdentity
from swaplab.networks.protocols import SwapOutput

SHIFT = {"A": 0.1, "B": -0.2}
ALPHA = 0.25
Faces = dict[str, dict[str, Tensor]]


class Shifted(nn.Module):
    """A generator that adds a constant an identity; a flat mask if asked for."""

    shared_encoder = True

    def __init__(self, mask: bool) -> None:
        super().__init__()
        self.identities = ("A", "B")
        self.shift = nn.ParameterDict({n: nn.Parameter(torch.tensor(s, dtype=torch.float64)) for n, s in SHIFT.items()})
        self.mask = mask

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(code + self.shift[target], torch.full_like(code[:, :1], ALPHA) if self.mask else None)


class Linear(nn.Module):
    """A critic whose score is w . (face, condition) plus a patch offset: two patches, scores unlike."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-0.3, 0.4, 6 * 64, dtype=torch.float64).view(6, 8, 8))
        self.norm = norm

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        score = (torch.cat([faces, condition], 1) * self.weight).sum((1, 2, 3))
        return torch.stack([score, 0.5 * score + 0.2], 1)[:, None, None]


def scores(face: np.ndarray, condition: np.ndarray) -> np.ndarray:
    weight = np.linspace(-0.3, 0.4, 6 * 64).reshape(6, 8, 8)
    score = (np.concatenate([face, condition], 1) * weight).sum((1, 2, 3))
    return np.stack([score, 0.5 * score + 0.2], 1)


@pytest.fixture
def faces() -> Faces:
    rng = np.random.default_rng(0)
    return {n: {k: torch.from_numpy(rng.random((4, 3, 8, 8))) for k in ("input", "target")} for n in "AB"}


def step_of(
    faces: Faces, mask: bool = False, rows: slice = slice(None), critic: nn.Module | None = None
) -> StepContext:
    part = {n: {k: v[rows] for k, v in of.items()} for n, of in faces.items()}
    networks = nn.ModuleDict({"generator": Shifted(mask), "discriminator": critic or Linear()})
    return StepContext(networks, part, torch.arange(8, 12)[rows], 0.5, StepSettings(4, seed=7))


def images(faces: Faces, name: str, mask: bool) -> dict[str, np.ndarray]:
    x = faces[name]["input"].numpy()
    raw = x + SHIFT[name]
    return {"composed": ALPHA * raw + (1 - ALPHA) * x, "raw": raw} if mask else {"raw": raw}


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


Formula = Callable[[np.ndarray], np.ndarray]
POINTWISE: list[tuple[Any, Any, Formula, Formula, Formula]] = [
    (adv.LSGANDiscriminator(), adv.LSGANGenerator(), lambda r: (r - 1) ** 2, lambda f: f**2, lambda f: (f - 1) ** 2),
    (
        adv.StandardDiscriminator(),
        adv.StandardGenerator(),
        lambda r: softplus(-r),
        softplus,
        lambda f: softplus(-f),
    ),
    (
        adv.HingeDiscriminator(),
        adv.HingeGenerator(),
        lambda r: np.maximum(0, 1 - r),
        lambda f: np.maximum(0, 1 + f),
        lambda f: -f,
    ),
    (WassersteinDiscriminator(), WassersteinGenerator(), lambda r: -r, lambda f: f, lambda f: -f),
    (WassersteinDiscriminator(sign=-1), WassersteinGenerator(sign=-1), lambda r: r, lambda f: -f, lambda f: f),
]


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("case", POINTWISE, ids=lambda case: f"{type(case[0]).__name__}")
def test_both_sides_match_the_formula(case: Any, mask: bool, faces: Faces) -> None:
    discriminator, generator, real, fake, fooled = case
    expected_d = expected_g = 0.0
    for n in "AB":
        x, y = faces[n]["input"].numpy(), faces[n]["target"].numpy()
        expected_d += real(scores(y, x)).mean()
        for image in images(faces, n, mask).values():
            expected_d += fake(scores(image, x)).mean()
            expected_g += fooled(scores(image, x)).mean()
    step = step_of(faces, mask)
    assert discriminator(step).item() == pytest.approx(expected_d, rel=1e-9)
    assert generator(step).item() == pytest.approx(expected_g, rel=1e-9)
    assert isinstance(discriminator, LossTerm)
    assert isinstance(generator, LossTerm)


def test_mixtures_are_labelled_by_their_real_share(faces: Faces) -> None:
    step = step_of(faces, mask=True)
    expected_d = expected_g = expected_mixed = 0.0
    for n in "AB":
        x, y = faces[n]["input"].numpy(), faces[n]["target"].numpy()
        share, own = (step.one_beta(f"mixup of judged faces{s}", n, 0.2) for s in ("", ", generator"))
        assert 0 <= share <= 1
        assert own != share  # the generator, where it sees mixtures, sees others than the discriminator
        for image in images(faces, n, True).values():
            expected_d += ((scores(share * y + (1 - share) * image, x) - share) ** 2).mean()
            expected_mixed += ((scores(own * y + (1 - own) * image, x) - (1 - own)) ** 2).mean()
            expected_g += ((scores(image, x) - 1) ** 2).mean()
    assert adv.MixupLSGANDiscriminator()(step).item() == pytest.approx(expected_d, rel=1e-9)
    assert adv.MixupLSGANGenerator()(step).item() == pytest.approx(expected_g, rel=1e-9)
    assert adv.MixupLSGANGenerator(mixed=True)(step).item() == pytest.approx(expected_mixed, rel=1e-9)


def test_relativistic_terms_match_the_specification(faces: Faces) -> None:
    expected_d = expected_g = 0.0
    for n in "AB":
        x, y = faces[n]["input"].numpy(), faces[n]["target"].numpy()
        fakes = images(faces, n, True)
        r, p, q = scores(y, x), scores(fakes["composed"], x), scores(fakes["raw"], x)
        r_bar, q_bar = r.mean(0), q.mean(0)
        expected_d += (((r - 1) ** 2).mean() + (p**2).mean()) / 2
        expected_d += (((r - q_bar - 1) ** 2).mean() + ((q - r_bar) ** 2).mean()) / 2
        expected_g += ((p - 1) ** 2).mean()
        expected_g += (((r - q_bar) ** 2).mean() + ((q - r_bar - 1) ** 2).mean()) / 2
    step = step_of(faces, mask=True)
    assert RelativisticLSGANDiscriminator()(step).item() == pytest.approx(expected_d, rel=1e-9)
    assert RelativisticLSGANGenerator()(step).item() == pytest.approx(expected_g, rel=1e-9)


def test_the_penalty_of_a_linear_critic_is_a_closed_form(faces: Faces) -> None:
    """The gradient of the mean patch score is 0.75 w, whatever the point; in [-1, 1] it is half of that."""
    norm = np.linalg.norm(np.linspace(-0.3, 0.4, 6 * 64).reshape(6, 8, 8)[:3])
    a_face = 2 * (0.75 * norm / 2 - 1) ** 2
    assert GradientPenalty()(step_of(faces)).item() == pytest.approx(a_face, rel=1e-9)
    whole = 2 * (1.5 * norm / 2 * np.sqrt(4) - 1) ** 2  # of the sum over two patches and four faces
    assert GradientPenalty(penalty="batch")(step_of(faces)).item() == pytest.approx(whole, rel=1e-9)


class Quadratic(nn.Module):
    """A critic whose gradient at z is gain * z, so the points where it is taken show."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        return self.gain * faces.square().sum((1, 2, 3), keepdim=True) / 2


def test_the_penalty_is_taken_between_real_and_generated_and_trains_the_critic(faces: Faces) -> None:
    critic = Quadratic()
    step = step_of(faces, critic=critic)
    expected, slope = 0.0, 0.0
    for n in "AB":
        u = step.uniform("gradient penalty raw", n).numpy()[:, None, None, None]
        z = u * faces[n]["target"].numpy() + (1 - u) * images(faces, n, False)["raw"]
        length = np.sqrt((z**2).sum((1, 2, 3))) / 2
        expected += ((0.3 * length - 1) ** 2).mean()
        slope += (2 * (0.3 * length - 1) * length).mean()
    value = GradientPenalty()(step)
    value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-9)
    assert critic.gain.grad is not None
    assert critic.gain.grad.item() == pytest.approx(slope, rel=1e-9)
    assert all(p.grad is None for p in step.networks["generator"].parameters())


def test_the_penalty_is_the_same_inside_autocast(faces: Faces) -> None:
    critic = PerIdentity(("A", "B"), resolution=16, width=0.125)
    small = {n: {k: torch.rand(4, 3, 16, 16) for k in of} for n, of in faces.items()}

    def slopes(enabled: bool) -> list[Tensor]:
        step = step_of(small, critic=critic)
        step.networks["generator"].float()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            value = GradientPenalty()(step)
        learning = [p for n, p in critic.named_parameters() if n.endswith("weight")]
        return [value, *torch.autograd.grad(value, learning)]

    for inside, outside in zip(slopes(True), slopes(False), strict=True):
        assert torch.equal(inside, outside)


@pytest.mark.parametrize("term", [adv.MixupLSGANDiscriminator(), GradientPenalty(), adv.HingeDiscriminator()])
def test_shares_of_odd_shards_add_up(term: LossTerm, faces: Faces) -> None:
    whole = term(step_of(faces)).item()
    shares = sum(term(step_of(faces, rows=rows)).item() for rows in (slice(0, 3), slice(3, 4)))
    assert shares == pytest.approx(whole, rel=1e-12)


def test_swaps_are_judged_beside_the_input_they_come_from(faces: Faces) -> None:
    expected = 0.0
    for n, other in (("A", "B"), ("B", "A")):
        x = faces[other]["input"].numpy()
        expected += ((scores(x + SHIFT[n], x) - 1) ** 2).mean()
    assert adv.LSGANGenerator(judged=["swap"])(step_of(faces)).item() == pytest.approx(expected, rel=1e-9)


def test_history_gets_pairs_and_its_answer_is_judged(faces: Faces) -> None:
    places: list[str] = []

    def black(step: StepContext, place: str, pairs: Tensor) -> Tensor:
        places.append(place)
        return torch.zeros_like(pairs)

    value = adv.LSGANDiscriminator(history=black)(step_of(faces)).item()
    real = sum(((scores(faces[n]["target"].numpy(), faces[n]["input"].numpy()) - 1) ** 2).mean() for n in "AB")
    assert value == pytest.approx(real + 2 * np.mean(np.array([0, 0.2]) ** 2), rel=1e-9)
    assert places == ["A raw", "B raw"]


def test_what_cannot_be_is_refused(faces: Faces) -> None:
    with pytest.raises(UserError, match="needs a mask"):
        adv.LSGANGenerator(judged=["composed"])(step_of(faces))
    with pytest.raises(UserError, match="any of composed, raw, swap; got 'masked'"):
        adv.LSGANGenerator(judged=["masked"])(step_of(faces))
    with pytest.raises(UserError, match="would see no generated image"):
        adv.LSGANGenerator(judged=[])(step_of(faces))
    with pytest.raises(UserError, match="needs at least two identities"):
        adv.LSGANGenerator(judged=["swap"])(step_of({"A": faces["A"]}))
    with pytest.raises(UserError, match="cannot be used with batch norm"):
        GradientPenalty()(step_of(faces, critic=Linear(nn.BatchNorm2d(3))))
    with pytest.raises(UserError, match="sample or batch"):
        GradientPenalty(penalty="patch")
    with pytest.raises(UserError, match="must be above 0; got 0"):
        adv.MixupLSGANDiscriminator(alpha=0)
    with pytest.raises(UserError, match=r"sign .* must be 1 .* or -1 .*; got 2"):
        WassersteinGenerator(sign=2)
