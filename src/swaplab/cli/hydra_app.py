"""Hydra's composition of a command line, with our own config loader."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from swaplab.cli.words import CommandLine

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig


def composed(
    line: CommandLine, *, job: Callable[["DictConfig"], object], added: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The resolved training config of a command line, in a list; empty if Hydra only shows it, and after a sweep.

    A sweep is run by Hydra's launcher, which calls ``job`` with each composed config, in this or another process.
    ``added``: additional overrides. Training itself does not run inside Hydra, which would print its own message for an
    error.
    """
    from hydra._internal.utils import _run_app
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from swaplab.config.border import checked
    from swaplab.config.read import resolved
    from swaplab.config.trust import lookups_only

    overrides = [*added, *line.overrides]
    configs: list[DictConfig] = []

    def task(config: "DictConfig") -> object:
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            return job(config)
        configs.append(config)
        return None

    with _hydra(line.folder) as hydra:
        if line.shown is not None:
            with lookups_only() if line.shown == "job" else nullcontext():
                hydra.show_cfg("train", overrides, line.shown, line.package, line.resolved)
            return []
        _run_app(
            run=not line.several,
            multirun=line.several,
            # get_mode composes once more, and is only needed if an override sets hydra.mode
            mode=hydra.get_mode("train", overrides) if any("hydra.mode" in word for word in overrides) else None,
            hydra=hydra,
            config_name="train",
            task_function=task,
            overrides=overrides,
        )
    return [checked(resolved(config)) for config in configs]


@contextmanager
def _hydra(folder: str | None) -> "Iterator[Hydra]":
    """Hydra as its own decorator sets it up, but with our config loader."""
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra

    from swaplab.config.loader import NAME, Loader

    hydra = Hydra(task_name=NAME, config_loader=Loader(folder))
    GlobalHydra.instance().initialize(hydra)
    try:
        yield hydra
    finally:
        GlobalHydra.instance().clear()
