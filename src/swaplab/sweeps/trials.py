"""The trials of a search: checked, run with any Hydra launcher, and shown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.errors import UserError
from swaplab.sweeps.jobs import Job
from swaplab.sweeps.launching import JobLauncher, launched
from swaplab.sweeps.planning import planned_jobs
from swaplab.sweeps.search import Drawn, Goal, Search, direction_of, opened
from swaplab.sweeps.space import Space, space_of

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from hydra.plugins.launcher import Launcher
    from omegaconf import DictConfig

Compose = Callable[[Sequence[str]], "DictConfig"]


def run_search(
    overrides: "Sequence[Override]", settings: Mapping[str, Any], compose: Compose, launcher: "Launcher"
) -> float | None:
    """Search until ``n_trials`` have run, show all trials, and return the value of the best one.

    ``overrides``: from the command line. ``settings``: the keys of hydra.sweeper. ``compose``: maps the overrides of a
    trial to its config. A failed trial stops no other. Raises UserError for an invalid search or config, SystemExit(1)
    if no trial has a value, and Stopped after a signal.
    """
    for key in ("n_trials", "n_jobs"):
        if settings[key] < 1:
            raise UserError(f"hydra.sweeper.{key}={settings[key]} must be at least 1")
    space = space_of(overrides)
    configs = [compose(words) for words in _corners(space)]
    goal = _goal(settings, configs[0])
    _check_launcher(launcher, goal)
    with opened(Path(str(configs[0].hydra.sweep.dir)), goal, space, settings["storage"]) as search:
        while batch := search.batch(settings["n_trials"], settings["n_jobs"]):
            _run_batch(search, batch, compose, launcher, [override.input_line or "" for override in overrides])
            search.write_table()
        return _conclude(search)


def _corners(space: Space) -> Iterator[list[str]]:
    """Overrides of configs to check beforehand: each level of each choice once, other keys at their first level."""
    first = {key: getattr(it, "choices", [getattr(it, "low", None)])[0] for key, it in space.searched.items()}
    yield space.overrides(first)
    for key, it in space.searched.items():
        for level in getattr(it, "choices", ())[1:]:
            yield space.overrides(first | {key: level})


def _goal(settings: Mapping[str, Any], config: "DictConfig") -> Goal:
    metric = settings["metric"] or str(config.checkpoint.best)
    kind = "validate" if metric.startswith("val/") else "report"
    names = ("sampler", "seed", "startup_trials", "pruner", "warmup_images")
    direction = settings["direction"] or direction_of(metric)
    goal = Goal(metric, direction, cadence=int(config.every[kind]), **{name: settings[name] for name in names})
    goal.check()
    return goal


def _check_launcher(launcher: "Launcher", goal: Goal) -> None:
    if not isinstance(launcher, JobLauncher) and goal.pruner != "none":
        raise UserError(
            f"{type(launcher).__name__} cannot stop trials while they run; set hydra.sweeper.pruner=none, or use "
            f"hydra/launcher=swaplab"
        )


def _run_batch(
    search: Search, batch: Sequence[Drawn], compose: Compose, launcher: "Launcher", typed: Sequence[str]
) -> None:
    """Run trials together and report their results to the search. Trials with the same run share one job."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from swaplab.config.compose import one_sentence

    jobs: dict[Path, Job] = {}
    trials: dict[Path, list[Drawn]] = {}
    for trial in batch:
        try:
            [job] = planned_jobs([trial.overrides], [compose(trial.overrides)], typed)
        except (UserError, HydraException, OmegaConfBaseException) as error:
            search.tell(trial.number, "failed", one_sentence(error), None)
            continue
        jobs.setdefault(job.folder, job)
        trials.setdefault(job.folder, []).append(trial)

    def watch(job: Job) -> bool:
        record = job.record()
        rows = record.metrics() if record is not None else []
        stops = [search.watch(trial.number, rows) for trial in trials[job.folder]]
        return all(stops)

    if not jobs:
        return
    first = [group[0] for group in trials.values()]
    words = [trial.overrides for trial in first]
    ends = launched(launcher, list(jobs.values()), words, search.folder, first=first[0].number, watch=watch)
    for outcome in ends:
        for trial in trials[outcome.job.folder]:
            search.tell(trial.number, outcome.status, outcome.reason, outcome.job.record())


def _conclude(search: Search) -> float | None:
    """Show all trials and the best one; raises SystemExit(1) if there is none."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = 140
    best, table = search.best(), Table(box=None, pad_edge=False)
    for name in ("trial", "state", search.goal.metric, *search.space.searched, "reason"):
        table.add_column(name)
    for trial in search.trials():
        value = "" if trial.value is None else f"{trial.value:.6g}"
        words = search.space.levels(trial.params).values()
        mark = " *" if best is not None and trial.number == best.number else ""
        table.add_row(f"{trial.number}{mark}", trial.state.name.lower(), value, *words, trial.user_attrs.get("reason"))
    console.print(table)
    if best is None:
        console.print(f"no trial has a value; the logs are in {search.folder / 'jobs'}")
        raise SystemExit(1)
    searched = " ".join(f"{key}={word}" for key, word in search.space.levels(best.params).items())
    console.print(f"best: trial {best.number}, {search.goal.metric}={best.value:.6g}, {searched}", soft_wrap=True)
    console.print(f"run record: {best.user_attrs['run']}; all trials: {search.write_table()}", soft_wrap=True)
    return best.value
