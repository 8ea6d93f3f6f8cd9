"""The words of a command line, read once and in one way for every command."""

import argparse
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from swaplab.errors import UserError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_TYPED = "as_typed"


@dataclass(frozen=True)
class CommandLine:
    """Flags, and overrides of a config in their order.

    ``folder``: a config folder besides ours. ``several``: whether a sweep is asked for. ``shown``: the part of the
    composed config that is to be printed instead of used, ``package`` of it alone, ``resolved`` with its references.
    """

    overrides: tuple[str, ...]
    folder: str | None = None
    several: bool = False
    shown: str | None = None
    package: str | None = None
    resolved: bool = False

    @classmethod
    def parse(cls, words: Sequence[str]) -> "CommandLine":
        """UserError for a flag that is not known, or lacks its value."""
        parser = _Parser(add_help=False)
        parser.add_argument("overrides", nargs="*")
        parser.add_argument("--config-dir", "-cd", dest="folder")
        parser.add_argument("--multirun", "-m", dest="several", action="store_true")
        parser.add_argument("--cfg", "-c", dest="shown", choices=("job", "hydra", "all"))
        parser.add_argument("--package", "-p", dest="package")
        parser.add_argument("--resolve", dest="resolved", action="store_true")
        found = vars(parser.parse_intermixed_args(list(words)))
        if found["several"] and found["shown"]:
            raise UserError("--cfg shows one config and -m makes several; leave one of them out")
        return cls(**found | {"overrides": tuple(found["overrides"])})


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; a folder of your own configs is named by --config-dir, see --help for the rest")


def parsed(words: Sequence[str]) -> "list[Override]":
    """Overrides as Hydra reads them. Raises HydraException for what it cannot read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    found: list[Override] = OverridesParser.create().parse_overrides(list(words))
    return found


def as_truth(key: str, value: Any) -> bool:
    """A truth value as OmegaConf reads it: true, yes, on, y, 1 and their opposites, in any case. UserError else."""
    from omegaconf import BooleanNode
    from omegaconf.errors import ValidationError

    try:
        return bool(BooleanNode(value, is_optional=False)._value())
    except ValidationError:
        raise UserError(f"{key}={value} is neither true nor false; write {key}=true or leave it out") from None


def quoted(word: str, literal: Collection[str]) -> str:
    """An override of a literal key with its value quoted for Hydra's grammar and OmegaConf's interpolation.

    The value is wrapped in a dictionary: a plain one would choose from the config group of that name, where there is
    one, as there is for a loss term called identity.
    """
    key, sign, value = word.partition("=")
    if not sign or key not in literal:
        return word
    # Interpolations: OmegaConf takes \${ for ${. Quotes: only backslashes before a quote are read as escapes.
    escaped = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", value)
    escaped = re.sub(r'(\\*)("|\Z)', lambda match: match[1] * 2 + ('\\"' if match[2] else ""), escaped)
    return f'{key}={{{_TYPED}: "{escaped}"}}'


def unwrapped(config: dict[str, Any], literal: Collection[str]) -> dict[str, Any]:
    """A config with the values of `quoted` words as they were typed."""
    wrapped = {key: config[key] for key in literal if key in config}
    return config | {k: v[_TYPED] for k, v in wrapped.items() if isinstance(v, dict) and _TYPED in v}
