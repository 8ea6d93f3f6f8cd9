"""Data and evaluation tasks of a config, shared by training and evaluation."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from swaplab.config.build import build
from swaplab.data.module import FaceData
from swaplab.data.sources import Sources, load_sources
from swaplab.data.splits import of_split
from swaplab.errors import UserError
from swaplab.metrics.task import SwapTask, swap_task
from swaplab.metrics.validation import Validation
from swaplab.networks.swap_model import SwapModel, swap_model
from swaplab.sheets import Sheet
from swaplab.training.assemble import check_components, masks_of, parts_of
from swaplab.training.samples import drawer


def build_noise(config: Mapping[str, Any]) -> dict[str, Any]:
    """The noise operations by name, in order, without those set to null; training itself applies ``noise.mixup``."""
    nodes = {name: node for name, node in config["noise"].items() if node is not None and name != "mixup"}
    return {name: build(node, f"noise.{name}") for name, node in nodes.items()}


def load_data(config: dict[str, Any]) -> tuple[Sources, FaceData]:
    """The facesets of a config and its data module.

    Raises UserError for a component that cannot be built, before faces are loaded or rendered.
    """
    noise = build_noise(config)
    check_components(config)
    if len(config["data"]["identities"]) < 2:
        (name,) = config["data"]["identities"]
        raise UserError(f"data.identities has only {name}, but a swap needs two identities; add another one")
    sources = load_sources(config["data"])
    data = FaceData(
        sources.facesets,
        noise,
        seed=config["seed"],
        batch_size=config["batch_size"],
        workers=config["workers"],
        masks=masks_of(config),
        resolution=config["data"].get("resolution"),
        test_clips=config["data"].get("test_clips", ()),
        parts=parts_of(config, tuple(config["data"]["identities"])),
    )
    for split in ("val", "test"):
        tasks = partial(measured_tasks, sources, data, split)
        data.held_out_faces[split] = Validation(tasks, model_maker(config, data), split)
    return sources, data


def model_maker(config: dict[str, Any], data: FaceData) -> Callable[[nn.Module], SwapModel]:
    """A function from a generator to the model that swaps with it, as a config composes and its data are shifted."""
    return lambda generator: swap_model(generator, config, data.colour_shifts())


def directions(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """All ordered pairs of identities."""
    return [(a, b) for a in names for b in names if a != b]


def tasks_of(sources: Sources, data: FaceData, split: str) -> list[SwapTask]:
    """The tasks of a split, one per direction."""
    return [task_of(sources, data, split, a, b) for a, b in directions(data.identities)]


def task_of(sources: Sources, data: FaceData, split: str, source: str, target: str) -> SwapTask:
    """The task of one direction of a split."""
    return swap_task(data.split_facesets(), source, target, split, sources.truth, sources.retrieval)


def measured_tasks(sources: Sources, data: FaceData, split: str) -> list[SwapTask]:
    """The tasks of a split, without retrieval sets, which Lightning's loops do not use."""
    return tasks_of(replace(sources, retrieval={}), data, split)


def sheet_drawer(config: dict[str, Any], sources: Sources, data: FaceData) -> Callable[[nn.Module], Sheet]:
    """A function that makes a generator's sheet of validation faces."""
    truth = {pair: data.alignment.region_of(of_split(swaps, "val").faces()) for pair, swaps in sources.truth.items()}
    return drawer(data, truth, model_maker(config, data))
