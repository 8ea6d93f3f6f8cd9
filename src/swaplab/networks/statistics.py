"""Which forwards may move the running statistics of normalisation layers."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def tracking(network: nn.Module) -> dict[str, nn.Module]:
    """The layers, by path, that move running statistics in a forward in train mode: those whose
    ``track_running_stats`` is set, torch's batch and instance norms among them."""
    return {p: m for p, m in network.named_modules() if getattr(m, "track_running_stats", False) is True}


@contextmanager
def untracked(network: nn.Module) -> Iterator[None]:
    """Inside, layers normalise by the batch as in training but leave their running statistics alone."""
    layers = tracking(network).values()
    for layer in layers:
        layer.track_running_stats = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True  # type: ignore[assignment]
