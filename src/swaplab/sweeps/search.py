"""Hyperparameter search: an Optuna study that draws trials and learns from the results of their runs.

The study is a journal file beside the jobs, so that the same command resumes it.
"""

import csv
import fcntl
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from swaplab.catalogue import known
from swaplab.errors import UserError
from swaplab.randomness import key_of
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.identity import NEUTRAL
from swaplab.runs.record import RunRecord
from swaplab.sweeps.space import Space

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

DIRECTIONS = ("minimize", "maximize")
SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "none")


@dataclass(frozen=True)
class Goal:
    """The objective and the method of a search.

    ``metric``: a name in ``metrics.jsonl``, whose last value is the objective. ``sampler``: ``tpe`` (Bergstra et al.
    2011) or ``random``, seeded by ``seed``; the first ``startup_trials`` are random and never pruned. ``pruner``:
    ``median`` stops a trial whose best value so far is worse than the median of ended trials at the same number of
    images (Golovin et al. 2017), checked every ``cadence`` images after ``warmup_images``; ``none`` stops none.
    """

    metric: str
    direction: str
    sampler: str
    seed: int
    startup_trials: int
    pruner: str
    warmup_images: int
    cadence: int

    def check(self) -> None:
        """Raise UserError for invalid values."""
        for key, allowed in (("direction", DIRECTIONS), ("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if getattr(self, key) not in allowed:
                raise UserError(f"hydra.sweeper.{key}={getattr(self, key)} must be {' or '.join(allowed)}")
        for key in ("startup_trials", "warmup_images"):
            if getattr(self, key) < 0:
                raise UserError(f"hydra.sweeper.{key}={getattr(self, key)} must be at least 0")
        if self.pruner != "none" and self.cadence <= 0:
            raise UserError(
                f"{self.metric} is measured at the end only, so it cannot prune trials; "
                "set every.validate (every.report for a loss) or hydra.sweeper.pruner=none"
            )


def direction_of(metric: str) -> str:
    """The direction of a metric. Raises UserError if neither side is better."""
    entry = known(metric)
    side = {"lower": "minimize", "higher": "maximize"}.get(str(entry.better)) if entry else None
    if side is None:
        raise UserError(
            f"the direction of hydra.sweeper.metric={metric} is unknown; set hydra.sweeper.direction to minimize or "
            f"maximize"
        )
    return side


@dataclass(frozen=True)
class Drawn:
    """A trial to run. ``overrides``: all overrides of its run; ``levels``: the values of the searched keys."""

    number: int
    overrides: tuple[str, ...]
    levels: dict[str, str]


def identity_of(goal: Goal, space: Space) -> dict[str, Any]:
    """The identity of a search: the goal, the distributions, and the fixed overrides that can change numbers."""
    from optuna.distributions import distribution_to_json

    searched = {key: distribution_to_json(value) for key, value in space.searched.items()}
    neutral = tuple(f"{key}{sign}" for key in NEUTRAL for sign in "=.")
    fixed = sorted(word for word in space.fixed if not word.lstrip("+").startswith(neutral))
    return {"goal": asdict(goal), "searched": searched, "fixed": fixed}


class Search:
    """An Optuna study in ``folder``: get trials with `batch`, `watch` them, and `tell` their results.

    ``storage``: None for ``folder/study.journal``, or an Optuna URL (``sqlite:///FILE``). Only one process at a time
    may use it, so open it with `opened`. Raises UserError for a storage that does not work or holds another search.
    """

    def __init__(self, folder: Path, goal: Goal, space: Space, storage: str | None = None) -> None:
        goal.check()
        self.folder, self.goal, self.space = folder, goal, space
        self.study = _study(folder, goal, storage)
        self.study.pruner = _pruner(goal)
        described = identity_of(goal, space)
        stored = self.study.user_attrs.get("search")
        if stored is None:
            self.study.set_user_attr("search", described)
        elif stored != described:
            other = [key for key in described if stored[key] != described[key]]
            raise UserError(
                f"the study {folder.name} belongs to another search with other {' and '.join(other)}; "
                "choose another folder with hydra.sweep.dir=DIR, or remove that override"
            )

    def batch(self, n_trials: int, n_jobs: int) -> list[Drawn]:
        """The next trials to run together, at most ``n_jobs``; none if ``n_trials`` have ended.

        Unfinished trials of an earlier session come first, unchanged.
        """
        from optuna.trial import TrialState

        left = [t for t in self.study.get_trials(deepcopy=False) if t.state == TrialState.RUNNING]
        for trial in left:
            if set(trial.params) != set(self.space.searched):
                self.study.tell(trial.number, state=TrialState.FAIL)  # the session ended while drawing it
            elif "pruned" in trial.user_attrs:
                self.study.tell(trial.number, state=TrialState.PRUNED)
        if left := self._left():
            first = left[0].number
            return [self._drawn(t) for i, t in enumerate(left[:n_jobs]) if t.number == first + i]
        return [self._draw(n_jobs) for _ in range(min(n_jobs, n_trials - len(self.trials())))]

    def _left(self) -> "list[FrozenTrial]":
        from optuna.trial import TrialState

        return [t for t in self.trials() if t.state == TrialState.RUNNING]

    def trials(self) -> "list[FrozenTrial]":
        """All completely drawn trials, by number."""
        return [t for t in self.study.get_trials(deepcopy=False) if set(t.params) == set(self.space.searched)]

    def _draw(self, n_jobs: int) -> Drawn:
        number = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = _sampler(self.goal, number, n_jobs)
        trial = self.study.ask(self.space.searched)
        return self._drawn(self.study.get_trials(deepcopy=False)[trial.number])

    def _drawn(self, trial: "FrozenTrial") -> Drawn:
        return Drawn(trial.number, tuple(self.space.overrides(trial.params)), self.space.levels(trial.params))

    def watch(self, number: int, rows: Sequence[Mapping[str, float]]) -> bool:
        """Report the values of a running trial; returns whether to stop it."""
        if self.goal.pruner == "none":
            return False
        trial = self._trial(number)
        if "pruned" in trial.user_attrs:
            return True
        known = self.study.get_trials(deepcopy=False)[number].intermediate_values
        for step, value in steps(rows, self.goal):
            if step in known:
                continue
            trial.report(value, step)
            if trial.should_prune():
                trial.set_user_attr("pruned", f"worse than the median at {step * self.goal.cadence} images")
                return True
        return False

    def _trial(self, number: int) -> "Trial":
        from optuna import Trial

        return Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)

    def tell(self, number: int, status: str, reason: str, record: RunRecord | None) -> None:
        """Report how a trial's run ended. ``status``: complete, diverged, interrupted or failed.

        A trial that this search did not interrupt itself stays open, to be resumed. A diverged one counts as pruned, so
        that the sampler avoids it. Raises UserError if a complete run does not have the metric.
        """
        from optuna.trial import TrialState

        trial = self._trial(number)
        pruned = trial.user_attrs.get("pruned")
        state, value = TrialState.FAIL, None
        if status == "complete":
            value = self._value(record)
            state = TrialState.COMPLETE if math.isfinite(value) else TrialState.PRUNED
        elif status == "diverged":
            state = TrialState.PRUNED
        elif status == "interrupted" and pruned is None:
            return
        elif status == "interrupted":
            reason, state = f"pruned: {pruned}", TrialState.PRUNED
            if record is not None:
                record.update(exit_reason=reason)
        trial.set_user_attr("run", str(record.folder) if record is not None else "")
        trial.set_user_attr("reason", reason)
        self.study.tell(number, value if state == TrialState.COMPLETE else None, state)

    def _value(self, record: RunRecord | None) -> float:
        assert record is not None  # a complete run has one
        metrics = record.facts["metrics"]
        if self.goal.metric not in metrics:
            raise UserError(
                f"hydra.sweeper.metric={self.goal.metric} is not measured; choose from {', '.join(sorted(metrics))}"
            )
        return float(metrics[self.goal.metric])

    def best(self) -> "FrozenTrial | None":
        """The complete trial with the best value, the first one in case of a tie; None if none is complete."""
        from optuna.trial import TrialState

        complete = [t for t in self.trials() if t.state == TrialState.COMPLETE]
        sign = 1 if self.goal.direction == "minimize" else -1
        return min(complete, key=lambda t: (sign * _objective(t), t.number), default=None)

    def write_table(self) -> Path:
        """Write ``trials.csv`` with one row per trial; returns its path."""
        file = io.StringIO()
        writer = csv.writer(file)
        keys = list(self.space.searched)
        writer.writerow(["trial", "state", self.goal.metric, *keys, "run", "reason"])
        for trial in self.trials():
            levels = self._drawn(trial).levels
            words = [levels[key.lstrip("+")] for key in keys]
            about = [trial.user_attrs.get(name, "") for name in ("run", "reason")]
            writer.writerow([trial.number, trial.state.name.lower(), trial.value, *words, *about])
        path = self.folder / "trials.csv"
        write_text_atomically(path, file.getvalue())
        return path


def _objective(trial: "FrozenTrial") -> float:
    assert trial.value is not None
    return trial.value


def steps(rows: Sequence[Mapping[str, float]], goal: Goal) -> list[tuple[int, float]]:
    """(images seen in units of the cadence, metric value) of the rows with the metric, without the first.

    So trials with different batch sizes, which report at slightly different images, are compared at the same steps.
    """
    found = {
        int(row["images_seen"]) // goal.cadence: float(row[goal.metric])
        for row in rows
        if row.get(goal.metric) is not None and row["images_seen"] >= max(goal.cadence, 1)
    }
    return sorted(found.items())


@contextmanager
def opened(folder: Path, goal: Goal, space: Space, storage: str | None = None) -> Iterator[Search]:
    """A context with a locked search. Raises UserError if another process has it open."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"the search in {folder} is already running; wait for it, or stop it first") from None
        yield Search(folder, goal, space, storage)


def _study(folder: Path, goal: Goal, storage: str | None) -> "Study":
    import optuna
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    direction = cast(Literal["minimize", "maximize"], goal.direction)
    journal = folder / "study.journal"
    try:
        if storage is None:
            _drop_torn_line(journal)
        place = storage or optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
        return optuna.create_study(storage=place, study_name=folder.name, direction=direction, load_if_exists=True)
    except (OSError, ValueError, LookupError, ImportError, SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the study {storage or journal} cannot be used ({reason}); move it away or choose another one"
        ) from None


def _drop_torn_line(journal: Path) -> None:
    """Remove an incomplete last line after a kill, because a line appended to it could not be read."""
    if journal.exists():
        whole = journal.read_bytes().rpartition(b"\n")
        if whole[2]:
            with journal.open("r+b") as file:
                file.truncate(len(whole[0] + whole[1]))


def _sampler(goal: Goal, number: int, n_jobs: int) -> "BaseSampler":
    """The sampler of one trial, with its own seed, so that a resumed search draws the same trials."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = key_of(goal.seed, "search", number) % 2**32
    if goal.sampler == "random":
        return RandomSampler(seed)
    return TPESampler(seed=seed, n_startup_trials=goal.startup_trials, constant_liar=n_jobs > 1)


def _pruner(goal: Goal) -> Any:
    from optuna.pruners import MedianPruner, NopPruner

    if goal.pruner == "none":
        return NopPruner()
    return MedianPruner(goal.startup_trials, n_warmup_steps=goal.warmup_images // goal.cadence)
