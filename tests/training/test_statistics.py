"""What moves running statistics and vectors of spectral norms: the forwards a plan names, whatever asks, and when."""

import copy
import itertools
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.settings import StepSettings
from swaplab.networks.norm import BatchNorm
from swaplab.networks.protocols import SwapOutput
from swaplab.training.assemble import build_module
from swaplab.training.module import SwapModule

Compose = Callable[[list[str]], dict[str, Any]]
Drive = Callable[[SwapModule], list[torch.optim.Optimizer]]
IDENTITIES = ("A", "B")

SYSTEMS = (
    "quick",
    "cyclegan",
    "deepfakes_2017",
    "deepfakes_improved",
    "faceswap_gan",
    "faceswap_gan_corrected",
    "faceswap_gan_v1",
    "intermediate",
    "pix2pix_conditional",
    "sagan",
    "single_refiner",
    "style_decoder",
    "wgan_gp_2018",
)
NORMS = ("batch", "sync_batch", "group")
SPECTRAL = ("none", "generator", "both")
# Losses that ask for more: each beside those that a system has.
MORE = {
    "embedding": ["loss/identity=embedding"],
    "cycle": ["loss/cycle=l1"],
    "noisy cycle": ["loss/cycle=l1", "loss.cycle.clean=false"],
    "judged": ["discriminator=per_identity", "loss/adversarial=lsgan", "loss.adversarial.judged=[raw,swap]"],
}
# An encoder for both in four optimisers, and translators that are trained on swaps.
FEW = [
    (
        "quick updates=four_adams joint_pass=false discriminator=per_identity loss/adversarial=lsgan",
        "batch",
        "generator",
    ),
    ("cyclegan", "sync_batch", "both"),
]
ALL = list(itertools.product(SYSTEMS, NORMS, SPECTRAL))


def module_of(compose: Compose, words: list[str]) -> SwapModule | None:
    """The module of a config, whose weights never move; None where the config is refused."""
    config = compose([*words, "size=tiny", "batch_size=2", "data.resolution=64"])
    if "code_match" in config["generator"]:  # only where there are codes
        config["generator"]["code_match"] = None
    try:
        module = build_module(config, IDENTITIES, 64, 1000)
    except UserError:
        return None
    module.factories = {name: partial(torch.optim.SGD, lr=0.0) for name in module.factories}
    return module


def words_of(system: str, norm: str, spectral: str) -> list[str]:
    words = [*f"experiment={system}".split(), f"norm={norm}", f"spectral={spectral}"]
    return words + (["loss/perceptual=none"] if system.startswith("faceswap_gan") else [])


def batch_of(module: SwapModule) -> dict[str, Any]:
    random, count = torch.Generator().manual_seed(1), 2 * module.parts

    def images(channels: int) -> Tensor:
        return torch.randint(0, 256, (count, channels, 64, 64), dtype=torch.uint8, generator=random)

    kinds = {"input": 3, "target": 3} | ({"masks": len(module.settings.masks)} if module.settings.masks else {})
    return {"position": torch.arange(count), "faces": {n: {k: images(c) for k, c in kinds.items()} for n in IDENTITIES}}


def moved(module: SwapModule, driven: Drive, backwards: bool = False) -> dict[str, Tensor]:
    """The buffers of all networks after a step, with the losses in their order or the other way round."""
    module = copy.deepcopy(module)
    if backwards:
        module.terms = dict(reversed(module.terms.items()))
    driven(module)
    for _ in range(max(update.every for update in module.updates)):
        module.step(batch_of(module))
    return {name: buffer.clone() for name, buffer in module.networks.named_buffers()}


def check(compose: Compose, driven: Drive, system: str, norm: str, spectral: str) -> bool:
    """Whether there is such a run; its statistics must be those of its plan."""
    words = words_of(system, norm, spectral)
    module = module_of(compose, words)
    if module is None:
        return False
    before = {name: buffer.clone() for name, buffer in module.networks.named_buffers()}
    plain = moved(module, driven)
    assert plain.keys() == before.keys()
    for name, buffer in plain.items():
        if name.endswith("num_batches_tracked") and name.startswith("generator."):
            assert buffer > 0, f"{name} is evaluated as it began"
        if name.endswith(".u") and len(buffer) > 1 and f"spectral={spectral}" != "spectral=none":
            assert not torch.equal(buffer, before[name]), f"{name} stays where it began"
    for name, buffer in moved(module, driven, backwards=True).items():
        assert torch.equal(buffer, plain[name]), f"{name} depends on which loss asks first"
    for what, more in MORE.items():
        if what == "judged" and "discriminator" in module.networks:
            continue
        other = module_of(compose, [*words, *more])
        if other is None:
            continue
        for name, buffer in moved(other, driven, backwards=True).items():
            if name.startswith("generator."):
                assert torch.equal(buffer, plain[name]), f"{what} moves {name}"
    return True


