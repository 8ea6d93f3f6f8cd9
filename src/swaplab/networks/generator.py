"""The interface of generators: encode a face, decode it as an identity."""

from dataclasses import dataclass, field, replace
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
    """Any ``nn.Module`` with these members. A translation model fits: its ``encode`` returns its input.

    ``identities``: the names that it can decode. ``shared_encoder``: True if ``encode`` does not depend on ``source``,
    so that one call can encode faces of several identities.
    """

    identities: tuple[str, ...]
    shared_encoder: bool

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The code of faces (n, 3, R, R) in [0, 1] of ``source``; any shape (n, ...)."""
        ...

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """A code decoded as ``target``."""
        ...


def matched(generator: Generator, code: Tensor, source: str, target: str) -> Tensor:
    """A code of ``source`` mapped to the distribution of codes of ``target``, if the generator has a ``code_match``."""
    code_match = getattr(generator, "code_match", None)
    return code if code_match is None else code_match(code, source, target)


def decoded(generator: Generator, code: Tensor, target: str) -> SwapOutput:
    """A code decoded as ``target``, with the alpha of the generator's ``mask_network`` if it has one."""
    output = generator.decode(code, target)
    mask_network = getattr(generator, "mask_network", None)
    return output if mask_network is None else replace(output, mask=mask_network(code, target))


def swapped(generator: Generator, faces: Tensor, source: str, target: str) -> SwapOutput:
    """Faces (n, 3, R, R) of ``source`` in [0, 1], encoded, with matched codes, decoded as ``target``."""
    return decoded(generator, matched(generator, generator.encode(faces, source), source, target), target)
