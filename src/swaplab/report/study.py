"""Runs as an experiment: levels of a factor over seeds, with or without a plan that stood before them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swaplab.ablations.plan import Plan, load, stored_at
from swaplab.errors import UserError
from swaplab.report.reading import ReportedRun, finite, precisions, read_run, refuse_unequal_precision
from swaplab.runs.damage import Damaged
from swaplab.runs.evaluations import SPLITS
from swaplab.runs.identity import NEUTRAL, leaves
from swaplab.runs.record import codes_of, is_run

FIELDS = ("claim", "hypothesis", "reference", "metric", "guards", "split", "contrast", "margin")
# Differ in every run without being what is compared.
BESIDE = ("seed", "name", "factors", *NEUTRAL)
STATES = ("measured", "diverged", "failed", "unfinished", "not measured", "not begun")


@dataclass(frozen=True)
class Study:
    """``runs``: (level, seed) -> run, without those that were not begun. ``plan``: None for runs that had none, which
    get no verdict. ``stored``: when the plan was. ``metric``, ``guards``: as the plan names them. ``remarks``: what to
    know before the numbers.
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
    remarks: list[str] = field(default_factory=list)

    def of(self, level: str) -> list[ReportedRun]:
        """The runs of a level, in the order of the seeds."""
        return [self.runs[level, seed] for seed in self.seeds if (level, seed) in self.runs]

    @property
    def yardsticks(self) -> set[str]:
        """What its runs were measured against; their relative metrics compare only where it is one."""
        return {run.judged_by(self.split, "yardstick") for run in self.runs.values() if run.evaluation(self.split)}

    def complete(self, level: str) -> list[ReportedRun]:
        """Those of them that have ended with a result."""
        return [run for run in self.of(level) if run.status == "complete"]


def read_ablation(folder: Path, *, mixed_precision: bool = False) -> Study:
    """The ablation stored in ``folder``, with the runs of its plan and no others."""
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
        remarks=damaged + _remarks(list(runs.values()), plan.split, mixed_precision),
    )
    early = [run.label for run in runs.values() if study.stored and str(run.facts.get("created", "")) < study.stored]
    if early:
        study.remarks.append(f"begun before the plan was stored: {', '.join(early)}")
    return study


def agree(stored: Plan, now: Plan, folder: Path) -> None:
    """UserError where a plan says otherwise than the stored one about what is asked and how it is judged."""
    changed = [name for name in FIELDS if getattr(stored, name) != getattr(now, name)]
    if changed:
        raise UserError(
            f"ablation {now.id} now has another {', '.join(changed)} than the plan that was stored before its runs; it "
            f"is judged by that plan or not at all: put conf/ablation/{now.id}.yaml back, or name the folder, "
            f"ablation={folder}, to read the stored plan alone"
        )


def read_group(folders: Sequence[Path], metric: str | None = None, *, mixed_precision: bool = False) -> Study:
    """Any runs: grouped by their ``factors``, or where they have none by the config keys in which they differ."""
    damaged: list[str] = []
    read = [_readable(folder, damaged) for folder in _run_folders(folders)]
    found = [run for run in read if run is not None]
    if not found:
        raise UserError(damaged[0])
    labels = _levels(found)
    runs: dict[tuple[str, int], ReportedRun] = {}
    for run, level in zip(found, labels, strict=True):
        key = level, int(run.config.get("seed", 0))
        if key in runs:
            raise UserError(
                f"{runs[key].folder} and {run.folder} are the same level and seed ({level}, {key[1]}); name one of them"
            )
        runs[key] = run
    split = next((name for name in reversed(SPLITS) if any(run.evaluation(name) for run in found)), None)
    best = next((run.config["checkpoint"]["best"] for run in found if "checkpoint" in run.config), "val/")
    return Study(
        title=", ".join(dict.fromkeys(str(run.facts.get("name", run.folder.name)) for run in found)),
        factor="level",
        levels=tuple(dict.fromkeys(labels)),
        seeds=tuple(sorted({seed for _, seed in runs})),
        runs=runs,
        metric=metric or ("score" if split else best),
        guards=("identity", "retrieval_top1[mixed]", "tenengrad_ratio") if split else (),
        split=split,
        remarks=damaged + _remarks(found, split, mixed_precision),
    )


