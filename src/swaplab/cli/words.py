"""The words of a command line that Hydra composes: flags and overrides, read once and in one place."""

import argparse
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from swaplab.errors import UserError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


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

    def with_names(self, keys: Collection[str]) -> "CommandLine":
        """With the values of names and paths as text, also where Hydra's grammar reads something else.

        ``lr=1e-4/a``, ``[b]``, ``1e4`` and ``c, d`` are names as good as others. What Hydra reads as text, as null or
        as a mapping stays as it is, and in a sweep so does what it reads as several values. ``key.*`` are the keys
        below one.
        """
        names = [_key(word) in keys or f"{_key(word).rpartition('.')[0]}.*" in keys for word in self.overrides]
        words = [_as_text(w, self.several) if n else w for w, n in zip(self.overrides, names, strict=True)]
        return replace(self, overrides=tuple(words))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; a folder of your own configs is named by --config-dir, see --help for the rest")


def parsed(words: Sequence[str]) -> "list[Override]":
    """Overrides as Hydra reads them. Raises HydraException for what it cannot read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    found: list[Override] = OverridesParser.create().parse_overrides(list(words))
    return found


def _key(word: str) -> str:
    return word.lstrip("+").partition("=")[0]


def _as_text(word: str, several: bool) -> str:
    from hydra.errors import HydraException

    key, sign, value = word.partition("=")
    try:
        [found] = parsed([word])
        if found.value() is None or isinstance(found.value(), str | dict) or (several and found.is_sweep_override()):
            return word
    except HydraException:
        pass
    return f"{key}={_quoted(value)}" if sign else word


def _quoted(value: str) -> str:
    """A value quoted for Hydra's grammar and OmegaConf's interpolation."""
    # Interpolations: OmegaConf takes \${ for ${. Quotes: only backslashes before a quote are read as escapes.
    escaped = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", value)
    escaped = re.sub(r'(\\*)("|\Z)', lambda match: match[1] * 2 + ('\\"' if match[2] else ""), escaped)
    return f'"{escaped}"'