@pytest.mark.parametrize(("system", "norm", "spectral"), FEW)
def test_losses_and_their_order_move_nothing(
    compose: Compose, driven: Drive, system: str, norm: str, spectral: str
) -> None:
    assert check(compose, driven, system, norm, spectral)


@pytest.mark.slow
@pytest.mark.parametrize(("system", "norm", "spectral"), [c for c in ALL if c not in FEW])
def test_losses_and_their_order_move_nothing_anywhere(
    compose: Compose, driven: Drive, system: str, norm: str, spectral: str
) -> None:
    if not check(compose, driven, system, norm, spectral):
        pytest.skip("this system has no place for them")


class Shared(nn.Module):
    """An encoder and a decoder for all, with batch norm in both."""

    shared_encoder = True

    def __init__(self, identities: tuple[str, ...]) -> None:
        super().__init__()
        self.identities = identities
        parts = OrderedDict(conv=nn.Conv2d(3, 3, 1), norm=BatchNorm(3))
        self.inside, self.outside = nn.Sequential(parts), nn.Sequential(copy.deepcopy(parts))

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return self.inside(faces)

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(self.outside(code))


@pytest.mark.parametrize("identities", [("A", "B"), ("A", "B", "C")])
@pytest.mark.parametrize("kind", ["reconstruction", "swap"])
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("about", [None, ("B",)])
def test_any_order_of_asking_gives_the_same_statistics(
    identities: tuple[str, ...], kind: str, joint: bool, about: tuple[str, ...] | None
) -> None:
    torch.manual_seed(0)
    start = Shared(identities)
    faces = {n: {k: torch.rand(2, 3, 4, 4) for k in ("input", "target")} for n in identities}
    settings = StepSettings(2, joint=joint, tracked=frozenset({"encode", kind}))
    owners = about or identities
    # what any loss of this update must ask for, so that the forwards are those that tracked_forwards names
    named = [("reconstruction", n) for n in owners] if kind == "reconstruction" else []
    named += [("swap", s, t) for t in owners for s in identities if s != t] if kind == "swap" else []
    others = [("code", n) for n in owners] + [("swap", s, t) for s, t in itertools.permutations(identities, 2)]
    others += [("cycle", s, t) for s, t in itertools.permutations(identities, 2)] + [("resemblance", identities[0])]
    others += [("cycle", *identities[:2], True), ("reconstruction", identities[0])]
    random = torch.Generator().manual_seed(0)
    found = []
    for trial in range(12):
        network = copy.deepcopy(start)
        step = StepContext({"generator": network}, faces, torch.arange(2), 0.0, settings)
        asked = named + [("code", n) for n in owners] if trial == 0 else named + others
        order = torch.randperm(len(asked), generator=random).tolist() if trial > 1 else range(len(asked))
        with step.update("generator", about):
            for place in order:
                method, *arguments = asked[place]
                getattr(step, method)(*arguments)
        found.append({name: value.clone() for name, value in network.named_buffers()})
    assert found[0]["outside.norm.num_batches_tracked"] == len(named)
    assert found[0]["inside.norm.num_batches_tracked"] == (1 if joint else len(owners))
    for other in found[1:]:
        assert all(torch.equal(value, found[0][name]) for name, value in other.items())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["experiment=cyclegan", "norm=batch", "tracked_forwards=[encode]"],
            "no step updates.*encode,swap",
        ),
        (["norm=batch", "tracked_forwards=[]", "generator/code_match=none"], "no step updates.*choose norm=group"),
        (
            ["norm=batch", "tracked_forwards=[encode,judgement]", "generator/code_match=none"],
            "decoders.A.*no step",
        ),
        (["tracked_forwards=[reconstruction,swap]"], "keep the one"),
        (["loss/identity=embedding"], "loss.identity uses swaps.*generator/code_match=none"),
        (["loss/cycle=l1"], "loss.cycle uses swaps"),
        (
            ["discriminator=per_identity", "loss/adversarial=lsgan", "loss.real_or_fake.judged=[swap]"],
            "loss.real_or_fake uses swaps",
        ),
    ],
)
def test_what_would_be_used_as_it_is_not_trained_is_refused(compose: Compose, words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build_module(compose(["size=tiny", "batch_size=2", *words]), IDENTITIES, 64, 1000)


def test_a_rehearsal_leaves_nothing_behind(compose: Compose) -> None:
    words = ["experiment=cyclegan", "norm=batch", "spectral=both", "size=tiny", "batch_size=2"]
    module = build_module(compose(words), IDENTITIES, 64, 1000)
    assert module.networks.training
    assert not any(b.any() for n, b in module.networks.named_buffers() if n.endswith("num_batches_tracked"))
    assert not any(history.state() for history in module.memories().values())
    assert module.meter.report() == ({}, None)
    assert not any(p.grad is not None for p in module.networks.parameters())
