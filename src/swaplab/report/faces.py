"""The large faces of a page: source, swap and true swap, as the sheets of an evaluation keep them."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from swaplab.report.evaluations import named, pretty
from swaplab.report.numbers import measured
from swaplab.report.reading import Picture, ReportedRun
from swaplab.runs.evaluations import evaluation_file
from swaplab.runs.sheets import newest_sheet, read_sheet
from swaplab.sheets import LARGEST, Columns, Sheet, reduced

SIDE = LARGEST  # side of a face on a page, in pixels
QUALITY = 95  # of WebP: about 40 dB to the original at a quarter of its size
FACES_FOR = 2  # with more directions, faces are smaller
CLIPS_BYTES = 1_000_000  # maximum for the clips of all directions, so that a page stays below 3 MB
SHEETS = {
    "samples": ("fixed", "Frames at fixed indices, not cherry-picked."),
    "worst": ("worst", "The frames with the largest error, the worst first."),
    "best": ("best", "The frames with the smallest error, the best first."),
}
ROWS = ("source", "swap", "true swap", "reconstruction")


@dataclass(frozen=True)
class Frame:
    """One column: its faces from top to bottom, and its caption."""

    faces: list[Picture]
    text: str


@dataclass(frozen=True)
class View:
    """Frames selected in one way. ``rows``: names of the faces of each frame; ``note``: how they were selected."""

    name: str
    note: str
    rows: list[str]
    frames: list[Frame]


@dataclass(frozen=True)
class Clip:
    """A video: ``uri`` is empty if the file is too large for the page, which then shows ``path``."""

    uri: str
    path: str


@dataclass(frozen=True)
class Showcase:
    """The views and the clip of one direction."""

    direction: str
    views: list[View]
    clip: Clip | None


def showcases(run: ReportedRun, content: dict[str, Any], remarks: list[str]) -> list[Showcase]:
    """All directions of an evaluation that have pictures; unreadable ones are added to ``remarks``."""
    files = beside_evaluation(run.folder, content["weights"], content["split"])
    ways = content["directions"]
    side = round(SIDE * min(1.0, FACES_FOR / len(ways)) ** 0.5)
    clips = [_clip(files.get(f"{_stem(content, way)}.mp4"), CLIPS_BYTES // len(ways)) for way in ways]
    found = [
        Showcase(pretty(way["direction"]), _views(files, _stem(content, way), way, side, remarks), clip)
        for way, clip in zip(ways, clips, strict=True)
    ]
    return [each for each in found if each.views or each.clip]


def beside_evaluation(run: Path, weights: str, split: str) -> dict[str, Path]:
    """Sheets and clips of an evaluation by file name, so that the name of a direction cannot point elsewhere."""
    return {path.name: path for path in evaluation_file(run, weights, split).parent.glob(f"{split}-*")}


def of_training(run: ReportedRun) -> list[Showcase]:
    """The same from the latest sheet of training, for a run without an evaluation."""
    sheet = kept_faces(newest_sheet(run.folder / "samples")) if run.samples else {}
    note = f"Validation faces at fixed indices, not cherry-picked, after {run.samples[-1].caption}." if sheet else ""
    return [Showcase(pretty(way), [_view("latest", note, each, [], SIDE)], None) for way, each in sheet.items()]


def kept_faces(path: Path | None) -> Sheet:
    """The faces of a sheet by direction; empty without a sheet, and if they are missing or damaged."""
    try:
        return read_sheet(path) if path else {}
    except (OSError, ValueError):
        return {}


def _stem(content: Mapping[str, Any], way: Mapping[str, Any]) -> str:
    return f"{content['split']}-{way['direction'].replace('->', '_to_')}"


def _views(files: Mapping[str, Path], stem: str, way: dict[str, Any], side: int, remarks: list[str]) -> list[View]:
    """One view per sheet in ``files``."""
    views = []
    for kind, (name, note) in SHEETS.items():
        path = files.get(f"{stem}-{kind}.png")
        if path is None:
            continue
        columns = kept_faces(path).get(way["direction"])
        if columns is None:
            remarks.append(f"the faces of {path.parent.name}/{path.name} cannot be shown: they are missing or damaged")
        else:
            frames = way.get("sheets", {}).get(kind, [])
            views.append(_view(name, note, columns, [_text(way, index) for index in frames], side))
    return views


def _view(name: str, note: str, columns: Columns, texts: Sequence[str], side: int) -> View:
    truth = [] if columns.truth is None else [columns.truth]
    shown = [reduced(faces, side) for faces in (columns.source, columns.swap, *truth, columns.reconstruction)]
    rows = [row for row in ROWS if row != "true swap" or truth]
    known = [*texts, *[""] * len(columns.source)][: len(columns.source)]
    frames = [
        Frame([picture(Image.fromarray(face)) for face in faces], text)
        for *faces, text in zip(*shown, known, strict=True)
    ]
    return View(name, note, rows, frames)


def _text(way: dict[str, Any], index: int) -> str:
    """The value of a frame's metric by which sheets are sorted."""
    values = way.get("per_frame", {})
    name = named(values, "psnr", "landmark_distance[", "reconstruction_psnr")
    known = name and 0 <= index < len(values[name])
    return f"{measured(name, values[name][index])}{' dB' * name.endswith('psnr')}" if known else ""


def _clip(path: Path | None, most: int) -> Clip | None:
    if path is None:
        return None
    small = path.stat().st_size <= most
    uri = f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}" if small else ""
    return Clip(uri, "/".join(path.parts[-3:]))


def picture(face: Image.Image, caption: str = "", widest: int = SIDE, quality: int = QUALITY) -> Picture:
    """A face as WebP, at most ``widest`` pixels wide."""
    if face.width > widest:
        face = face.resize((widest, round(face.height * widest / face.width)), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    face.save(file, "WEBP", quality=quality)
    uri = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Picture(uri, face.width, face.height, caption)


def compressed(sheet: Picture, widest: int) -> Picture:
    """A sheet as WebP, at most ``widest`` pixels wide."""
    with Image.open(io.BytesIO(base64.b64decode(sheet.uri.partition(",")[2]))) as image:
        return picture(image.convert("RGB"), sheet.caption, widest)
