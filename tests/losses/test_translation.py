"""Losses on masks, cycles, sameness and embeddings, and mixup, against their formulas."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.mask import MaskHinge, MaskSize, MaskVariation
from swaplab.losses.mixup import Mixup
from swaplab.losses.reconstruction import L1
from swaplab.losses.settings import StepSettings
from swaplab.losses.term import LossTerm
from swaplab.losses.translation import Cycle, IdentityEmbedding, Recogniser, Sameness
from swaplab.networks.protocols import SwapOutput

GAIN = {"A": 0.9, "B": 0.7, "C": 0.5}
Faces = dict[str, dict[str, Tensor]]


class Scaled(nn.Module):
    """A generator that scales by identity; its mask is the red channel."""

    shared_encoder = True

    def __init__(self, mask: bool = True) -> None:
        super().__init__()
        self.identities = tuple(GAIN)
        self.mask = mask
        self.seen: list[Tensor] = []

    def encode(self, faces: Tensor, source: str) -> Tensor:
        self.seen.append(faces)
        return faces**2

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        raw = GAIN[target] * code
        return SwapOutput(raw, raw[:, :1] if self.mask else None)


@pytest.fixture
def faces() -> Faces:
    rng = np.random.default_rng(0)
    return {n: {k: torch.from_numpy(rng.random((4, 3, 8, 8))) for k in ("input", "target")} for n in "AB"}


def step_of(
    faces: Faces, mask: bool = True, rows: slice = slice(None), mixup: Mixup | None = None, progress: float = 0.5
) -> StepContext:
    part = {n: {k: v[rows] for k, v in of.items()} for n, of in faces.items()}
    settings = StepSettings(4, seed=5, mixup=mixup)
    return StepContext({"generator": Scaled(mask)}, part, torch.arange(4)[rows], progress, settings)


def alpha(faces: Faces, name: str) -> np.ndarray:
    return GAIN[name] * faces[name]["input"].numpy()[:, :1] ** 2


def test_mask_losses_match_the_formula(faces: Faces) -> None:
    masks = [alpha(faces, n) for n in "AB"]
    assert MaskSize()(step_of(faces)).item() == pytest.approx(sum(m.mean() for m in masks))
    hinge = sum(np.maximum(0, 0.4 - m).mean() for m in masks)
    assert MaskHinge(margin=0.4)(step_of(faces)).item() == pytest.approx(hinge)
    scheduled = MaskHinge(margin=lambda progress: 0.8 * progress)
    assert scheduled(step_of(faces, progress=0.5)).item() == pytest.approx(hinge)
    variation = sum(
        np.abs(np.diff(m, axis=2)[..., :-1]).mean() + np.abs(np.diff(m, axis=3)[:, :, :-1]).mean() for m in masks
    )
    assert MaskVariation()(step_of(faces)).item() == pytest.approx(variation)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (MaskSize(), "needs a mask"),
        (MaskHinge(), "needs a mask"),
        (MaskVariation(), "needs a mask"),
        (Cycle(alpha=0.1), "needs a mask"),
        (L1(image="composed"), "needs a mask"),
    ],
)
def test_without_a_mask_they_are_refused(term: LossTerm, message: str, faces: Faces) -> None:
    with pytest.raises(UserError, match=message):
        term(step_of(faces, mask=False))


def test_cycles_go_there_and_back(faces: Faces) -> None:
    for clean, start in ((True, "target"), (False, "input")):
        expected = expected_alpha = 0.0
        for name, via in (("A", "B"), ("B", "A")):
            there = GAIN[via] * faces[name][start].numpy() ** 2
            back = GAIN[name] * there**2
            expected += np.abs(back - faces[name]["target"].numpy()).mean()
            expected_alpha += 0.1 * np.abs(back[:, :1] - there[:, :1]).mean()
        assert Cycle(clean=clean)(step_of(faces)).item() == pytest.approx(expected)
        with_alpha = Cycle(clean=clean, alpha=0.1)(step_of(faces)).item()
        assert with_alpha == pytest.approx(expected + expected_alpha)


def test_sameness_compares_clean_faces_with_themselves(faces: Faces) -> None:
    targets = {n: faces[n]["target"].numpy() for n in "AB"}
    expected = sum(np.abs(GAIN[n] * t**2 - t).mean() for n, t in targets.items())
    assert Sameness()(step_of(faces)).item() == pytest.approx(expected)


class Corners(nn.Module):
    """Descriptors made of a few pixels."""

    def forward(self, faces: Tensor) -> Tensor:
        return faces[:, :, :2, 0].flatten(1) - 0.5


def test_swaps_are_drawn_to_the_mean_descriptor_of_whom_they_show(faces: Faces) -> None:
    term = IdentityEmbedding(recogniser=Recogniser(Corners))
    expected = 0.0
    for name, other in (("A", "B"), ("B", "A")):
        real = Corners()(faces[name]["target"]).mean(0)
        x = faces[other]["input"]
        raw = GAIN[name] * x**2
        shown = raw[:, :1] * raw + (1 - raw[:, :1]) * x
        expected += float((1 - F.cosine_similarity(Corners()(shown), real[None])).mean())
    assert term(step_of(faces)).item() == pytest.approx(expected)
    assert term.pretrained[0].startswith("dlib128:")


def test_the_recogniser_is_frozen_and_sends_gradients_to_faces() -> None:
    recogniser = Recogniser()
    pictures = torch.rand(2, 3, 64, 64, requires_grad=True)
    recogniser(pictures).square().sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0
    assert recogniser._network is not None
    assert not any(p.requires_grad for p in recogniser._network.parameters())


@pytest.mark.parametrize("term", [Cycle(), IdentityEmbedding(recogniser=Recogniser(Corners))])
def test_one_identity_is_refused(term: LossTerm, faces: Faces) -> None:
    with pytest.raises(UserError, match="needs a second identity"):
        term(step_of({"A": faces["A"]}))


def test_mixup_of_images_mixes_what_goes_in_and_what_shall_come_out(faces: Faces) -> None:
    step = step_of(faces, mixup=Mixup("images", 0.4))
    share = step.beta("mixup", "A", 0.4).view(-1, 1, 1, 1)
    for kind, shown in (("input", step.input("A")), ("target", step.target("A"))):
        rows = faces["A"][kind]
        torch.testing.assert_close(shown, share * rows + (1 - share) * rows.roll(-1, 0))
    torch.testing.assert_close(step.reconstruction("A").raw, GAIN["A"] * step.input("A") ** 2)


def test_mixup_of_codes_leaves_the_encoder_alone(faces: Faces) -> None:
    step = step_of(faces, mixup=Mixup("codes", 0.4))
    share = step.beta("mixup", "B", 0.4).view(-1, 1, 1, 1)
    codes = faces["B"]["input"] ** 2
    torch.testing.assert_close(step.code("B"), share * codes + (1 - share) * codes.roll(-1, 0))
    seen = step.generator.seen  # type: ignore[attr-defined]
    assert torch.equal(seen[0], torch.cat([faces["A"]["input"], faces["B"]["input"]]))
    targets = faces["B"]["target"]
    torch.testing.assert_close(step.target("B"), share * targets + (1 - share) * targets.roll(-1, 0))


def test_bad_mixups_are_refused() -> None:
    with pytest.raises(UserError, match="images or codes"):
        Mixup("labels")
    with pytest.raises(UserError, match="must be above 0; got 0"):
        Mixup("images", 0)
