"""Spectral normalisation: the weight of every layer divided by its largest singular value."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from swaplab.errors import UserError

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
EPS = 1e-12


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value, found by power iteration (Miyato et al. 2018, algorithm 1).

    The weight is read as a matrix with one row per output channel. ``u`` (rows,) is the left singular vector from which
    the iteration starts. A forward pass does not change it; only `advance` does, once per update. So all forward passes
    on the same weights divide by the same number. It depends only on the weights, so it is equal on all ranks.
    """

    u: Tensor

    def __init__(self, weight: Tensor, axis: int = 0, iterations: int = 1) -> None:
        super().__init__()
        self.axis, self.iterations = axis, iterations
        self.register_buffer("u", weight.new_empty(weight.shape[axis]))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ``u`` to a random unit vector."""
        with torch.no_grad():
            self.u.copy_(F.normalize(torch.randn(self.u.shape, dtype=self.u.dtype), dim=0, eps=EPS))

    def forward(self, weight: Tensor) -> Tensor:
        """A weight -> same shape, with a spectral norm of about 1."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = self._matrix(weight)
            u, v = self._singular(matrix.detach())
            return weight / (u @ matrix @ v)

    @torch.no_grad()
    def follow(self, weight: Tensor) -> None:
        """Set ``u`` to the result of the iterations for ``weight``."""
        self.u.copy_(self._singular(self._matrix(weight))[0])

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.axis, 0).flatten(1)

    @torch.no_grad()
    def _singular(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """The left (rows,) and right (columns,) singular vectors after ``iterations`` further steps."""
        u = self.u
        for _ in range(self.iterations):
            v = F.normalize(matrix.T @ u, dim=0, eps=EPS)
            u = F.normalize(matrix @ v, dim=0, eps=EPS)
        return u, v


def advance(network: nn.Module) -> None:
    """Advance the power iteration of every spectral norm in ``network``: once per update, before the optimizer step."""
    for module in network.modules():
        if isinstance(module, parametrize.ParametrizationList):
            for norm in module:
                if isinstance(norm, SpectralNorm):
                    norm.follow(module.original)


def layers_of(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers that spectral normalisation applies to, by path: convolutions and dense layers."""
    for path, module in network.named_modules():
        if isinstance(module, LAYERS):
            yield path, module


def apply(network: nn.Module, iterations: int = 1) -> None:
    """Normalise the weight of every convolution and dense layer of ``network``, in place.

    Call it before parameters are initialised, so that each layer draws the same original weight as without the norm. In
    a state dict, ``X.weight`` becomes ``X.parametrizations.weight.original``; `site_of` maps back. Raises UserError if
    the network has no such layer or ``iterations`` is below 1.
    """
    if iterations < 1:
        raise UserError(f"spectral.iterations must be at least 1; got {iterations}")
    layers = list(layers_of(network))
    if not layers:
        raise UserError(
            f"spectral norm has no effect: {type(network).__name__} has no convolution or dense layer; set "
            f"spectral=none"
        )
    for _, layer in layers:
        axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        parametrize.register_parametrization(
            layer, "weight", SpectralNorm(layer.get_parameter("weight"), axis, iterations)
        )


def site_of(name: str) -> str:
    """The name that a tensor of a state dict has without parametrisations."""
    path, mark, rest = name.partition(".parametrizations.")
    return f"{path}.{rest.removesuffix('.original')}" if mark and rest.endswith(".original") else name
