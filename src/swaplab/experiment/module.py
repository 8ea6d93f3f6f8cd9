"""The LightningModule of a config, with all that it is measured and used with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swaplab.data.module import FaceData
from swaplab.data.splits import of_split
from swaplab.experiment.data import model_maker
from swaplab.networks.swap_model import SwapModel
from swaplab.thinning import evenly
from swaplab.training.assemble import ConfiguredModule, build_module

CODES = 512  # faces of each identity from which the moments of its codes are measured


def module_of(config: dict[str, Any], data: FaceData) -> ConfiguredModule:
    """The module of a config for the faces of ``data``, from which `load_data` has made them."""
    return build_module(
        config,
        data.identities,
        data.resolution,
        int(config["budget"]["images"]),
        measure=data.held_out_faces,
        prepare=preparer(data, model_maker(config, data)),
    )


def preparer(data: FaceData, use: Callable[[nn.Module], SwapModel]) -> Callable[[nn.Module], None]:
    """A function that measures the codes of training faces, without noise, for a generator that matches codes."""
    faces: dict[str, Tensor] = {}

    @torch.no_grad()
    def prepare(generator: nn.Module) -> None:
        code_match = getattr(generator, "code_match", None)
        if code_match is None:
            return
        if not faces:
            faces.update({name: some_faces(data, name) for name in data.identities})
        model = use(generator)
        codes = {
            name: torch.cat([model.encode(part.to(model.dtype).div(255), name) for part in images.split(64)])
            for name, images in faces.items()
        }
        code_match.measure(codes)

    return prepare


def some_faces(data: FaceData, name: str) -> Tensor:
    """Evenly spaced training faces of an identity: (n, 3, R, R) uint8."""
    training = of_split(data.split_facesets()[name], "train")
    chosen = training.select(evenly(len(training.records), CODES))
    images = np.ascontiguousarray(data.alignment.region_of(chosen.faces()))
    return torch.from_numpy(images).permute(0, 3, 1, 2)
