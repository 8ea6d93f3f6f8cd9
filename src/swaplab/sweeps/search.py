"""A search for the best value of a metric: an Optuna study that is asked for trials and told how their runs ended.

The study is a file beside the jobs, written as it goes, so that the same command goes on where it stopped.
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
    """What is searched for, and how.

    ``metric`` is a name of ``metrics.jsonl``; its last value is the objective. ``sampler``: ``tpe`` (Bergstra et al.
    2011) or ``random``, drawn under ``seed``; the first ``startup_trials`` are random and never pruned. ``pruner``:
    ``median`` stops a trial whose best value yet is worse than the median of the ended ones' at as many images
    (Golovin et al. 2017), looked at every ``cadence`` images and not before ``warmup_images``; ``none`` stops none.
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
        """UserError for what no search can have."""
        for key, allowed in (("direction", DIRECTIONS), ("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if getattr(self, key) not in allowed:
                raise UserError(f"hydra.sweeper.{key}={getattr(self, key)}: choose one of {', '.join(allowed)}")
        for key in ("startup_trials", "warmup_images"):
            if getattr(self, key) < 0:
                raise UserError(f"hydra.sweeper.{key}={getattr(self, key)}: give 0 or more")
        if self.pruner != "none" and self.cadence <= 0:
            raise UserError(
                f"{self.metric} is known at the end only, so no trial can be stopped by it; "
                "set every.validate (every.report for a loss) or hydra.sweeper.pruner=none"
            )


def direction_of(metric: str) -> str:
    """The direction towards a metric's better side. UserError where it has none."""
    entry = known(metric)
    side = {"lower": "minimize", "higher": "maximize"}.get(str(entry.better)) if entry else None
    if side is None:
        raise UserError(
            f"hydra.sweeper.metric={metric} has no better side; set hydra.sweeper.direction=minimize or maximize"
        )
    return side


@dataclass(frozen=True)
class Drawn:
    """A trial that is to be run: its number, the command-line words of its run, and the searched ones among them."""

    number: int
    overrides: tuple[str, ...]
    levels: dict[str, str]


def identity_of(goal: Goal, space: Space) -> dict[str, Any]:
    """What makes two searches the same one: the goal, the distributions, and the fixed words that move numbers."""
    from optuna.distributions import distribution_to_json

    searched = {key: distribution_to_json(value) for key, value in space.searched.items()}
    neutral = tuple(f"{key}{sign}" for key in NEUTRAL for sign in "=.")
    fixed = sorted(word for word in space.fixed if not word.lstrip("+").startswith(neutral))
    return {"goal": asdict(goal), "searched": searched, "fixed": fixed}


class Search:
    """An Optuna study in ``folder``: ask for trials with `batch`, `watch` them, `tell` how they ended.

    ``storage``: None for ``folder/study.journal``, else a URL of Optuna (``sqlite:///FILE``). One process at a time:
    use it in `opened`. Raises UserError for a storage that cannot be used or holds another search.
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
                f"the study {folder.name} is another search: its {' and '.join(other)} differ; "
                "choose another folder with hydra.sweep.dir, or leave it out"
            )

    def batch(self, n_trials: int, n_jobs: int) -> list[Drawn]:
        """The next trials to run together, at most ``n_jobs``; none when ``n_trials`` have been told.

        Trials that an earlier session left behind come first, as they were drawn.
        """
        from optuna.trial import TrialState

        left = [t for t in self.study.get_trials(deepcopy=False) if t.state == TrialState.RUNNING]
        for trial in left:
            if set(trial.params) != set(self.space.searched):
                self.study.tell(trial.number, state=TrialState.FAIL)  # the end came while it was being drawn
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
        """All trials that were drawn in full, by number."""
        return [t for t in self.study.get_trials(deepcopy=False) if set(t.params) == set(self.space.searched)]

    def _draw(self, n_jobs: int) -> Drawn:
        number = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = _sampler(self.goal, number, n_jobs)
        trial = self.study.ask(self.space.searched)
        return self._drawn(self.study.get_trials(deepcopy=False)[trial.number])

    def _drawn(self, trial: "FrozenTrial") -> Drawn:
        return Drawn(trial.number, tuple(self.space.overrides(trial.params)), self.space.levels(trial.params))

    def watch(self, number: int, rows: Sequence[Mapping[str, float]]) -> bool:
        """Take the values that a running trial has had; True where it is to be stopped."""
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
        """Say how a trial's run ended: ``complete``, ``diverged``, ``interrupted`` or ``failed``, why, and its record.

        One that was interrupted by others than this search stays open, to go on later. A diverged one counts as pruned:
        the sampler is to stay away from it. Raises UserError where a run that is complete has no such metric.
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
                f"hydra.sweeper.metric={self.goal.metric} is not measured; choose among {', '.join(sorted(metrics))}"
            )
        return float(metrics[self.goal.metric])

    def best(self) -> "FrozenTrial | None":
        """The complete trial with the best value, the first of equal ones; None while none is complete."""
        from optuna.trial import TrialState

        complete = [t for t in self.trials() if t.state == TrialState.COMPLETE]
        sign = 1 if self.goal.direction == "minimize" else -1
        return min(complete, key=lambda t: (sign * _objective(t), t.number), default=None)

    def write_table(self) -> Path:
        """Write ``trials.csv``: a row for each trial."""
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
    """(how many cadences of images were seen, the metric's value) of the rows that have the metric, after the start.

    So trials of other batch sizes, which report at slightly other counts, are compared at the same step.
    """
    found = {
        int(row["images_seen"]) // goal.cadence: float(row[goal.metric])
        for row in rows
        if row.get(goal.metric) is not None and row["images_seen"] >= max(goal.cadence, 1)
    }
    return sorted(found.items())


@contextmanager
def opened(folder: Path, goal: Goal, space: Space, storage: str | None = None) -> Iterator[Search]:
    """A search that no other process has open; UserError if one has."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"the search in {folder} is running already; wait for it, or stop it first") from None
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
            f"the study {storage or journal} cannot be used ({reason}); move it away or name another"
        ) from None


def _drop_torn_line(journal: Path) -> None:
    """Cut off a last line that a kill left unfinished: what is appended to it could not be read."""
    if journal.exists():
        whole = journal.read_bytes().rpartition(b"\n")
        if whole[2]:
            with journal.open("r+b") as file:
                file.truncate(len(whole[0] + whole[1]))


def _sampler(goal: Goal, number: int, n_jobs: int) -> "BaseSampler":
    """The sampler of one trial. Each has a seed of its own, so that a resumed search draws what it would have drawn."""
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
