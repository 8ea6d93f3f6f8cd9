"""The same held-out faces through every level: one picture, cut from the sheets of the runs."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from swaplab.report.evaluations import pretty
from swaplab.report.reading import Picture, ReportedRun, finite
from swaplab.report.study import Study
from swaplab.runs.atomic import write_atomically
from swaplab.runs.evaluations import JUDGED, evaluation_file

LABEL = 150  # pixels at the left for the names of rows
LINE = 14


def sample_matrices(study: Study) -> list[Picture]:
    """One picture a direction: fixed inputs along, levels down, all of one seed.

    From the sheets of the measured split, or where none is measured from the newest sheets of training. The seed is the
    first of which all levels that have any sheet have one. Sheets of other inputs are left out.
    """
    runs = study.runs.values()
    ways = dict.fromkeys(way for run in runs for way, _ in _evaluated(run, study.split))
    if ways:
        return _drawn_all(
            study, list(ways), f"{study.split} split", lambda run, way: _of_evaluation(run, study.split, way)
        )
    ways = dict.fromkeys(way for run in runs for way in _trained(run))
    return _drawn_all(study, list(ways), "val split, end of training", _of_training)


Columns = list[list[Image.Image]]  # source, reconstruction, swap and, where known, true swap; each its faces


def _drawn_all(
    study: Study, ways: Sequence[str], what: str, read: Callable[[ReportedRun, str], Columns | None]
) -> list[Picture]:
    found = []
    for way in ways:
        sheets: dict[int, dict[str, Columns]] = {}
        for (level, seed), run in study.runs.items():
            columns = read(run, way)
            if columns is not None:
                sheets.setdefault(seed, {})[level] = columns
        if sheets:
            seed = max(sheets, key=lambda s: (len(sheets[s]), -study.seeds.index(s)))
            caption = f"{pretty(way)}, {what}, seed {seed}: the inputs are fixed by index, not chosen by eye."
            levels = {level: sheets[seed][level] for level in study.levels if level in sheets[seed]}
            found.append(_picture(_drawn(_rows(levels)), caption))
    return found


def _rows(levels: Mapping[str, Columns]) -> list[tuple[str, list[Image.Image]]]:
    """The names of the rows and their faces."""
    first = next(iter(levels.values()))
    rows = [("source", first[0])]
    rows += [(level, columns[2]) for level, columns in levels.items() if _alike(columns, first)]
    return rows + ([("true swap", first[3])] if len(first) > 3 else [])


def _evaluated(run: ReportedRun, split: str | None) -> list[tuple[str, bool]]:
    """Directions of a measured split, and whether their true swaps are known."""
    content = run.evaluation(split)
    ways = content["directions"] if content else []
    return [(way["direction"], finite(way["rows"][0]["values"].get("mse")) is not None) for way in ways]


def _of_evaluation(run: ReportedRun, split: str | None, way: str) -> Columns | None:
    """A sheet of `swaplab evaluate`, cut."""
    truth = dict(_evaluated(run, split)).get(way, False)
    place = evaluation_file(run.folder, JUDGED, str(split))
    return _cut(place.with_name(f"{split}-{way.replace('->', '_to_')}-samples.png"), 4 if truth else 3)


def _trained(run: ReportedRun) -> list[str]:
    """Directions on the sheets of training, in the order of their columns."""
    faces = run.facts.get("faces")
    names = faces.get("identities", []) if isinstance(faces, dict) else []
    return [f"{name}->{names[(i + 1) % len(names)]}" for i, name in enumerate(names)]


def _of_training(run: ReportedRun, way: str) -> Columns | None:
    """The newest sheet of training, cut; three columns a direction, and a fourth where true swaps are known."""
    ways, paths = _trained(run), sorted((run.folder / "samples").glob("*.png"))
    each = 4 if run.config.get("data", {}).get("kind") == "synthetic" else 3
    columns = _cut(paths[-1], each * len(ways)) if paths and way in ways else None
    at = each * ways.index(way) if columns is not None else 0
    return columns[at : at + each] if columns is not None else None


def _cut(path: Path, count: int) -> Columns | None:
    """The ``count`` columns of a sheet of square faces; None if it cannot be read or is no such sheet."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            sheet = image.convert("RGB")
    except (OSError, SyntaxError):
        return None
    side = sheet.width // count
    if side * count != sheet.width or sheet.height % side:
        return None
    tops = range(0, sheet.height, side)
    return [[sheet.crop((left, top, left + side, top + side)) for top in tops] for left in range(0, sheet.width, side)]


def _alike(columns: Columns, first: Columns) -> bool:
    """Whether a sheet shows the same inputs."""
    same = len(columns) == len(first) and len(columns[0]) == len(first[0])
    return same and all(a.tobytes() == b.tobytes() for a, b in zip(columns[0], first[0], strict=True))


def _drawn(rows: list[tuple[str, list[Image.Image]]]) -> Image.Image:
    """Faces at twice their size where they are small, with the name of its row at the left."""
    face = rows[0][1][0]
    scale = 2 if face.width < 100 else 1
    side = face.width * scale
    picture = Image.new("RGB", (LABEL + side * len(rows[0][1]), side * len(rows)), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(LINE)
    for i, (name, faces) in enumerate(rows):
        pen.multiline_text((4, i * side + (side - LINE) // 2), _wrapped(name), fill="#33383f", font=font, spacing=2)
        for j, each in enumerate(faces):
            picture.paste(each.resize((side, side), Image.Resampling.NEAREST), (LABEL + j * side, i * side))
    return picture


def _wrapped(name: str, width: int = 18) -> str:
    return "\n".join(name[i : i + width] for i in range(0, len(name), width))


def _picture(image: Image.Image, caption: str) -> Picture:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Picture(uri, image.width, image.height, caption)


def save_picture(picture: Picture, path: Path) -> None:
    """Write a picture of a page as a file."""
    data = base64.b64decode(picture.uri.partition(",")[2])
    write_atomically(path, lambda file: file.write(data))