def _readable(folder: Path, damaged: list[str]) -> ReportedRun | None:
    """A run without its pictures; None where there is none, or none that can be read, which is said in ``damaged``."""
    try:
        return read_run(folder, pictures=False) if is_run(folder) else None
    except Damaged as error:
        damaged.append(str(error))
        return None


def _run_folders(folders: Sequence[Path]) -> list[Path]:
    """Run folders among ``folders`` and in those that hold some. UserError for a folder with neither."""
    found: list[Path] = []
    for folder in folders:
        inside = [folder] if is_run(folder) else sorted(filter(is_run, folder.glob("*")))
        if not inside:
            raise UserError(f"{folder} holds no runs; name run folders, or a folder of them such as runs/NAME")
        found += inside
    return list(dict.fromkeys(found))


def _levels(runs: Sequence[ReportedRun]) -> list[str]:
    """What tells each run from those of other levels, as text."""
    factors = [run.config.get("factors") for run in runs]
    if all(isinstance(each, dict) and each for each in factors):
        return [", ".join(f"{key}={value}" for key, value in each.items()) for each in factors if each]
    flat = [dict(leaves(run.config)) for run in runs]
    keys = sorted({key for config in flat for key in config if not beside(key)})
    differing = [key for key in keys if len({config.get(key) for config in flat}) > 1]
    return [", ".join(f"{key}={config.get(key, 'absent')}" for key in differing) or "all" for config in flat]


def beside(key: str) -> bool:
    """Whether a config key may differ between runs of one level."""
    return any(key == name or key.startswith(f"{name}.") for name in BESIDE)


def _remarks(runs: Sequence[ReportedRun], split: str | None, mixed_precision: bool) -> list[str]:
    """Sentences about all runs together. UserError for runs of unequal precision, unless that is wanted."""
    remarks = []
    if not mixed_precision:
        refuse_unequal_precision(runs)
    elif len(precisions(runs)) > 1:
        remarks.append(f"unequal precision ({', '.join(precisions(runs))}): a difference may be that of precision")
    frames = {"set of held-out frames": {run.judged_by(split, "judged_on") for run in runs if run.evaluation(split)}}
    for name, values in (_facts(runs) | frames).items():
        if len(values) > 1:
            remarks.append(f"not all of one {name}: {', '.join(sorted(values))}")
    if any(run.evaluations and any(content.get("weak") for content in run.evaluations) for run in runs):
        remarks.append("weak split: held out are other parts of the same clips, one second apart")
    for run in runs:
        remarks += [f"{run.label}: {text}" for text in run.facts.get("warnings", [])]
    return remarks


def _facts(runs: Sequence[ReportedRun]) -> dict[str, set[str]]:
    def version(run: ReportedRun) -> Any:
        return (run.environment.get("versions") or {}).get("torch")

    return {
        "torch version": {str(version(run)) for run in runs},
        "number of threads": {str(run.environment.get("threads")) for run in runs},
        "code": {" then ".join(code[:10] for code in codes_of(run.facts)) for run in runs},
        "image budget": {str((run.config.get("budget") or {}).get("images")) for run in runs},
    }


def state_of(run: ReportedRun | None, value: float | None, known: bool) -> str:
    """One of `STATES`; ``known``: whether there is a value, which may not be finite."""
    if run is None:
        return "not begun"
    if run.status != "complete":
        return run.status if run.status in ("diverged", "failed") else "unfinished"
    if not known:
        return "not measured"
    return "measured" if finite(value) is not None else "diverged"
