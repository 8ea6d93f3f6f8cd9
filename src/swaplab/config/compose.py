"""Composition of run configs inside a program, as on the command line."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from swaplab.config import tree
from swaplab.config.border import checked, readable
from swaplab.config.owned import instead
from swaplab.config.read import resolved
from swaplab.errors import UserError

# Hydra's errors for a group that is not in the defaults list, and for a key that only + would add.
_NO_GROUP = re.compile(r"(?:In '([\w/-]+)/([\w-]+)': )?Could not (?:override|delete) '([\w/]+)'\. No match")
_NO_KEY = re.compile(r"Could not override '([^']+)'\.\s+To append to your config")
_FULL_KEY = re.compile(r"full_key: ([\w.]+)")

Compose = Callable[[Sequence[str]], DictConfig]


def run_config(*overrides: str) -> dict[str, Any]:
    """The checked config of a run, from the overrides that `swaplab train` takes. Raises UserError for a wrong one."""
    return checked(resolved(composer("train")(overrides)))


def composer(config_name: str, folder: str | None = None) -> Compose:
    """A function from overrides to the composed config without its ``hydra`` node. ``folder``: additional configs.

    It raises UserError for overrides that do not compose, and for overrides of Hydra's own settings, which would have
    no effect. Of two overrides of one key the later one wins.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from hydra.types import RunMode

    from swaplab.config.loader import Loader, concerns_hydra

    loader = Loader(folder)

    def compose(overrides: Sequence[str]) -> DictConfig:
        try:
            for word in OverridesParser.create().parse_overrides(list(overrides)):
                if concerns_hydra(word):
                    raise UserError(f"{word.input_line}: Hydra's own settings have no effect here; remove it")
            config = loader.load_configuration(config_name, list(overrides), RunMode.RUN, from_shell=False)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(one_sentence(error)) from None
        with open_dict(config):
            del config["hydra"]
        return config

    return compose


def one_sentence(error: Exception) -> str:
    """The message of a Hydra or OmegaConf error in one line, with the message of its cause.

    For a group that the chosen option does not have and for an unknown key it is our own message: Hydra's advises +
    where that would have no effect.
    """
    group, key = _NO_GROUP.search(str(error)), _NO_KEY.search(str(error))
    below = tree.below(group[3]) if group else ()
    if group and below:
        return f"{group[3]} has no options of its own; choose one of its groups, such as {below[0]}=OPTION"
    if group and tree.owners(group[3]):
        return tree.misplaced(group[3], f"{group[1]}={group[2]}" if group[1] else None)
    if key:
        absent = _FULL_KEY.search(str(error.__cause__))
        if absent and tree.owners(absent[1].replace(".", "/")):
            return tree.misplaced(absent[1].replace(".", "/"))
        if not readable(key[1]):
            return _unknown(key[1])
    said = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    cause = error.__cause__ or error.__context__
    reason = str(cause).splitlines()[0] if cause and str(cause) and str(cause) not in str(error) else ""
    return "; ".join(part for part in (said, reason) if part)


def _unknown(key: str) -> str:
    """The message for an unknown key; for one that begins with the last part of a nested group it names the group."""
    if owned := instead(key):
        return owned
    first, dot, rest = key.partition(".")
    full = [group for group in tree.groups() if group.rpartition("/")[2] == first != group]
    if full:
        return f"unknown key {key}; did you mean {full[0].replace('/', '.') + dot + rest if dot else full[0]}?"
    close = get_close_matches(key, tree.groups(), n=1) if "/" in key else []
    return f"unknown key {key}; {f'did you mean {close[0]}?' if close else 'correct or remove it'}"
