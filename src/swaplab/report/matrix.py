"""The same held-out faces from several runs side by side, as their sheets keep them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from swaplab.report.evaluations import pretty
from swaplab.report.faces import beside_evaluation, kept_faces, picture
from swaplab.report.reading import Picture, ReportedRun
from swaplab.report.study import Study
from swaplab.runs.atomic import write_atomically
from swaplab.runs.evaluations import JUDGED
from swaplab.runs.sheets import newest_sheet
from swaplab.sheets import Columns, Faces, Sheet, reduced
from swaplab.thinning import evenly

LABEL = 150  # width of the row names of a drawn matrix, in pixels
LINE = 14
MOST = 8  # maximum faces of a run and direction on a page
FEWEST = 2
CELLS = 480  # maximum faces of all runs and directions on a page
SIDE = 128  # maximum side of a face on a page, in pixels
QUALITY = 88  # of WebP; at 128 pixels a face takes about 4 kB


@dataclass(frozen=True)
class Matrix:
    """One direction: ``swaps`` of the same ``sources`` by several runs, with labels; ``truths``: None if unknown."""

    way: str
    caption: str
    sources: Faces
    swaps: list[tuple[str, Faces]]
    truths: Faces | None

    @property
    def rows(self) -> list[tuple[str, Faces]]:
        """All rows by name."""
        return [("source", self.sources), *self.swaps, *([] if self.truths is None else [("true swap", self.truths)])]


@dataclass(frozen=True)
class Strip:
    """The faces of one run as one picture."""

    label: str
    picture: Picture


def level_matrices(study: Study) -> list[Matrix]:
    """One matrix per direction with the levels of a study, all of one seed: the first seed for which the most levels
    have a sheet."""
    keys = list(study.runs)
    found = []
    for way, what, sheets in _sheets([study.runs[key] for key in keys], study.split):
        levels: dict[int, dict[str, Columns]] = {}
        for i, columns in sheets.items():
            level, seed = keys[i]
            levels.setdefault(seed, {})[level] = columns
        seed = max(levels, key=lambda s: (len(levels[s]), -study.seeds.index(s)))
        chosen = [(level, levels[seed][level]) for level in study.levels if level in levels[seed]]
        caption = f"{pretty(way)}, {what}, seed {seed}: the inputs are at fixed indices, not cherry-picked."
        found += _matrices(way, caption, chosen)
    return found


def run_matrices(runs: Sequence[ReportedRun], labels: Sequence[str], split: str | None) -> list[Matrix]:
    """One matrix per direction with all runs; runs with other inputs get their own. `CELLS` limits the number of faces.
    The caption names runs without a sheet."""
    found = []
    sheets = _sheets(runs, split)
    most = max(FEWEST, min(MOST, CELLS // max(1, sum(len(of_runs) for _, _, of_runs in sheets))))
    for way, what, of_runs in sheets:
        caption = f"{pretty(way)}, {what}; the inputs are at fixed indices, not cherry-picked."
        lost = [label for i, label in enumerate(labels) if i not in of_runs]
        caption += f" Without a sheet: {', '.join(lost)}." if lost else ""
        named = [(labels[i], columns) for i, columns in of_runs.items()]
        found += [_thinned(matrix, most) for matrix in _matrices(way, caption, named)]
    return found


def _thinned(matrix: Matrix, most: int) -> Matrix:
    kept = evenly(len(matrix.sources), most)
    swaps = [(label, faces[kept]) for label, faces in matrix.swaps]
    truths = None if matrix.truths is None else matrix.truths[kept]
    return Matrix(matrix.way, matrix.caption, matrix.sources[kept], swaps, truths)


def _sheets(runs: Sequence[ReportedRun], split: str | None) -> list[tuple[str, str, dict[int, Columns]]]:
    """Direction, description, and the sheets by index of the run: of the evaluated split or, if no run is evaluated,
    the latest ones of training."""
    what, sheets = f"{split} split", [_of_evaluation(run, split) for run in runs]
    if not any(_evaluated(run, split) for run in runs):
        what, sheets = "val split, end of training", [_of_training(run) for run in runs]
    return [
        (way, what, {i: sheet[way] for i, sheet in enumerate(sheets) if way in sheet})
        for way in dict.fromkeys(way for sheet in sheets for way in sheet)
    ]


def _matrices(way: str, caption: str, named: Sequence[tuple[str, Columns]]) -> list[Matrix]:
    """One matrix for all sheets with the same inputs."""
    alike: dict[bytes, list[tuple[str, Columns]]] = {}
    for label, columns in named:
        alike.setdefault(columns.source.tobytes(), []).append((label, columns))
    return [
        Matrix(
            way,
            caption,
            sheets[0][1].source,
            [(label, columns.swap) for label, columns in sheets],
            next((columns.truth for _, columns in sheets if columns.truth is not None), None),
        )
        for sheets in alike.values()
    ]


def _evaluated(run: ReportedRun, split: str | None) -> list[str]:
    """Directions of an evaluated split."""
    content = run.evaluation(split)
    return [way["direction"] for way in content["directions"]] if content else []


def _of_evaluation(run: ReportedRun, split: str | None) -> Sheet:
    """The faces at fixed indices that `swaplab evaluate` kept, by direction."""
    files, found = beside_evaluation(run.folder, JUDGED, str(split)), {}
    for way in _evaluated(run, split):
        sheet = kept_faces(files.get(f"{split}-{way.replace('->', '_to_')}-samples.png"))
        if way in sheet:
            found[way] = sheet[way]
    return found


def _of_training(run: ReportedRun) -> Sheet:
    """The faces of the latest sheet of training, by direction."""
    return kept_faces(newest_sheet(run.folder / "samples"))


def panel_names(matrices: Sequence[Matrix]) -> list[str]:
    """The direction of each matrix, numbered if it has several sets of inputs."""
    ways = [pretty(matrix.way) for matrix in matrices]
    return [f"{way}, inputs {ways[:i].count(way) + 1}" if ways.count(way) > 1 else way for i, way in enumerate(ways)]


def strips(matrix: Matrix, *, down: bool) -> list[Strip]:
    """The rows of a matrix as pictures, with faces one below the other (``down``) or side by side."""
    return [Strip(label, _strip(faces, label, down)) for label, faces in matrix.rows]


def _strip(faces: Faces, caption: str, down: bool) -> Picture:
    whole = Image.fromarray(np.concatenate(list(reduced(faces, SIDE)), 0 if down else 1))
    return picture(whole, caption, max(whole.size), QUALITY)


def drawn(matrix: Matrix) -> Picture:
    """A matrix as one PNG with the name of each row at the left; small faces are shown at twice their size."""
    side = matrix.sources.shape[1]
    side *= 2 if side < 100 else 1
    whole = Image.new("RGB", (LABEL + side * len(matrix.sources), side * len(matrix.rows)), "white")
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(LINE)
    for i, (name, faces) in enumerate(matrix.rows):
        pen.multiline_text((4, i * side + (side - LINE) // 2), _wrapped(name), fill="#33383f", font=font, spacing=2)
        for j, face in enumerate(faces):
            whole.paste(
                Image.fromarray(face).resize((side, side), Image.Resampling.NEAREST), (LABEL + j * side, i * side)
            )
    file = io.BytesIO()
    whole.save(file, "PNG", optimize=True)
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Picture(uri, whole.width, whole.height, matrix.caption)


def _wrapped(name: str, width: int = 18) -> str:
    return "\n".join(name[i : i + width] for i in range(0, len(name), width))


def save_picture(picture: Picture, path: Path) -> None:
    """Write a picture of a page to a file."""
    data = base64.b64decode(picture.uri.partition(",")[2])
    write_atomically(path, lambda file: file.write(data))
