"""From clips of one person to a faceset, with the ground on which the face may be used."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swaplab.devices import device_named
from swaplab.errors import UserError
from swaplab.experiment.face_search import face_search
from swaplab.faces.alignment import Alignment
from swaplab.faces.extraction import Extraction, clips_of
from swaplab.faces.faceset import Faceset, FacesetWriter
from swaplab.faces.ground import Ground
from swaplab.faces.media import expand_inputs
from swaplab.faces.sheet import contact_sheet
from swaplab.places import expanded
from swaplab.progress import Advance
from swaplab.runs.atomic import write_bytes_atomically
from swaplab.sheets import png


@dataclass(frozen=True)
class Extracted:
    """A new faceset. ``extraction``: counts and times by clip; ``unreadable``: a sentence for each skipped file;
    ``sheet``: its contact sheet, if asked for."""

    folder: Path
    extraction: Extraction
    unreadable: list[str]
    sheet: Path | None


def extract(config: dict[str, Any], progress: Advance) -> Extracted:
    """Write a faceset. If it raises UserError, no file is left. ``config``: the keys of `swaplab extract`."""
    output, alignment = expanded(config["output"]), Alignment(config["resolution"])
    _check_place(output)
    writer = FacesetWriter(output, config["identity"], ground_of(config), alignment)
    device = device_named(config["device"])
    files, unreadable = expand_inputs(config["input"])
    limits = dict(config["limits"])
    limits["side"] = 0.75 * config["resolution"] if limits["side"] is None else limits["side"]
    search, find_landmarks = face_search(config["detector"], alignment, device)
    how = {"every": config["every"], "find_landmarks": find_landmarks, "progress": progress}
    extraction = Extraction(clips_of(files), search, alignment, limits, **how)
    extraction.find()
    try:
        with writer:
            extraction.cut(writer)
    except OSError as error:
        raise UserError(
            f"{output} cannot be written ({error.strerror}); choose another folder with output=DIR"
        ) from None
    sheet = output / "sheet.png" if config["sheet"] else None
    if sheet is not None:
        write_bytes_atomically(sheet, png(contact_sheet(Faceset.load(output), config["sheet"])))
    skipped = (sentence for tally in extraction.tallies.values() for sentence in tally.unreadable.values())
    return Extracted(output, extraction, [*unreadable, *skipped], sheet)


def _check_place(output: Path) -> None:
    """Raise UserError if the output cannot be created, before the long work."""
    place = next(parent for parent in output.absolute().parents if parent.exists())
    wrong = "a file" if not place.is_dir() else "read-only" if not os.access(place, os.W_OK) else None
    if wrong:
        raise UserError(f"{output} cannot be created, because {place} is {wrong}; choose another with output=DIR")


def ground_of(config: dict[str, Any]) -> Ground:
    """The ground given by the keys ground, statement, licence and link. Raises UserError for keys without effect."""
    kind = config["ground"]
    if kind is None:
        raise UserError(
            "ground is missing, which says why this face may be used; set ground=self, ground=consent statement=FILE, "
            "ground=licensed licence=NAME link=URL, or ground=synthetic"
        )
    belongs = {"statement": "consent", "licence": "licensed", "link": "licensed"}
    for key, its_kind in belongs.items():
        if config[key] is not None and kind != its_kind:
            raise UserError(f"{key} belongs to ground={its_kind}, not to ground={kind}; remove one of them")
    if kind == "consent":
        if config["statement"] is None:
            raise UserError("ground=consent needs a statement file with who, scope and date; set statement=FILE")
        return Ground.from_consent(expanded(config["statement"]))
    return Ground(kind, licence=config["licence"], link=config["link"])
