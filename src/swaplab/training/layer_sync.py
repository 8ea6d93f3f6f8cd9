"""Lightning's ``sync_batchnorm`` with our `SyncBatchNorm`."""

from lightning.pytorch.plugins import LayerSync
from torch import nn

from swaplab.networks.norm import BatchNorm, SyncBatchNorm

PLAIN = (nn.BatchNorm2d, BatchNorm)


class SyncBatchNorms(LayerSync):
    """Turns every plain batch norm of a model into a `SyncBatchNorm` during the fit.

    Only layers whose class is exactly ``nn.BatchNorm2d`` or our `BatchNorm`: other subclasses have their own forward
    pass, and instance and group norms use single samples. A layer stays the same object, with its parameters,
    statistics, hooks and mode; only its class changes. Lightning applies this if there are several ranks.
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
