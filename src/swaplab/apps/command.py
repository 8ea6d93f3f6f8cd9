"""How every command starts and ends: fast help, checks before Hydra, one sentence for a user's mistake."""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from swaplab.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig

_TYPED = "as_typed"


def run_command(name: str, help_text: str, start: Callable[[], object]) -> None:
    """Run a Hydra application.

    ``--help`` prints ``help_text`` without importing anything heavy. UserError and Hydra's own complaints end in one
    sentence on stderr and exit code 2; an interrupt in 130; anything else is a bug and keeps its traceback.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(help_text.strip())
        return
    end_with_parent()
    # an albumentations import would ask the network for a newer version
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # Hydra raises instead of printing: one place decides what a user sees
    os.environ["HYDRA_FULL_ERROR"] = "1"
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from swaplab.config.trust import check_outside_configs

    try:
        check_outside_configs(sys.argv[1:])
        start()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"{name}: {_sentence(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command continues where it stopped", file=sys.stderr)
        raise SystemExit(130) from None


def end_with_parent() -> None:
    """Where another command started this one and named itself, stop as soon as that is gone: SIGTERM saves a run."""
    parent = int(os.environ.pop("SWAPLAB_PARENT", "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def composed(
    config_name: str,
    literal: Collection[str] = (),
    *,
    job: Callable[["DictConfig"], object] | None = None,
    added: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The resolved configs that the command line asks for: one, several in a sweep, none where Hydra only shows one.

    With ``job``, a sweep is run instead: by Hydra's launcher, which calls it with each composed config, here or in
    another process. ``added`` are words besides those of the command line.

    What is given for the keys ``literal`` reaches the config as typed, whatever characters it holds: paths and names
    are no place for Hydra's grammar. Composes only: an error inside Hydra's own function would be announced in its
    words before ours.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from swaplab.config.read import resolved

    typed = sys.argv
    sys.argv = [typed[0], *_arranged([_quoted(word, literal) for word in typed[1:]], list(added))]
    configs: list[DictConfig] = []

    def task(config: "DictConfig") -> object:
        if job is not None and HydraConfig.get().mode is RunMode.MULTIRUN:
            return job(config)
        configs.append(config)
        return None

    try:
        hydra.main(version_base="1.3", config_path="pkg://swaplab.conf", config_name=config_name)(task)()
    finally:
        sys.argv = typed
    return [_unwrapped(resolved(config), literal) for config in configs]


def _arranged(words: list[str], added: list[str]) -> list[str]:
    """A command line with more overrides: Hydra's parser wants them all in one row, so ``-m`` comes before them."""
    several = [word for word in words if word in ("-m", "--multirun")]
    others = [word for word in words if word not in several]
    overrides = [i for i, word in enumerate(others) if "=" in word and not word.startswith("-")]
    first = overrides[0] if overrides else len(others)
    return [*several, *others[:first], *added, *others[first:]]


def _quoted(word: str, literal: Collection[str]) -> str:
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


def _unwrapped(config: dict[str, Any], literal: Collection[str]) -> dict[str, Any]:
    wrapped = {key: config[key] for key in literal if key in config}
    return config | {k: v[_TYPED] for k, v in wrapped.items() if isinstance(v, dict) and _TYPED in v}


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    from swaplab.config.compose import one_sentence

    return f"{one_sentence(error)}; see --help for what can be set"
