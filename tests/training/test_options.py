"""One override changes one thing: every option of every group is built, trained and compared with the default."""

from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
from torch import Tensor

from swaplab.config import tree
from swaplab.config.slots import OF_A_RUN
from swaplab.errors import UserError
from swaplab.experiment.data import load_data
from swaplab.training.assemble import build_module
from swaplab.training.module import SwapModule

CONF = Path(__file__).parents[2] / "conf"
Compose = Callable[[list[str]], dict[str, Any]]

# Not components, or chosen under a name of one's own; whole systems have a test of their own below.
APART = {*OF_A_RUN, "callbacks", "logger", "experiment", "size", "noise/op"}
JUDGED = ["discriminator=per_identity", "loss/adversarial=lsgan"]
POOL = "loss.real_or_fake.history.size=2"
AUXILIARY = ["generator=faceswap_gan", "attention=none", "mask=learned"]

# What an option needs beside it to mean anything. The run that it is compared with has the same, but for OTHERS.
COMPANIONS: dict[str, list[str]] = {
    "loss/adversarial": ["discriminator=per_identity"],
    "loss/adversarial=faceswap_gan_v1": ["discriminator=faceswap_gan_v1"],
    "loss/auxiliary": AUXILIARY,
    "loss/cycle": ["generator/code_match=none"],
    "discriminator": ["loss/adversarial=lsgan"],
    "loss/real_or_fake/history": [*JUDGED, POOL],
    "loss/identity=embedding": ["generator/code_match=none"],
    "mask=faceswap_gan": JUDGED,
    "loss/mask_size": ["mask=learned"],
    "loss/mask_variation": ["mask=learned"],
    "loss/perceptual=faceswap_gan": ["mask=learned"],
    "updates": JUDGED,
    "spectral": JUDGED,
}
OTHERS: dict[str, list[str]] = {
    "loss/adversarial": JUDGED,
    "discriminator": JUDGED,
    "loss/auxiliary": [*AUXILIARY, "loss.auxiliary={_target_: swaplab.losses.reconstruction.Auxiliary, weight: 0}"],
    "loss/real_or_fake/history": JUDGED,
    "loss/mask_size": ["mask=learned", "loss/mask_size=none"],
}
# These work where swaps are made, not where networks are trained; each has its own test.
AT_INFERENCE = {
    ("generator/code_match", "moments"),
    ("generator/code_match", "transport"),
    ("mask", "hull"),
    ("mask", "given"),
}
# Whole networks of other systems, which start as their sources do.
OWN_START = {"generator", "discriminator"}
# These read weights that the user brings.
BROUGHT = {("loss/perceptual", name) for name in ("torchvision", "facenet", "efficientnet_lite")}


def options() -> list[tuple[str, str]]:
    """All (group, option) but those that switch a group off."""
    groups = {group: names for group, names in tree.groups().items() if not {group, group.split("/")[0]} & APART}
    found = [(group, name) for group, names in groups.items() for name in names if name != "none"]
    return [pair for pair in found if pair not in BROUGHT]


class Steps:
    """A module trained for a few steps without a trainer: its start, its end, its gradients."""

    def __init__(self, config: dict[str, Any], steps: int = 3) -> None:
        torch.manual_seed(0)
        _, data = load_data(config)
        module = build_module(config, data.identities, data.resolution, total_images=8 * steps)
        self.start = {name: value.clone() for name, value in module.networks.state_dict().items()}
        self.reached: set[str] = set()
        for name, parameter in module.networks.named_parameters():
            parameter.register_post_accumulate_grad_hook(lambda _, name=name: self.reached.add(name))  # type: ignore[misc]
        self.silent = {name for name, p in module.networks.named_parameters() if p.requires_grad}
        self._train(module, data, steps)
        self.silent -= self.reached
        self.end = module.networks.state_dict()

    @staticmethod
    def _train(module: SwapModule, data: Any, steps: int) -> None:
        optimizers = module.configure_optimizers()
        module.optimizers = MethodType(lambda self: optimizers, module)  # type: ignore[method-assign]
        module.manual_backward = MethodType(lambda self, loss: loss.backward(), module)  # type: ignore[method-assign]
        batches = iter(data.train_dataloader())
        for _ in range(steps):
            module.step(next(batches))
        losses, first_bad = module.meter.report()
        assert first_bad is None, losses


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[k].shape == b[k].shape and torch.equal(a[k], b[k]) for k in a)


def words(folders: dict[str, Path]) -> list[str]:
    """Overrides of a tiny run on these facesets."""
    identities = [f"data.identities.{name}={folders[name]}" for name in "AB"]
    return ["data=facesets", *identities, "size=tiny", "seed=3", "batch_size=4", "workers=0"]


@pytest.fixture(scope="module")
def defaults() -> dict[tuple[str, ...], Steps]:
    """Runs that options are compared with, each made once."""
    return {}


@pytest.mark.parametrize(("group", "option"), options(), ids=lambda value: value)
def test_an_option_trains_and_changes_what_it_says(
    compose: Compose,
    facesets: dict[str, Path],
    large: dict[str, Path],
    defaults: dict[tuple[str, ...], Steps],
    group: str,
    option: str,
) -> None:
    base = [*words(large if group == "loss/auxiliary" else facesets), "~experiment"]
    companions = COMPANIONS.get(f"{group}={option}", COMPANIONS.get(group, []))
    config = compose([*base, *companions, f"{group}={option}"])
    run = Steps(config)
    assert not run.silent, f"no gradient reaches {sorted(run.silent)[:5]}"
    beside = (*base, *OTHERS.get(group, companions))
    default_config = compose(list(beside))
    if beside not in defaults:
        defaults[beside] = Steps(default_config)
    default = defaults[beside]
    for name, value in run.start.items():
        if group not in OWN_START and name in default.start and default.start[name].shape == value.shape:
            assert torch.equal(value, default.start[name]), f"{name} starts elsewhere"
    if default_config != config and (group, option) not in AT_INFERENCE:
        assert not same(run.end, default.end), f"{group}={option} changes nothing"


@pytest.mark.parametrize("experiment", sorted(f.stem for f in (CONF / "experiment").glob("*.yaml")))
def test_every_system_trains(compose: Compose, facesets: dict[str, Path], experiment: str) -> None:
    config = compose([*words(facesets), f"experiment={experiment}"])
    run = Steps(config, steps=max(2, config["updates"]["generator_every"]))
    assert not run.silent, f"no gradient reaches {sorted(run.silent)[:5]}"


@pytest.mark.parametrize(("group", "option"), sorted(BROUGHT))
def test_weights_that_the_user_brings_are_asked_for(
    compose: Compose, facesets: dict[str, Path], group: str, option: str
) -> None:
    with pytest.raises(UserError, match=r"backbone\.file=PATH|install"):
        Steps(compose([*words(facesets), f"{group}={option}"]))


def test_the_page_of_components_is_fresh() -> None:
    import runpy

    page = runpy.run_path(str(CONF.parent / "scripts" / "document_components.py"))["page"]
    fresh = page() == (CONF.parent / "docs" / "components.md").read_text()
    assert fresh, "docs/components.md is stale; run python scripts/document_components.py"
