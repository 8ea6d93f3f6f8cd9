"""Random numbers inside a network (dropout, noise inputs): a pure function of the face and the place, not of the batch.

A layer that draws has an attribute ``draws``, None at first. A training step fills it for one forward with `drawing`;
where nobody fills it, as at inference, the layer leaves its input alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from swaplab.randomness import generator_at


@dataclass(frozen=True)
class Draws:
    """What a layer at ``site`` may draw for n faces, each known by its identity and its position in the run."""

    seed: int
    purpose: str
    faces: Sequence[tuple[str, int]]
    site: str = ""

    def uniform(self, like: Tensor) -> Tensor:
        """Uniform numbers in [0, 1), float32 of the shape and device of ``like`` (n, ...)."""
        return self._drawn(like, lambda generator, shape: generator.random(shape, np.float32))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal numbers, float32 of the shape and device of ``like`` (n, ...)."""
        return self._drawn(like, lambda generator, shape: generator.standard_normal(shape, np.float32))

    def _drawn(
        self, like: Tensor, draw: Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float32]]
    ) -> Tensor:
        if len(like) != len(self.faces):
            raise ValueError(f"{self.site} draws for {len(like)} faces, but the step has {len(self.faces)}")
        rows = [
            draw(generator_at(self.seed, "model", self.purpose, self.site, identity, position), tuple(like.shape[1:]))
            for identity, position in self.faces
        ]
        return torch.from_numpy(np.stack(rows)).to(like.device)


@contextmanager
def drawing(network: nn.Module, draws: Draws) -> Iterator[None]:
    """Inside, the layers of ``network`` that draw do so from ``draws``, each at its own site; may be nested.

    A network in eval mode draws nothing. The wrapper name that an attention adds to a path is no part of a site.
    """
    layers = [(path, m) for path, m in network.named_modules() if hasattr(m, "draws")] if network.training else []
    before = [layer.draws for _, layer in layers]
    for path, layer in layers:
        site = ".".join(part for part in path.split(".") if part != "attended")
        layer.draws = Draws(draws.seed, draws.purpose, draws.faces, site)
    try:
        yield
    finally:
        for (_, layer), old in zip(layers, before, strict=True):
            layer.draws = old


class KeyedDropout(nn.Module):
    """Dropout (Srivastava et al. 2014) whose zeros are keyed by the face, so that ranks and resume do not matter.

    Shape: (n, ...) -> same. A unit is 0 with probability ``p``, else divided by 1 - p. Off at inference.
    """

    draws: Draws | None

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p, self.draws = p, None

    def forward(self, x: Tensor) -> Tensor:
        return x if self.draws is None else x * (self.draws.uniform(x) >= self.p) / (1 - self.p)
