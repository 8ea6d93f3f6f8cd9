"""What a network or a layer must offer to stand in a config; any ``nn.Module`` with these members fits.

No base class is needed. `swaplab.networks.contract` has a check for each. Dimensions: n faces, R pixels a side.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class SwapOutput:
    """A decoder's output for n faces.

    ``raw``: (n, 3, R, R) colours in [0, 1]. ``mask``: (n, 1, R, R) alpha in [0, 1], or None without a mask. ``aux``:
    further outputs by name, such as colours at lower resolutions.
    """

    raw: Tensor
    mask: Tensor | None = None
    aux: dict[str, Tensor] = field(default_factory=dict)

    def composed(self, background: Tensor) -> Tensor:
        """``mask * raw + (1 - mask) * background`` (n, 3, R, R); ``raw`` without a mask."""
        return self.raw if self.mask is None else self.mask * self.raw + (1 - self.mask) * background


@runtime_checkable
class Generator(Protocol):
    """The network that swaps, built with ``identities=`` and ``resolution=``. A translation model fits: its ``encode``
    returns its input.

    ``identities``: the names that it can decode. ``shared_encoder``: True if ``encode`` does not depend on ``source``,
    so that one call can encode faces of several identities.
    """

    identities: tuple[str, ...]
    shared_encoder: bool

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The code of faces (n, 3, R, R) in [0, 1] of ``source``; any shape (n, ...)."""
        ...

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """A code decoded as ``target``. In training, colours may leave [0, 1]; in eval mode they may not."""
        ...


@runtime_checkable
class Discriminator(Protocol):
    """The network that tells real from generated faces, built with ``identities=`` and ``resolution=``.

    One with scores in [0, 1] has ``sigmoid = True``.
    """

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        """Scores (n, k, h, w), any real number; higher means more like a real face of ``identity``.

        ``faces``: (n, 3, R, R) in [0, 1]. ``condition``: the generator's input (n, 3, R, R) in [0, 1], used by
        conditional discriminators.
        """
        ...


class Norm(Protocol):
    """A normalisation layer, built with the number of channels as its first argument."""

    def __call__(self, features: Tensor) -> Tensor:
        """Features (n, channels, h, w), any real number -> the same shape."""
        ...


class Attention(Protocol):
    """An attention layer, built with the number of channels as its first argument; each site has its own."""

    def __call__(self, features: Tensor) -> Tensor:
        """Features (n, channels, h, w), any real number -> the same shape."""
        ...


class Mask(Protocol):
    """A mask head, built with the number of channels as its first argument; it follows a decoder's last features."""

    def __call__(self, features: Tensor) -> Tensor:
        """Features (n, channels, h, w), any real number -> alpha (n, 1, h, w) in [0, 1]: 1 shows the swapped face."""
        ...


class MaskNetwork(Protocol):
    """A network that makes the mask from the code, for any generator.

    Built with ``identities=``, ``resolution=`` and ``shape=``, the shape of one code.
    """

    def __call__(self, code: Tensor, target: str) -> Tensor:
        """Codes (n, ...) decoded as ``target`` -> alpha (n, 1, R, R) in [0, 1]."""
        ...
