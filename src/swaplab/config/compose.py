"""Composition of run configs inside a program, as on the command line."""

import re
from collections.abc import Callable, Sequence

from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from swaplab.config.border import readable
from swaplab.errors import UserError

# Hydra's errors for a group that is not in the defaults list, and for a key of such a group.
_PARTS = "(decoder|bottleneck|upsampling|output)"
_IDLE = re.compile(rf"Could not override '{_PARTS}'\. No match|Key '{_PARTS}' is not in struct")

# Hydra's error for a key that only + would add.
_UNKNOWN = re.compile(r"Could not override '([^']+)'\.\s+To append to your config")

Compose = Callable[[Sequence[str]], DictConfig]


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

    For an unused group or an unknown key it is our own message: Hydra's advises + where that would have no effect.
    """
    idle = _IDLE.search(f"{error} {error.__cause__}")
    if idle:
        return f"{idle[1] or idle[2]} has no effect with this generator; remove it or choose another generator"
    unknown = _UNKNOWN.search(str(error))
    if unknown and not readable(unknown[1]):
        return f"unknown key {unknown[1]}; correct or remove it"
    said = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    cause = error.__cause__ or error.__context__
    reason = str(cause).splitlines()[0] if cause and str(cause) and str(cause) not in str(error) else ""
    return "; ".join(part for part in (said, reason) if part)
