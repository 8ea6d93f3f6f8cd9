"""Which forward passes may update the running statistics of normalisation layers."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def tracking(network: nn.Module) -> dict[str, nn.Module]:
    """The layers, by path, that update running statistics in train mode: those with ``track_running_stats`` set, such
    as torch's batch and instance norms."""
    return {path: layer for path, layer in network.named_modules() if tracks(layer)}


def tracks(layer: nn.Module) -> bool:
    """Whether a layer updates running statistics in train mode."""
    return getattr(layer, "track_running_stats", False) is True


@contextmanager
def untracked(network: nn.Module) -> Iterator[None]:
    """A context in which layers normalise by the batch, as in training, without updating their running statistics."""
    layers = tracking(network).values()
    for layer in layers:
        layer.track_running_stats = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True  # type: ignore[assignment]
