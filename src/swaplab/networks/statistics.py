"""Which forwards may move the running statistics of normalisation layers."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def untracked(network: nn.Module) -> Iterator[None]:
    """Inside, layers normalise by the batch as in training but leave their running statistics alone.

    Works on every layer with ``track_running_stats``, torch's batch and instance norms among them.
    """
    layers = [m for m in network.modules() if getattr(m, "track_running_stats", False) is True]
    for layer in layers:
        layer.track_running_stats = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True  # type: ignore[assignment]
