"""A module that steps without a trainer."""

from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch

from swaplab.losses.reconstruction import L1
from swaplab.losses.settings import StepSettings
from swaplab.training.module import SwapModule
from swaplab.training.updates import Joint


@pytest.fixture
def driven() -> Callable[[SwapModule], list[torch.optim.Optimizer]]:
    """Gives a module its optimisers, so that ``training_step`` can be called; returns them in the order of updates."""

    def drive(module: SwapModule) -> list[torch.optim.Optimizer]:
        optimizers = module.configure_optimizers()
        module.optimizers = MethodType(lambda self: optimizers, module)  # type: ignore[method-assign]
        module.manual_backward = MethodType(lambda self, loss: loss.backward(), module)  # type: ignore[method-assign]
        return optimizers

    return drive


@pytest.fixture
def step_once(driven: Callable[[SwapModule], object]) -> Callable[..., None]:
    """Steps a generator of A and B once with an L1 loss: (generator, optimizer, batch, arguments of SwapModule)."""

    def step(network: torch.nn.Module, optimizer: Any, batch: dict[str, Any], **more: Any) -> None:
        module = SwapModule(
            {"generator": network},
            {"l1": L1()},
            Joint(),
            {"generator": optimizer},
            identities=("A", "B"),
            settings=StepSettings(2),
            total_images=100,
            **more,
        )
        driven(module)
        module.step(batch)

    return step


@pytest.fixture
def random_batch() -> Callable[..., dict[str, Any]]:
    """Batches of random pictures: (identities, faces an identity, side, seed)."""

    def draw(identities: tuple[str, ...], count: int, side: int = 64, seed: int = 0) -> dict[str, Any]:
        rng = np.random.default_rng(seed)

        def images() -> torch.Tensor:
            return torch.from_numpy(rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8))

        faces = {name: {"input": images(), "target": images()} for name in identities}
        return {"position": torch.arange(count) + seed * count, "faces": faces}

    return draw
