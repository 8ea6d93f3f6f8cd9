"""Configs of runs composed inside a program, as the command line composes them."""

import re
from collections.abc import Callable, Sequence

from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from swaplab.config.border import readable
from swaplab.errors import UserError

# How Hydra complains of a group that is not among the defaults, and of a key of one.
_PARTS = "(decoder|bottleneck|upsampling|output)"
_IDLE = re.compile(rf"Could not override '{_PARTS}'\. No match|Key '{_PARTS}' is not in struct")

# How it complains of a key that a plus would add.
_UNKNOWN = re.compile(r"Could not override '([^']+)'\.\s+To append to your config")

Compose = Callable[[Sequence[str]], DictConfig]


def composer(config_name: str, folder: str | None = None) -> Compose:
    """A function from overrides to the composed config, without Hydra's own part. ``folder``: more configs than ours.

    It raises UserError for overrides that do not compose, and for those of Hydra's own settings, which would do
    nothing. Of two overrides of one key the later one counts.
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
                    raise UserError(f"{word.input_line}: Hydra's own settings do nothing here; leave it out")
            config = loader.load_configuration(config_name, list(overrides), RunMode.RUN, from_shell=False)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(one_sentence(error)) from None
        with open_dict(config):
            del config["hydra"]
        return config

    return compose


def one_sentence(error: Exception) -> str:
    """What Hydra or OmegaConf says, in one line, with the reason where they keep it apart.

    A group or a key that nothing reads is no word of Hydra's: it would advise to add what then does nothing.
    """
    idle = _IDLE.search(f"{error} {error.__cause__}")
    if idle:
        return f"{idle[1] or idle[2]} would do nothing: the generator has no place for it; drop it or change that"
    unknown = _UNKNOWN.search(str(error))
    if unknown and not readable(unknown[1]):
        return f"{unknown[1]} is a key that nothing reads; correct or drop it"
    said = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    cause = error.__cause__ or error.__context__
    reason = str(cause).splitlines()[0] if cause and str(cause) and str(cause) not in str(error) else ""
    return "; ".join(part for part in (said, reason) if part)
