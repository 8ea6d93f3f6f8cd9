"""Random numbers inside a network (dropout, noise inputs): a pure function of face and site, not of the batch.

A layer that draws has an attribute ``draws``, initially None. A training step sets it for one forward pass with
`drawing`. While it is None, as at inference, the layer returns its input unchanged.
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
    """Random numbers of a layer at ``site`` for n faces, each given by its identity and its position in the run."""

    seed: int
    purpose: str
    faces: Sequence[tuple[str, int]]
    site: str = ""

    def uniform(self, like: Tensor) -> Tensor:
        """Uniform numbers in [0, 1), float32, with the shape and device of ``like`` (n, ...)."""
        return self._drawn(like, lambda generator, shape: generator.random(shape, np.float32))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal numbers, float32, with the shape and device of ``like`` (n, ...)."""
        return self._drawn(like, lambda generator, shape: generator.standard_normal(shape, np.float32))

    def _drawn(
        self, like: Tensor, draw: Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float32]]
    ) -> Tensor:
        if len(like) != len(self.faces):
            raise ValueError(f"{self.site} got {len(like)} faces, but the step has {len(self.faces)}")
        rows = [
            draw(generator_at(self.seed, "model", self.purpose, self.site, identity, position), tuple(like.shape[1:]))
            for identity, position in self.faces
        ]
        return torch.from_numpy(np.stack(rows)).to(like.device)


def draws_numbers(layer: nn.Module) -> bool:
    """Whether a layer draws random numbers in train mode."""
    return hasattr(layer, "draws")


@contextmanager
def drawing(network: nn.Module, draws: Draws) -> Iterator[None]:
    """A context in which the layers of ``network`` draw from ``draws``, each at its own site; may be nested.

    A network in eval mode draws nothing. A site's name leaves out the wrapper that an attention adds to the path.
    """
    layers = [(path, m) for path, m in network.named_modules() if draws_numbers(m)] if network.training else []
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
    """Dropout (Srivastava et al. 2014) keyed by the face, so that it does not depend on ranks or on resuming.

    Shape: (n, ...) -> same. Each unit is 0 with probability ``p``, else divided by 1 - p. Off at inference.
    """

    draws: Draws | None

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p, self.draws = p, None

    def forward(self, x: Tensor) -> Tensor:
        return x if self.draws is None else x * (self.draws.uniform(x) >= self.p) / (1 - self.p)
