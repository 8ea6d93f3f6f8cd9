"""A run folder as read for a report, with remarks about missing or damaged parts."""

import base64
import io
import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from swaplab.errors import UserError
from swaplab.runs.evaluations import JUDGED, SPLITS, WEIGHTS, evaluation_file
from swaplab.runs.record import RunRecord
from swaplab.runs.rows import Row, newest

STRIP = 8  # maximum number of sheets over training, including the first and the last

STATUS_WORDS = {
    "preparing": "training has not started",
    "running": "the run has not ended; these are its numbers so far",
    "interrupted": "the run was interrupted; the same swaplab train command resumes it",
    "diverged": "the run diverged: its curves end there, and it counts as a result",
    "failed": "the run ended with an error; these are its numbers until then",
}


@dataclass(frozen=True)
class Picture:
    """An embedded picture: data URI, size in pixels, caption."""

    uri: str
    width: int
    height: int
    caption: str


@dataclass(frozen=True)
class ReportedRun:
    """The data of one run for a report. ``remarks``: warnings about its numbers.

    ``rows``: the lines of ``metrics.jsonl``. ``evaluations``: the files of ``evaluation/``, final weights first, test
    before val. ``samples``: sheets over training, oldest first.
    """

    folder: Path
    label: str
    status: str
    facts: dict[str, Any]
    config: dict[str, Any]
    rows: list[Row]
    evaluations: list[dict[str, Any]]
    samples: list[Picture]
    remarks: list[str]

    @property
    def rendered(self) -> bool:
        """Whether the people in the data are rendered."""
        data = self.config.get("data")
        return isinstance(data, dict) and data.get("kind") == "synthetic"

    @property
    def environment(self) -> dict[str, Any]:
        """Precision, threads, versions: the environment that numbers depend on."""
        found = self.facts.get("environment")
        return found if isinstance(found, dict) else {}

    def evaluation(self, split: str | None) -> dict[str, Any] | None:
        """The evaluation of the final weights on a split, for comparison with other runs; None if there is none."""
        judged = (e for e in self.evaluations if (e["weights"], e["split"]) == (JUDGED, split))
        return next(judged, None)

    def judged_by(self, split: str | None, what: str) -> str:
        """A setting of the evaluation of a split, by direction: its ``yardstick``, or the frames (``judged_on``)."""
        content = self.evaluation(split)
        ways = content["directions"] if content else []
        return ", ".join(f"{way['direction']} {way.get('settings', {}).get(what)}" for way in ways)

    @property
    def newest(self) -> Row:
        """The newest value of every reported number."""
        return newest(self.rows)

    @property
    def series(self) -> list[str]:
        """Names of all reported numbers except the axis, in order of first appearance."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return [name for name in names if name not in ("images_seen", "steps", "train/progress")]


def read_run(folder: Path, *, pictures: bool = True) -> ReportedRun:
    """Read a run folder, with or without pictures. Raises UserError if it is not one, Damaged if it cannot be read."""
    record = RunRecord.load(folder)
    facts, config, status = record.facts, record.config(), record.status
    remarks = []
    if status in STATUS_WORDS:
        remarks.append(f"{STATUS_WORDS[status]} ({facts.get('exit_reason') or 'reason unknown'})")
    remarks += [str(warning) for warning in facts.get("warnings", [])]
    rows = _metric_rows(record, remarks)
    evaluations = _evaluations(folder, remarks)
    return ReportedRun(
        folder=folder,
        label=f"{facts.get('name', folder.resolve().parent.name)}/{folder.resolve().name}",
        status=status,
        facts=facts,
        config=config,
        rows=rows,
        evaluations=evaluations,
        samples=_samples(folder, remarks) if pictures else [],
        remarks=remarks,
    )


def _metric_rows(record: RunRecord, remarks: list[str]) -> list[Row]:
    """The rows over images seen; unreadable lines are skipped and listed in ``remarks``."""
    rows, damaged = record.rows()
    if damaged:
        places = ", ".join(map(str, damaged[:5])) + (" ..." if len(damaged) > 5 else "")
        remarks.append(f"{record.metrics_file.name} is damaged: line {places} cannot be read and is skipped")
    if not rows:
        remarks.append("no numbers have been reported yet")
    return rows


def _evaluations(folder: Path, remarks: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in (evaluation_file(folder, weights, split) for weights in WEIGHTS for split in reversed(SPLITS)):
        if not path.exists():
            continue
        try:
            content = json.loads(path.read_text())
            for evaluation in content["directions"]:
                _ = evaluation["direction"], evaluation["rows"][0]["values"], evaluation["metrics"].items()
                _ = [index + 0 for chosen in evaluation.get("sheets", {}).values() for index in chosen]
            if not content["directions"]:
                raise ValueError("it has no direction")
            if (content["weights"], content["split"]) != (path.parent.name, path.stem):
                raise ValueError(f"it says {content['weights']} weights, {content['split']} split")
            found.append(content)
        except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            remarks.append(
                f"{path} is damaged ({error!r}) and not shown; "
                f"`{evaluate_command(folder, path.stem, path.parent.name)}` writes it again"
            )
            continue
        if content.get("weak") and content["weights"] == JUDGED:
            remarks.append(f"weak split ({path.stem}): held-out frames are from the same clips, one second apart")
    judged = [content["split"] for content in found if content["weights"] == JUDGED]
    if "test" not in judged:
        remarks.append(unmeasured(folder, judged))
    return found


def unmeasured(folder: Path, splits: Sequence[str] = ()) -> str:
    """The remark that the test clips are not measured, with the command. ``splits``: the measured ones."""
    have = f"only {', '.join(splits)} is" if splits else "nothing is"
    return f"{have} measured on held-out clips; `{evaluate_command(folder, 'test')}` measures the test clips"


def evaluate_command(folder: Path, split: str, weights: str = JUDGED) -> str:
    """The command that measures a run."""
    chosen = [f"weights={weights}"] if weights != JUDGED else []
    return shlex.join(["swaplab", "evaluate", f"run={folder}", f"split={split}", *chosen])


def _samples(folder: Path, remarks: list[str]) -> list[Picture]:
    """Sheets over training, evenly spaced, oldest first."""
    paths = sorted((folder / "samples").glob("*.png"))
    last = len(paths) - 1
    kept = sorted({round(i * last / (STRIP - 1)) for i in range(STRIP)}) if len(paths) > STRIP else range(len(paths))
    pictures = [_picture(paths[i], _images(paths[i].stem), remarks) for i in kept]
    return [picture for picture in pictures if picture is not None]


def _images(stem: str) -> str:
    return f"{int(stem):,} images" if stem.isdigit() else stem


def _picture(path: Path, caption: str, remarks: list[str]) -> Picture | None:
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            width, height = image.size
    except (OSError, SyntaxError, ValueError) as error:
        remarks.append(f"the picture {path.parent.name}/{path.name} cannot be shown ({error})")
        return None
    return Picture(f"data:image/png;base64,{base64.b64encode(data).decode()}", width, height, caption)


def finite(value: Any) -> float | None:
    """``value`` if it is a finite number, else None."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def precisions(runs: Sequence[ReportedRun]) -> list[str]:
    """The different precisions of runs, sorted."""
    return sorted({str(run.environment.get("precision")) for run in runs})


def refuse_unequal_precision(runs: Sequence[ReportedRun]) -> None:
    """Raise UserError unless all runs have the same precision."""
    unequal = precisions(runs)
    if len(unequal) > 1:
        raise UserError(
            f"these runs have different precision ({', '.join(unequal)}), which alone changes numbers; to compare them "
            f"anyway, set mixed_precision=true"
        )
