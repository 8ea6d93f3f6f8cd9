"""From a run and a picture or video to a marked output."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swaplab.conversion.convert import Converter, Settings
from swaplab.conversion.report import Report
from swaplab.conversion.swapper import FaceSwapper, direction
from swaplab.errors import UserError
from swaplab.experiment.face_search import face_search
from swaplab.experiment.recorded import claim_of, recorded_faces
from swaplab.faces.media import Video, kind_of, read_picture
from swaplab.marking.claim import Claim
from swaplab.marking.label import Label
from swaplab.marking.writer import SUFFIXES, check_output, write_marked
from swaplab.networks.swap_model import SwapModel
from swaplab.progress import Advance
from swaplab.runs.record import RunRecord

Load = Callable[[str, str], tuple[SwapModel, str]]  # weights and device -> the model and the SHA-256 of its weights


@dataclass(frozen=True)
class Conversion:
    """A converted file: counts and times, the output, and its sidecar."""

    report: Report
    output: Path
    sidecar: Path


def convert(
    record: RunRecord, load: Load, source: Path, output: Path, settings: dict[str, Any], progress: Advance
) -> Conversion:
    """Write the converted picture or video ``source`` and its sidecar. If it raises UserError, no file is left.

    ``settings``: the keys of `swaplab convert` that are about faces, marks and the device.
    """
    kind = kind_of(source)
    check_output(output, source, settings["overwrite"])
    if SUFFIXES[output.suffix.lower()] != kind:
        fitting = ", ".join(suffix for suffix, its_kind in SUFFIXES.items() if its_kind == kind)
        raise UserError(f"{source} is a {kind}, so {output.name} must end in {fitting}")
    _check_readable(source, kind)
    faces = recorded_faces(record)
    a, b = direction(faces.identities, settings["source"], settings["target"])
    model, weights = load(settings["weights"], settings["device"])
    elsewhere = settings["disclosure_elsewhere"]
    label = Label(settings["label"]) if elsewhere is None else None
    converter = _converter(settings, FaceSwapper(model, faces.alignment, a, b), label, model)
    reports: list[Report] = []

    def through(work: Callable[[Path, Path, Advance], Report]) -> Callable[[Path], None]:
        return lambda path: reports.append(work(source, path, progress))

    def claim() -> Claim:
        """The signed claim about the output, after it is written."""
        done = reports[-1]
        stated = {"kind": kind, "frames": done.frames_out, "faces_swapped": done.faces}
        return claim_of(record, weights, a, b, label=label, disclosure_elsewhere=elsewhere, **stated)

    video = kind == "video"
    produce, trial = converter.video if video else converter.picture, through(converter.trial) if video else None
    try:
        sidecar = write_marked(output, source, claim, through(produce), settings["overwrite"], trial)
    except OSError as error:
        raise UserError(f"{output} could not be written ({error.strerror or error}); no file was kept") from None
    return Conversion(reports[-1], output, sidecar)


def _check_readable(source: Path, kind: str) -> None:
    """Raise UserError if the original is damaged, before its marks are checked."""
    if kind == "picture":
        read_picture(source)
        return
    with Video.open(source):
        pass


def _converter(settings: dict[str, Any], swapper: FaceSwapper, label: Label | None, model: SwapModel) -> Converter:
    search, find_landmarks = face_search(settings["detector"], swapper.alignment, model.device)
    how = Settings(**{key: settings[key] for key in ("faces", "colour", "alpha", "feather")})
    return Converter(search, find_landmarks, swapper, label, how)
