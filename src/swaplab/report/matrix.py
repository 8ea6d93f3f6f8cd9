"""The same held-out faces through every level: one picture, cut from the sheets of the runs."""

import base64
import io
from pathlib import Path

from PIL import Image, ImageDraw

from swaplab.report.evaluations import pretty
from swaplab.report.reading import Picture, ReportedRun, finite
from swaplab.report.study import Study

NAMES = ("source", "true swap")
LABEL = 150  # pixels at the left for the names of rows
LINE = 14


def sample_matrices(study: Study) -> list[Picture]:
    """One picture a direction of the measured split: fixed inputs along, levels down, all of one seed.

    The seed is the first of which all levels that have any sheet have one. Sheets of other shapes are left out.
    """
    ways = dict.fromkeys(
        way["direction"]
        for run in study.runs.values()
        for content in run.evaluations
        if content["split"] == study.split
        for way in content["directions"]
    )
    found = [_matrix(study, way) for way in ways]
    return [picture for picture in found if picture is not None]


def _matrix(study: Study, way: str) -> Picture | None:
    sheets: dict[int, dict[str, list[list[Image.Image]]]] = {}
    for seed in study.seeds:
        for level in study.levels:
            run = study.runs.get((level, seed))
            columns = _columns(run, study.split, way) if run is not None else None
            if columns is not None:
                sheets.setdefault(seed, {})[level] = columns
    if not sheets:
        return None
    seed = max(sheets, key=lambda s: (len(sheets[s]), -study.seeds.index(s)))
    first = next(iter(sheets[seed].values()))
    rows = [("source", first[0])]
    rows += [(level, columns[2]) for level, columns in sheets[seed].items() if _alike(columns, first)]
    if len(first) > 3:
        rows.append(("true swap", first[3]))
    caption = f"{pretty(way)}, {study.split} split, seed {seed}: the inputs are fixed by index, not chosen by eye."
    return _picture(_drawn(rows), caption)


def _columns(run: ReportedRun, split: str | None, way: str) -> list[list[Image.Image]] | None:
    """The columns of a sheet of `swaplab-evaluate` (source, reconstruction, swap, true swap), each its faces."""
    path = run.folder / "evaluation" / f"{split}-{way.replace('->', '_to_')}-samples.png"
    try:
        with Image.open(path, formats=["PNG"]) as image:
            sheet = image.convert("RGB")
    except (OSError, SyntaxError):
        return None
    count = 4 if _true_swap_known(run, split) else 3
    side = sheet.width // count
    if side * count != sheet.width or sheet.height % side:
        return None
    tops = range(0, sheet.height, side)
    return [[sheet.crop((left, top, left + side, top + side)) for top in tops] for left in range(0, sheet.width, side)]


def _true_swap_known(run: ReportedRun, split: str | None) -> bool:
    return any(
        finite(row["values"].get("mse")) is not None
        for content in run.evaluations
        if content["split"] == split
        for row in content["directions"][0]["rows"][:1]
    )


def _alike(columns: list[list[Image.Image]], first: list[list[Image.Image]]) -> bool:
    """Whether a sheet shows the same inputs."""
    same = len(columns) == len(first) and len(columns[0]) == len(first[0])
    return same and all(a.tobytes() == b.tobytes() for a, b in zip(columns[0], first[0], strict=True))


def _drawn(rows: list[tuple[str, list[Image.Image]]]) -> Image.Image:
    """Faces at twice their size where they are small, with the name of its row at the left."""
    face = rows[0][1][0]
    scale = 2 if face.width < 100 else 1
    side = face.width * scale
    picture = Image.new("RGB", (LABEL + side * len(rows[0][1]), side * len(rows)), "white")
    pen = ImageDraw.Draw(picture)
    for i, (name, faces) in enumerate(rows):
        pen.multiline_text((4, i * side + (side - LINE) // 2), _wrapped(name), fill="#33383f", spacing=2)
        for j, each in enumerate(faces):
            picture.paste(each.resize((side, side), Image.Resampling.NEAREST), (LABEL + j * side, i * side))
    return picture


def _wrapped(name: str, width: int = 22) -> str:
    return "\n".join(name[i : i + width] for i in range(0, len(name), width))


def _picture(image: Image.Image, caption: str) -> Picture:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Picture(uri, image.width, image.height, caption)


def save_picture(picture: Picture, path: Path) -> None:
    """Write a picture of a page as a file."""
    from swaplab.runs.atomic import write_atomically

    data = base64.b64decode(picture.uri.partition(",")[2])
    write_atomically(path, lambda file: file.write(data))
