"""Parameter groups: settings of an optimiser for some parameters of its network, chosen by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from swaplab.errors import UserError
from swaplab.networks import spectral

Named = Sequence[tuple[str, nn.Parameter]]  # in the order of the network


@dataclass(frozen=True)
class Group:
    """Parameters whose name fits one of the patterns ``match``, and the ``settings`` of the optimiser for them.

    A pattern names consecutive parts of a parameter's dotted name; * stands for any characters of a part. So ``bias``
    and ``encoder.down*`` both fit ``encoder.down1.conv.bias``.
    """

    match: tuple[str, ...]
    settings: Mapping[str, Any]

    def fits(self, name: str) -> bool:
        """Whether one of the patterns fits a parameter's name."""
        return any(fits(name, pattern) for pattern in self.match)


def fits(name: str, pattern: str) -> bool:
    """Whether a pattern fits a parameter's name, in which a parametrised weight has its plain name."""
    parts, wanted = spectral.site_of(name).split("."), pattern.split(".")
    starts = range(len(parts) - len(wanted) + 1)
    return any(all(map(fnmatchcase, parts[start : start + len(wanted)], wanted)) for start in starts)


def grouped(named: Named, groups: Sequence[Group]) -> list[nn.Parameter] | list[dict[str, Any]]:
    """What an optimiser takes: first the parameters that fit no group, then each group; the first that fits counts.

    Without groups it is a plain list. Groups without parameters are left out.
    """
    if not groups:
        return [parameter for _, parameter in named]
    whose = [next((i for i, group in enumerate(groups) if group.fits(name)), -1) for name, _ in named]
    found = [[p for (_, p), its in zip(named, whose, strict=True) if its == i] for i in range(-1, len(groups))]
    settings: list[Mapping[str, Any]] = [{}, *(group.settings for group in groups)]
    return [{"params": own, **its} for own, its in zip(found, settings, strict=True) if own]


def check_groups(network: nn.Module, name: str, groups: Sequence[Group]) -> None:
    """Raise UserError for a pattern that no parameter of the network ``name`` fits, or only one of earlier groups."""
    left = [path for path, parameter in network.named_parameters() if parameter.requires_grad]
    for i, group in enumerate(groups):
        for pattern in group.match:
            if not any(fits(path, pattern) for path in left):
                parts = sorted({part for path in left for part in spectral.site_of(path).split(".")[-2:]})
                raise UserError(
                    f"optimizer.{name}.groups[{i}].match has {pattern!r}, but no parameter that is left for this group "
                    f"has it in its name; choose from {', '.join(parts[:20])}, or remove it"
                )
        left = [path for path in left if not group.fits(path)]
