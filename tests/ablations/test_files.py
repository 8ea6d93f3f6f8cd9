"""Every ablation that ships can be run and decided, and none of its levels is idle."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from swaplab.ablations.cells import Compose, Planned, planned
from swaplab.ablations.plan import Plan
from swaplab.catalogue import CATALOGUE, OF_A_RUN, known
from swaplab.config.compose import composer
from swaplab.experiment.data import build_noise
from swaplab.faces.alignment import Alignment
from swaplab.noise.pipeline import NoisePipeline
from swaplab.runs.statistics import ALPHA, smallest_p
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.dataset import people_of
from swaplab.synthetic.frames import clip_shots
from swaplab.synthetic.profile import profiles
from swaplab.training.assemble import build_module, masks_of

FILES = {file.stem: file for file in sorted((Path(__file__).parents[2] / "conf" / "ablation").glob("*.yaml"))}
# Equal in one process, as a test of theirs shows; so is that they are not over two ranks.
ACROSS_RANKS = {"swaplab.networks.norm.BatchNorm", "swaplab.networks.norm.SyncBatchNorm"}
# What training depends on is all but where its faces come from, and how they are distorted.
OF_DATA = ("data", "noise")


def plan_of(name: str) -> Plan:
    return Plan.parse(name, yaml.safe_load(FILES[name].read_text()))


@pytest.mark.parametrize("name", FILES)
def test_the_plan_can_be_decided(name: str) -> None:
    plan = plan_of(name)
    text = FILES[name].read_text()
    assert text.startswith("# "), "begin with a comment line that says what is asked"
    assert "(statement" in text.split("claim:")[0], "say which statements it is about"
    side = "greater" if plan.contrast.direction == "equal" else "two-sided"
    assert smallest_p(len(plan.seeds), len(plan.comparisons), side) < ALPHA, "these seeds could decide nothing"
    for metric in (plan.metric, *plan.guards):
        if metric.startswith(OF_A_RUN):
            assert known(metric), metric
        else:
            assert "[" in metric or not CATALOGUE[metric].several, f"{metric}: say which"


@pytest.fixture(scope="module")
def compose() -> Compose:
    """Networks of a few channels, small batches; a code (16) that every bottleneck can hold."""

    def small(words: Sequence[str]) -> list[str]:
        latent = ["generator.latent=256"] if any(word.startswith("generator/bottleneck=") for word in words) else []
        return [*words, "size=tiny", "batch_size=2", *latent]

    compose = composer("train")
    return lambda words: compose(small(words))


@pytest.mark.parametrize("name", FILES)
def test_the_verdict_is_about_something(compose: Compose, name: str) -> None:
    """The level that the verdict is about; every other one is in the slow test below."""
    node = yaml.safe_load(FILES[name].read_text())
    plan = plan_of(name)
    kept = {plan.reference, plan.comparisons[0]}
    levels = {level: words for level, words in node["levels"].items() if str(level) in kept}
    check(planned(name, node | {"levels": levels}, [], compose))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FILES if len(plan_of(name).levels) > 2])
def test_no_level_is_idle(compose: Compose, name: str) -> None:
    check(planned(name, yaml.safe_load(FILES[name].read_text()), [], compose))


def check(found: Planned) -> None:
    """`planned` has refused what is undeclared; here it must be more than words in a config."""
    configs = {cell.level: config for cell, config in found.configs.items() if cell.seed == found.plan.seeds[0]}
    reference = configs.pop(found.plan.reference)
    for level, config in configs.items():
        assert differs(reference, config), f"level {level} trains what {found.plan.reference} trains"


def differs(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two runs see other faces, other noise, or do something else with the same; the cheapest first."""
    if one["data"] != other["data"] and any(a != b for a, b in zip(shots(one), shots(other), strict=True)):
        return True
    if one["noise"] != other["noise"] and not same(noisy(one), noisy(other)):
        return True
    if {node_of(one), node_of(other)} == ACROSS_RANKS:
        return one["trainer"]["devices"] > 1
    apart = [
        {key: value for key, value in config.items() if key not in OF_DATA} | {"mixup": config["noise"].get("mixup")}
        for config in (one, other)
    ]
    return apart[0] != apart[1] and not same(trained(one), trained(other))


def node_of(config: dict[str, Any]) -> str:
    return str((config["norm"] or {}).get("_target_"))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def shots(config: dict[str, Any], clips: int = 40) -> Iterator[Any]:
    """What would be rendered of the first clips of both people, and how many clips there are."""
    people = people_of(config["data"]["identities"])
    settings = profiles(config["data"]["profile"], people)
    for index in range(clips):
        for name, who in people.items():
            yield settings[name].clips, clip_shots(Clip(0, name, "train", index, settings[name]), who)


def noisy(config: dict[str, Any]) -> dict[str, Any]:
    """Input and target of both people at some positions."""
    alignment = Alignment(64)
    operations = build_noise(config)
    pipeline = NoisePipeline(operations, alignment, seed=1)
    faces = np.random.default_rng(0).integers(0, 256, (2, alignment.stored, alignment.stored, 3), dtype=np.uint8)
    means = {name: np.array([100.0, 120.0, 140.0]) for name in "AB"}
    pairs = {(name, i): pipeline(name, i, faces[0], None, faces, means) for name in "AB" for i in range(6)}
    return {f"{who}{i}{kind}": getattr(p, kind) for (who, i), p in pairs.items() for kind in ("input", "target")}


def trained(config: dict[str, Any], steps: int = 2) -> dict[str, Any]:
    """All weights after some steps on random pictures."""
    torch.manual_seed(0)
    side, names = config["data"]["resolution"], tuple(config["data"]["identities"])
    module = build_module(config, names, side, total_images=100)
    optimizers = module.configure_optimizers()
    module.optimizers = MethodType(lambda self: optimizers, module)  # type: ignore[method-assign]
    module.manual_backward = MethodType(lambda self, loss: loss.backward(), module)  # type: ignore[method-assign]
    kinds = {"input": 3, "target": 3} | ({"masks": len(masks_of(config))} if masks_of(config) else {})
    rng = np.random.default_rng(0)
    count = config["batch_size"] * module.parts
    for index in range(steps * config["updates"]["generator_every"]):
        faces = {
            name: {
                kind: torch.from_numpy(rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8))
                for kind, channels in kinds.items()
            }
            for name in names
        }
        module.step({"position": torch.arange(count) + index * count, "faces": faces})
    return {name: value.numpy() for name, value in module.networks.state_dict().items()}
