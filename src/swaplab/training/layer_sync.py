"""Lightning's ``sync_batchnorm`` in our terms: plain batch norms become batch norms of all ranks for the fit."""

from lightning.pytorch.plugins import LayerSync
from torch import nn

from swaplab.networks.norm import BatchNorm, SyncBatchNorm

PLAIN = (nn.BatchNorm2d, BatchNorm)


class SyncBatchNorms(LayerSync):
    """Makes every plain batch norm of a model a `SyncBatchNorm`, and plain again after the fit.

    Only layers that are exactly a ``nn.BatchNorm2d`` or our `BatchNorm`: another subclass has a forward of its own,
    which must not be lost, and instance and group norms are of single samples anyway. A layer stays the object that it
    was, with its parameters, statistics, hooks and its train or eval mode; what changes is its class. Lightning applies
    it where there are several ranks; on one there is nothing to synchronise.
    """

    def __init__(self) -> None:
        self._plain: list[tuple[nn.Module, type[nn.Module]]] = []

    def apply(self, model: nn.Module) -> nn.Module:
        for layer in model.modules():
            if type(layer) in PLAIN:
                self._plain.append((layer, type(layer)))
                layer.__class__ = SyncBatchNorm
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        while self._plain:
            layer, kind = self._plain.pop()
            layer.__class__ = kind
        return model
