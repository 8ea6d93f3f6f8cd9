"""Use of a generator: match codes, decode them with the mask, swap faces."""

from dataclasses import replace

from torch import Tensor

from swaplab.networks.protocols import Generator, SwapOutput


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
