"""Passes Hydra's overrides and launcher to ``swaplab.sweeps.trials``. Few imports, as Hydra loads it at every start."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class OptunaSweeperConf:
    """Settings of a search; `swaplab.sweeps.search.Goal` describes the others.

    ``n_trials``: number of trials, including earlier sessions. ``n_jobs``: trials that are drawn and run together.
    ``metric``: None for ``checkpoint.best``. ``direction``: None for the metric's better side. ``storage``: None for
    ``study.journal`` in the sweep's folder, or an Optuna URL such as sqlite:///FILE.
    """

    _target_: str = "hydra_plugins.swaplab_optuna_sweeper.sweeper.OptunaSweeper"
    n_trials: int = 20
    n_jobs: int = 1
    metric: str | None = None
    direction: str | None = None
    sampler: str = "tpe"
    seed: int = 1
    startup_trials: int = 5
    pruner: str = "median"
    warmup_images: int = 0
    storage: str | None = None


ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConf, provider="swaplab")


class OptunaSweeper(Sweeper):
    """Draws the jobs of a sweep with Optuna's ask-and-tell interface."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from importlib.util import find_spec

        from hydra.core.override_parser.overrides_parser import OverridesParser
        from hydra.core.utils import setup_globals

        from swaplab.errors import UserError

        if find_spec("optuna") is None:
            raise UserError("hydra/sweeper=optuna needs Optuna; install it with: pip install 'swaplab[optuna]'")
        from swaplab.sweeps.trials import run_search

        setup_globals()
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        return run_search(parser.parse_overrides(arguments), self.settings, self._composed, self.launcher)

    def _composed(self, overrides: Sequence[str]) -> DictConfig:
        return self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
