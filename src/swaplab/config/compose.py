"""Configs of runs composed inside a program, as the command line composes them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from swaplab.errors import UserError

# How Hydra complains of a group that is not among the defaults, and of a key of one.
_PARTS = "(decoder|bottleneck|upsampling|output)"
_IDLE = re.compile(rf"Could not override '{_PARTS}'\. No match|Key '{_PARTS}' is not in struct")


@contextmanager
def composing(config_name: str, folders: Sequence[str] = ()) -> Iterator[Callable[[Sequence[str]], DictConfig]]:
    """Inside the block: a function from overrides to the composed config. ``folders`` are config folders besides ours.

    It raises UserError for overrides that do not compose. Of two overrides of one key the later one counts.
    """
    import hydra
    from hydra.errors import HydraException

    path = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in folders)}]"] if folders else []

    def compose(overrides: Sequence[str]) -> DictConfig:
        try:
            return hydra.compose(config_name, [*path, *overrides])
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(one_sentence(error)) from None

    with hydra.initialize_config_module("swaplab.conf", version_base="1.3"):
        yield compose


def one_sentence(error: Exception) -> str:
    """What Hydra or OmegaConf says, in one line, with the reason where they keep it apart.

    A group that this config has no place for is no word of Hydra's: it would advise to add what then does nothing.
    """
    idle = _IDLE.search(f"{error} {error.__cause__}")
    if idle:
        return f"{idle[1] or idle[2]} would do nothing: the generator has no place for it; drop it or change that"
    said = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    cause = error.__cause__ or error.__context__
    reason = str(cause).splitlines()[0] if cause and str(cause) and str(cause) not in str(error) else ""
    return "; ".join(part for part in (said, reason) if part)
