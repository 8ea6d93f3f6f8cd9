"""How every command starts and ends: fast help, checks before Hydra, one sentence for a user's mistake."""

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from swaplab.apps.words import CommandLine, as_typed, literal_words
from swaplab.errors import UserError
from swaplab.stopping import Stopped, end_with_parent, obey, stoppable

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig


def run_command(name: str, help_text: str, start: Callable[[], object], *, resumes: bool = False) -> None:
    """Run a Hydra application.

    ``--help`` prints ``help_text`` without importing anything heavy. UserError and Hydra's own complaints end in one
    sentence on stderr and exit code 2; a signal as in `stopped_in_order`; anything else is a bug and keeps its
    traceback. ``resumes``: the same command goes on with what was stopped.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(help_text.strip())
        return
    with stopped_in_order(name, "; the same command continues" if resumes else ""):
        _run(name, start)


@contextmanager
def stopped_in_order(name: str, advice: str = "") -> Iterator[None]:
    """A command that is asked to end clears away what is unfinished, says so, and dies of the signal.

    To a shell that is 130 for SIGINT (Ctrl-C), 143 for SIGTERM, 129 for SIGHUP.
    """
    try:
        with stoppable():
            end_with_parent()
            yield
    except Stopped as stopped:
        if os.environ.get("LOCAL_RANK", "0") == "0":  # of several ranks one says it
            print(f"{name}: {stopped}{advice}", file=sys.stderr)
        raise SystemExit(128 + stopped.number) from None


def _run(name: str, start: Callable[[], object]) -> None:
    # an albumentations import would ask the network for a newer version
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # jobs, ranks and measurements are started by python -m, which would import what lies in the current folder
    os.environ["PYTHONSAFEPATH"] = "1"
    # Hydra raises instead of printing: one place decides what a user sees
    os.environ["HYDRA_FULL_ERROR"] = "1"
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from swaplab.config.trust import find_declared_packages

    find_declared_packages()
    try:
        start()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        obey()
        print(f"{name}: {_sentence(error)}", file=sys.stderr)
        raise SystemExit(2) from None


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
