"""Spectral normalisation: every layer's weight divided by its largest singular value."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from swaplab.errors import UserError

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
EPS = 1e-12


class SpectralNorm(nn.Module):
    """A weight over its largest singular value, by power iteration (Miyato et al. 2018, algorithm 1).

    The weight is read as a matrix of one row an output channel. ``u`` (rows,) is the left vector that iterations go on
    from. A look at the weight leaves it alone; only `advance` moves it, once an update. So all forwards on the same
    weights divide by the same number, however many there are and in whatever order. It depends on weights alone, so all
    ranks hold the same.
    """

    u: Tensor

    def __init__(self, weight: Tensor, axis: int = 0, iterations: int = 1) -> None:
        super().__init__()
        self.axis, self.iterations = axis, iterations
        self.register_buffer("u", weight.new_empty(weight.shape[axis]))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A random unit vector."""
        with torch.no_grad():
            self.u.copy_(F.normalize(torch.randn(self.u.shape, dtype=self.u.dtype), dim=0, eps=EPS))

    def forward(self, weight: Tensor) -> Tensor:
        """A weight -> the same shape, of spectral norm about 1."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = self._matrix(weight)
            u, v = self._singular(matrix.detach())
            return weight / (u @ matrix @ v)

    @torch.no_grad()
    def follow(self, weight: Tensor) -> None:
        """Move ``u`` to where the iterations for ``weight`` end."""
        self.u.copy_(self._singular(self._matrix(weight))[0])

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.axis, 0).flatten(1)

    @torch.no_grad()
    def _singular(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """The left (rows,) and right (columns,) vectors of the largest singular value, ``iterations`` on."""
        u = self.u
        for _ in range(self.iterations):
            v = F.normalize(matrix.T @ u, dim=0, eps=EPS)
            u = F.normalize(matrix @ v, dim=0, eps=EPS)
        return u, v


def advance(network: nn.Module) -> None:
    """Move the vectors of all spectral norms of ``network`` on, for its weights as they are: once an update, before
    its weights are stepped."""
    for module in network.modules():
        if isinstance(module, parametrize.ParametrizationList):
            for norm in module:
                if isinstance(norm, SpectralNorm):
                    norm.follow(module.original)


def layers_of(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers that spectral normalisation takes, by path: convolutions and dense layers."""
    for path, module in network.named_modules():
        if isinstance(module, LAYERS):
            yield path, module


def apply(network: nn.Module, iterations: int = 1) -> None:
    """Normalise the weight of every convolution and dense layer of ``network``, in place.

    Call it before parameters are initialised: a layer then draws its original weight as without the norm. In a state
    dict ``X.weight`` becomes ``X.parametrizations.weight.original``; `site_of` maps back. UserError if the network has
    no such layer or ``iterations`` is below 1.
    """
    if iterations < 1:
        raise UserError(f"spectral.iterations={iterations} would not move; give 1 or more")
    layers = list(layers_of(network))
    if not layers:
        raise UserError(
            f"spectral norm would do nothing: {type(network).__name__} has no convolution and no dense layer"
        )
    for _, layer in layers:
        axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        parametrize.register_parametrization(
            layer, "weight", SpectralNorm(layer.get_parameter("weight"), axis, iterations)
        )


def site_of(name: str) -> str:
    """The name a tensor of a state dict has without parametrisations."""
    path, mark, rest = name.partition(".parametrizations.")
    return f"{path}.{rest.removesuffix('.original')}" if mark and rest.endswith(".original") else name
