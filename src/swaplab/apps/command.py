"""How every command starts and ends: fast help, checks before Hydra, one sentence for a user's mistake."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from swaplab.apps.words import CommandLine, as_typed, literal_words
from swaplab.errors import UserError

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig


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

    from swaplab.config.trust import find_declared_packages

    find_declared_packages()
    try:
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
    several: Collection[str] = (),
    *,
    line: CommandLine | None = None,
    job: Callable[["DictConfig"], object] | None = None,
    added: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The resolved configs that the command line asks for: one, several in a sweep, none where Hydra only shows one.

    With ``job``, a sweep is run instead: by Hydra's launcher, which calls it with each composed config, here or in
    another process. ``line`` is the command line, where it was parsed already; ``added`` are words besides its own.

    What is given for the keys ``literal`` reaches the config as typed, whatever characters it holds: paths and names
    are no place for Hydra's grammar. Keys of ``several`` too; they may be given several times, and are lists. Composes
    only: an error inside Hydra's own function would be announced in its words before ours.
    """
    from hydra._internal.utils import _run_app
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from swaplab.config.border import checked
    from swaplab.config.read import resolved
    from swaplab.config.trust import lookups_only

    line = line or CommandLine.parse(sys.argv[1:])
    overrides = [*added, *literal_words(line.overrides, literal, several)]
    configs: list[DictConfig] = []

    def task(config: "DictConfig") -> object:
        if job is not None and HydraConfig.get().mode is RunMode.MULTIRUN:
            return job(config)
        configs.append(config)
        return None

    with _hydra(line.folder) as hydra:
        if line.shown is not None:
            with lookups_only() if line.shown == "job" else nullcontext():
                hydra.show_cfg(config_name, overrides, line.shown, line.package, line.resolved)
            return []
        _run_app(
            run=not line.several,
            multirun=line.several,
            # to ask for the mode is to compose once more, and without that word -m alone decides
            mode=hydra.get_mode(config_name, overrides) if any("hydra.mode" in word for word in overrides) else None,
            hydra=hydra,
            config_name=config_name,
            task_function=task,
            overrides=overrides,
        )
    return [checked(config_name, as_typed(resolved(config), (*literal, *several))) for config in configs]


@contextmanager
def _hydra(folder: str | None) -> "Iterator[Hydra]":
    """Hydra as its own decorator sets it up, but with our loader of configs."""
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra

    from swaplab.config.loader import NAME, Loader

    hydra = Hydra(task_name=NAME, config_loader=Loader(folder))
    GlobalHydra.instance().initialize(hydra)
    try:
        yield hydra
    finally:
        GlobalHydra.instance().clear()


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    from swaplab.config.compose import one_sentence

    return f"{one_sentence(error)}; see --help for what can be set"
