"""What training and evaluation share: the data of a config, and the model that is measured."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from swaplab.config.build import build
from swaplab.config.trust import check_targets
from swaplab.data.module import FaceData
from swaplab.data.sources import Sources, load_sources
from swaplab.errors import UserError
from swaplab.faces.hull import hull_mask
from swaplab.metrics.task import SwapTask, swap_task
from swaplab.metrics.validation import validation
from swaplab.networks.generator import Generator, decoded, matched
from swaplab.networks.pretrained.landmarks import Landmarker
from swaplab.runs.record import RunRecord
from swaplab.training.assemble import masks_of

# What is read of a recorded config, besides what every version of it has had.
_RECORDED = ("size", "code_match", "mask_network", "composed_by", "composition", "data_masks")


def recorded_config(record: RunRecord) -> dict[str, Any]:
    """The config of a run's record. UserError if it may run something foreign, or was written by another version."""
    config = record.config()
    check_targets(config)
    missing = [key for key in _RECORDED if key not in config]
    if missing:
        raise UserError(
            f"{record.folder / 'config.yaml'} lacks {missing[0]}: another version of swaplab made this run; use that "
            f"version, or train the run again"
        )
    return config


def load_data(config: dict[str, Any]) -> tuple[Sources, FaceData]:
    """The facesets of a config, and the module that makes batches of them."""
    sources = load_sources(config["data"])
    noise = {name: build(node, f"noise.{name}") for name, node in config["noise"].items() if node is not None}
    data = FaceData(
        sources.facesets,
        noise,
        seed=config["seed"],
        batch_size=config["batch_size"],
        workers=config["workers"],
        masks=masks_of(config),
        resolution=config["data"].get("resolution"),
        test_clips=config["data"].get("test_clips", ()),
    )
    return sources, data


class SwapModel:
    """A generator as metrics see it: faces in, swapped faces out, without gradients.

    ``composition``: whether the mask composes the result. ``composed_by``: the mask of the faces that does so where
    none is learned: ``face``, which those who measure give, or ``hull``, of landmarks found in the face itself.
    """

    def __init__(self, generator: nn.Module, composed_by: str | None = None, composition: bool = True) -> None:
        self.generator = generator.eval()
        self.composition = composition
        self.given_mask = composition and composed_by == "face"
        self._landmarker = Landmarker() if composition and composed_by == "hull" else None
        self.device, self.dtype = next((p.device, p.dtype) for p in generator.parameters())

    @torch.no_grad()
    def swap(self, faces: Tensor, source: str, target: str) -> tuple[Tensor, Tensor | None, Tensor]:
        """Faces (n, 3, R, R) of ``source`` in [0, 1] -> raw, mask (n, 1, R, R) or None, composed; float32 on CPU."""
        generator = self.generator
        assert isinstance(generator, Generator)
        x = faces.to(self.device, self.dtype, memory_format=torch.channels_last)
        code = matched(generator, generator.encode(x, source), source, target)
        output = decoded(generator, code, target)
        if self._landmarker is not None:
            output = replace(output, mask=_hulls(self._landmarker, faces).to(x))
        if output.mask is None or not self.composition:
            raw = output.raw.float().cpu()
            return raw, None, raw
        return output.raw.float().cpu(), output.mask.float().cpu(), output.composed(x).float().cpu()


def swap_model(generator: nn.Module, config: dict[str, Any]) -> SwapModel:
    """The generator of a run, composed as its config says."""
    return SwapModel(generator, config["composed_by"], config["composition"])


def _hulls(landmarker: Landmarker, faces: Tensor) -> Tensor:
    """Hulls (n, 1, R, R) in [0, 1] of face regions (n, 3, R, R)."""
    points = landmarker.landmarks(faces.float().cpu()).numpy()
    return torch.stack([torch.from_numpy(hull_mask(p, faces.shape[-2:])) for p in points])[:, None] / 255


def directions(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """All ordered pairs of identities."""
    return [(a, b) for a in names for b in names if a != b]


def tasks_of(sources: Sources, data: FaceData, split: str) -> list[SwapTask]:
    """One task a direction of a split."""
    return [task_of(sources, data, split, a, b) for a, b in directions(data.identities)]


def task_of(sources: Sources, data: FaceData, split: str, source: str, target: str) -> SwapTask:
    """The task of one direction of a split."""
    return swap_task(data.split_facesets(), source, target, split, sources.truth, sources.retrieval)


def validation_tasks(sources: Sources, data: FaceData) -> list[SwapTask]:
    """The val split without its retrieval sets: neither training nor the fit of trivial answers reads them."""
    return tasks_of(replace(sources, retrieval={}), data, "val")


def validator(config: dict[str, Any], sources: Sources, data: FaceData) -> Callable[[nn.Module], dict[str, float]]:
    """What training calls now and then: validation values of the averaged generator."""
    tasks = validation_tasks(sources, data)
    return lambda generator: validation(swap_model(generator, config), tasks)
