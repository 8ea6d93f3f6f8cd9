"""Runs as a study: levels of a factor over seeds, with or without a stored ablation plan."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from swaplab.ablations.plan import Plan, load, stored_at
from swaplab.errors import UserError
from swaplab.report.factors import Factor, factors_of, levels_of, short_names
from swaplab.report.reading import ReportedRun, finite, read_run, refuse_unequal_precision
from swaplab.report.unequal import Unequal, unequal
from swaplab.runs.damage import Damaged
from swaplab.runs.evaluations import SPLITS
from swaplab.runs.record import is_run

FIELDS = ("claim", "hypothesis", "reference", "metric", "guards", "split", "contrast", "margin")
STATES = ("measured", "diverged", "failed", "unfinished", "not measured", "not started")


@dataclass(frozen=True)
class Study:
    """``runs``: (level, seed) -> run, without those that were not started. ``plan``: None for runs without a plan,
    which get no verdict. ``stored``: time when the plan was stored. ``metric``, ``guards``: names as in the plan.
    ``factors``: one value per run, in the order of ``runs``. ``unequal``: other differences between the runs.
    ``remarks``: warnings about the numbers.
    """

    title: str
    factor: str
    levels: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: dict[tuple[str, int], ReportedRun]
    metric: str
    guards: tuple[str, ...]
    split: str | None
    reference: str | None = None
    plan: Plan | None = None
    stored: str = ""
    factors: tuple[Factor, ...] = ()
    unequal: list[Unequal] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """One name per run, in the order of ``runs``."""
        return [f"{level} · seed {seed}" for level, seed in self.runs]

    def of(self, level: str) -> list[ReportedRun]:
        """The runs of a level, in the order of seeds."""
        return [self.runs[level, seed] for seed in self.seeds if (level, seed) in self.runs]

    @property
    def yardsticks(self) -> set[str]:
        """The yardsticks of the runs; relative metrics can be compared only if there is one."""
        return {run.judged_by(self.split, "yardstick") for run in self.runs.values() if run.evaluation(self.split)}

    def complete(self, level: str) -> list[ReportedRun]:
        """The complete runs of a level, in the order of seeds."""
        return [run for run in self.of(level) if run.status == "complete"]


def read_ablation(folder: Path, *, mixed_precision: bool = False) -> Study:
    """The ablation stored in ``folder``, with the runs of its plan only."""
    plan, cells = load(folder)
    damaged: list[str] = []
    read = {(cell.level, cell.seed): _readable(folder / cell.run_id, damaged) for cell in cells}
    runs = {key: run for key, run in read.items() if run is not None}
    study = Study(
        title=plan.id,
        factor=plan.factor,
        levels=tuple(plan.levels),
        seeds=plan.seeds,
        runs=runs,
        metric=plan.metric,
        guards=plan.guards,
        split=plan.split,
        reference=plan.reference,
        plan=plan,
        stored=stored_at(folder),
        factors=(Factor(plan.factor, tuple(level for level, _ in runs)),),
        unequal=_unequal(list(runs.values()), plan.split, mixed_precision),
        remarks=damaged + _remarks(list(runs.values())),
    )
    early = [run.label for run in runs.values() if study.stored and str(run.facts.get("created", "")) < study.stored]
    if early:
        study.remarks.append(f"started before the plan was stored: {', '.join(early)}")
    return study


def agree(stored: Plan, now: Plan, folder: Path) -> None:
    """Raise UserError if the current plan differs from the stored one in the statement or the rule."""
    changed = [name for name in FIELDS if getattr(stored, name) != getattr(now, name)]
    if changed:
        raise UserError(
            f"ablation {now.id} now has another {', '.join(changed)} than the plan that was stored before its runs, "
            f"which alone decides the verdict; restore conf/ablation/{now.id}.yaml, or run swaplab ablation report "
            f"{folder if '/' in str(folder) else f'./{folder}'} to use the stored plan"
        )


def read_group(folders: Sequence[Path], metric: str | None = None, *, mixed_precision: bool = False) -> Study:
    """A study of any runs, grouped by their ``factors`` or, without these, by the config keys that differ."""
    damaged: list[str] = []
    read = [_readable(folder, damaged) for folder in _run_folders(folders)]
    found = [run for run in read if run is not None]
    if not found:
        raise UserError(damaged[0])
    factors = factors_of(found)
    levels = levels_of(found, factors)
    labels = {place: level.label for level in levels for place in level.places}
    runs: dict[tuple[str, int], ReportedRun] = {}
    for i, run in enumerate(found):
        level = labels[i]
        key = level, int(run.config.get("seed", 0))
        if key in runs:
            raise UserError(
                f"{runs[key].folder} and {run.folder} have the same level and seed ({level}, {key[1]}); name only one"
            )
        runs[key] = run
    split = next((name for name in reversed(SPLITS) if any(run.evaluation(name) for run in found)), None)
    best = next((run.config["checkpoint"]["best"] for run in found if "checkpoint" in run.config), "val/")
    return Study(
        title=", ".join(dict.fromkeys(str(run.facts.get("name", run.folder.name)) for run in found)),
        factor=" × ".join(short_names(factors)) or "level",
        levels=tuple(level.label for level in levels),
        seeds=tuple(sorted({seed for _, seed in runs})),
        runs=runs,
        metric=metric or ("score" if split else best),
        guards=("identity", "retrieval_top1[mixed]", "tenengrad_ratio") if split else (),
        split=split,
        factors=tuple(factors),
        unequal=_unequal(found, split, mixed_precision),
        remarks=damaged + _remarks(found),
    )


def _readable(folder: Path, damaged: list[str]) -> ReportedRun | None:
    """A run without pictures; None if there is none or it cannot be read, with a message in ``damaged``."""
    try:
        return read_run(folder, pictures=False) if is_run(folder) else None
    except Damaged as error:
        damaged.append(str(error))
        return None


def _run_folders(folders: Sequence[Path]) -> list[Path]:
    """The run folders among ``folders`` and directly inside them. Raises UserError for a folder without runs."""
    found: list[Path] = []
    for folder in folders:
        inside = [folder] if is_run(folder) else sorted(filter(is_run, folder.glob("*")))
        if not inside:
            raise UserError(f"{folder} has no runs; name run folders, or a folder with runs such as runs/NAME")
        found += inside
    return list(dict.fromkeys(found))


def _unequal(runs: Sequence[ReportedRun], split: str | None, mixed_precision: bool) -> list[Unequal]:
    """The differences between runs. Raises UserError for different precision unless ``mixed_precision``."""
    if not mixed_precision:
        refuse_unequal_precision(runs)
    return unequal(runs, split)


def _remarks(runs: Sequence[ReportedRun]) -> list[str]:
    """Warnings about weak splits, and warnings of the runs."""
    remarks = []
    if any(run.evaluations and any(content.get("weak") for content in run.evaluations) for run in runs):
        remarks.append("weak split: held-out frames are from the same clips, one second apart")
    for run in runs:
        remarks += [f"{run.label}: {text}" for text in run.facts.get("warnings", [])]
    return remarks


def state_of(run: ReportedRun | None, value: float | None, known: bool) -> str:
    """One of `STATES`; ``known``: whether there is a value, finite or not."""
    if run is None:
        return "not started"
    if run.status != "complete":
        return run.status if run.status in ("diverged", "failed") else "unfinished"
    if not known:
        return "not measured"
    return "measured" if finite(value) is not None else "diverged"
