"""Parsing of command lines that Hydra composes: flags and overrides."""

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
    """Flags, and config overrides in order.

    ``folder``: an additional config folder. ``several``: whether it is a sweep. ``shown``: the part of the composed
    config to print instead of using it; ``package``: only this package of it; ``resolved``: resolve interpolations.
    """

    overrides: tuple[str, ...]
    folder: str | None = None
    several: bool = False
    shown: str | None = None
    package: str | None = None
    resolved: bool = False

    @classmethod
    def parse(cls, words: Sequence[str]) -> "CommandLine":
        """Parse arguments. Raises UserError for an unknown flag, a missing value, or -m with --cfg."""
        parser = _Parser(add_help=False)
        parser.add_argument("overrides", nargs="*")
        parser.add_argument("--config-dir", "-cd", dest="folder")
        parser.add_argument("--multirun", "-m", dest="several", action="store_true")
        parser.add_argument("--cfg", "-c", dest="shown", choices=("job", "hydra", "all"))
        parser.add_argument("--package", "-p", dest="package")
        parser.add_argument("--resolve", dest="resolved", action="store_true")
        found = vars(parser.parse_intermixed_args(list(words)))
        if found["several"] and found["shown"]:
            raise UserError("--cfg shows one config, but -m makes several; remove one of them")
        return cls(**found | {"overrides": tuple(found["overrides"])})

    def with_names(self, keys: Collection[str]) -> "CommandLine":
        """Quote the values of ``keys`` (names and paths), so that Hydra's grammar reads them as strings.

        ``lr=1e-4/a``, ``[b]``, ``1e4`` and ``c, d`` are valid names. Values that Hydra reads as a string, null or a
        mapping are not changed, nor, in a sweep, lists of values. ``key.*``: all keys below ``key``.
        """
        names = [_key(word) in keys or f"{_key(word).rpartition('.')[0]}.*" in keys for word in self.overrides]
        words = [_as_text(w, self.several) if n else w for w, n in zip(self.overrides, names, strict=True)]
        return replace(self, overrides=tuple(words))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; use --config-dir for a folder of your own configs, see --help for the other flags")


def parsed(words: Sequence[str]) -> "list[Override]":
    """Overrides parsed by Hydra. Raises HydraException for invalid ones."""
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
    # Interpolations: OmegaConf reads \${ as ${. Quotes: only backslashes before a quote are escapes.
    escaped = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", value)
    escaped = re.sub(r'(\\*)("|\Z)', lambda match: match[1] * 2 + ('\\"' if match[2] else ""), escaped)
    return f'"{escaped}"'
