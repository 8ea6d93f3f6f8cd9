"""The same held-out faces from several runs side by side, cut from their sheets."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from swaplab.report.evaluations import pretty
from swaplab.report.faces import beside_evaluation, cut, picture
from swaplab.report.reading import Picture, ReportedRun, finite
from swaplab.report.study import Study
from swaplab.runs.atomic import write_atomically
from swaplab.runs.evaluations import JUDGED
from swaplab.thinning import evenly

LABEL = 150  # width of the row names of a drawn matrix, in pixels
LINE = 14
MOST = 8  # maximum faces of a run and direction on a page
FEWEST = 2
CELLS = 480  # maximum faces of all runs and directions on a page
SIDE = 128  # maximum side of a face on a page, in pixels
QUALITY = 88  # of WebP; at 128 pixels a face takes about 4 kB

Faces = list[Image.Image]
Columns = list[Faces]  # source, reconstruction, swap and, if known, true swap


@dataclass(frozen=True)
class Matrix:
    """One direction: ``swaps`` of the same ``sources`` by several runs, with labels; ``truths`` may be empty."""

    way: str
    caption: str
    sources: Faces
    swaps: list[tuple[str, Faces]]
    truths: Faces

    @property
    def rows(self) -> list[tuple[str, Faces]]:
        """All rows by name."""
        return [("source", self.sources), *self.swaps, *([("true swap", self.truths)] if self.truths else [])]


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

    def some(faces: Faces) -> Faces:
        return [faces[i] for i in kept] if faces else []

    swaps = [(label, some(faces)) for label, faces in matrix.swaps]
    return Matrix(matrix.way, matrix.caption, some(matrix.sources), swaps, some(matrix.truths))


def _sheets(runs: Sequence[ReportedRun], split: str | None) -> list[tuple[str, str, dict[int, Columns]]]:
    """Direction, description, and the cut sheets by index of the run: of the evaluated split or, if no run is
    evaluated, the latest ones of training."""
    ways = dict.fromkeys(way for run in runs for way, _ in _evaluated(run, split))
    what, read = f"{split} split", _of_evaluation(split)
    if not ways:
        ways = dict.fromkeys(way for run in runs for way in _trained(run))
        what, read = "val split, end of training", _of_training
    found = []
    for way in ways:
        cut = {i: columns for i, run in enumerate(runs) if (columns := read(run, way)) is not None}
        if cut:
            found.append((way, what, cut))
    return found


def _matrices(way: str, caption: str, named: Sequence[tuple[str, Columns]]) -> list[Matrix]:
    """One matrix for all sheets with the same inputs."""
    alike: dict[bytes, list[tuple[str, Columns]]] = {}
    for label, columns in named:
        alike.setdefault(_inputs(columns), []).append((label, columns))
    return [
        Matrix(
            way,
            caption,
            sheets[0][1][0],
            [(label, columns[2]) for label, columns in sheets],
            next((columns[3] for _, columns in sheets if len(columns) > 3), []),
        )
        for sheets in alike.values()
    ]


def _inputs(columns: Columns) -> bytes:
    """The pixels of the inputs, to distinguish sheets with other inputs."""
    return b"".join(face.tobytes() for face in columns[0])


def _evaluated(run: ReportedRun, split: str | None) -> list[tuple[str, bool]]:
    """Directions of an evaluated split, and whether their true swaps are known."""
    content = run.evaluation(split)
    ways = content["directions"] if content else []
    return [(way["direction"], finite(way["rows"][0]["values"].get("mse")) is not None) for way in ways]


def _of_evaluation(split: str | None) -> Callable[[ReportedRun, str], Columns | None]:
    """Reads a sheet of ``swaplab evaluate``."""

    def read(run: ReportedRun, way: str) -> Columns | None:
        truth = dict(_evaluated(run, split)).get(way, False)
        files = beside_evaluation(run.folder, JUDGED, str(split))
        path = files.get(f"{split}-{way.replace('->', '_to_')}-samples.png")
        return cut(path, 4 if truth else 3) if path else None

    return read


def _trained(run: ReportedRun) -> list[str]:
    """Directions on the sheets of training, in column order."""
    faces = run.facts.get("faces")
    names = faces.get("identities", []) if isinstance(faces, dict) else []
    return [f"{name}->{names[(i + 1) % len(names)]}" for i, name in enumerate(names)]


def _of_training(run: ReportedRun, way: str) -> Columns | None:
    """The columns of a direction on the latest sheet of training: three, or four if true swaps are known."""
    ways, paths = _trained(run), sorted((run.folder / "samples").glob("*.png"))
    each = 4 if run.rendered else 3
    columns = cut(paths[-1], each * len(ways)) if paths and way in ways else None
    at = each * ways.index(way) if columns is not None else 0
    return columns[at : at + each] if columns is not None else None


def panel_names(matrices: Sequence[Matrix]) -> list[str]:
    """The direction of each matrix, numbered if it has several sets of inputs."""
    ways = [pretty(matrix.way) for matrix in matrices]
    return [f"{way}, inputs {ways[:i].count(way) + 1}" if ways.count(way) > 1 else way for i, way in enumerate(ways)]


def strips(matrix: Matrix, *, down: bool) -> list[Strip]:
    """The rows of a matrix as pictures, with faces one below the other (``down``) or side by side."""
    return [Strip(label, _strip(faces, label, down)) for label, faces in matrix.rows]


def _strip(faces: Faces, caption: str, down: bool) -> Picture:
    side = min(SIDE, faces[0].width)
    size = (side, side * len(faces)) if down else (side * len(faces), side)
    whole = Image.new("RGB", size)
    for i, face in enumerate(faces):
        whole.paste(face.resize((side, side), Image.Resampling.LANCZOS), (0, i * side) if down else (i * side, 0))
    return picture(whole, caption, max(size), QUALITY)


def drawn(matrix: Matrix) -> Picture:
    """A matrix as one PNG with the name of each row at the left; small faces are shown at twice their size."""
    face = matrix.sources[0]
    side = face.width * (2 if face.width < 100 else 1)
    whole = Image.new("RGB", (LABEL + side * len(matrix.sources), side * len(matrix.rows)), "white")
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(LINE)
    for i, (name, faces) in enumerate(matrix.rows):
        pen.multiline_text((4, i * side + (side - LINE) // 2), _wrapped(name), fill="#33383f", font=font, spacing=2)
        for j, each in enumerate(faces):
            whole.paste(each.resize((side, side), Image.Resampling.NEAREST), (LABEL + j * side, i * side))
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
