"""swaplab convert: swap the face in a picture or video with a trained run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.config.commands import Convert as KEYS
from swaplab.places import expanded

if TYPE_CHECKING:
    from swaplab.conversion.convert import Converter, Progress
    from swaplab.conversion.report import Report
    from swaplab.conversion.swapper import FaceSwapper
    from swaplab.marking.claim import Claim
    from swaplab.marking.label import Label
    from swaplab.runs.record import RunRecord

    Work = Callable[[Path, Path, Progress], Report]

HELP = """
swaplab convert: swap the face in a picture or video with a trained run, and mark the output.

  swaplab convert run=runs/mine/s1-0123456789 input=clip.mp4 output=swapped.mp4
  swaplab convert run=runs/mine/s1-0123456789 input=clip.mp4 output=swapped.mp4 source=B target=A
  swaplab convert run=runs/mine/s1-0123456789 input=photo.jpg output=swapped.png faces=all

The number of frames, their times and the sound do not change; frames without a face are copied. Every output has a
visible label, signed content credentials and a sidecar OUTPUT.json, which swaplab verify checks.
"""
ADVICE = "; no output was written"


def run(words: Sequence[str]) -> None:
    """Convert a picture or video."""
    from swaplab.config.keys import parsed

    convert(parsed(KEYS, words))


def convert(config: dict[str, Any]) -> None:
    """Write the converted picture or video and its sidecar. If it raises UserError, no file is left."""
    from swaplab.cli.progress import stages
    from swaplab.errors import UserError
    from swaplab.faces.media import kind_of
    from swaplab.marking.label import Label
    from swaplab.marking.writer import SUFFIXES, check_output, write_marked
    from swaplab.runs.naming import run_folder
    from swaplab.runs.record import RunRecord

    source, output = (expanded(config[key]) for key in ("input", "output"))
    record = RunRecord.load(run_folder(expanded(config["runs"]), config["run"]))
    kind = kind_of(source)
    check_output(output, source, config["overwrite"])
    if SUFFIXES[output.suffix.lower()] != kind:
        fitting = ", ".join(suffix for suffix, its_kind in SUFFIXES.items() if its_kind == kind)
        raise UserError(f"{source} is a {kind}, so {output.name} must end in {fitting}")
    _check_readable(source, kind)
    label = Label(config["label"]) if config["disclosure_elsewhere"] is None else None
    swapper, weights = load_swapper(record, config)
    converter, reports = _converter(config, swapper, label), []

    def through(work: "Work") -> Callable[[Path], None]:
        def produce(path: Path) -> None:
            with stages() as progress:
                reports.append(work(source, path, progress))

        return produce

    try:
        sidecar = write_marked(
            output,
            source,
            lambda: _claim(config, record, weights, swapper, label, kind, reports[-1]),
            through(converter.video if kind == "video" else converter.picture),
            config["overwrite"],
            through(converter.trial) if kind == "video" else None,
        )
    except OSError as error:
        raise UserError(f"{output} could not be written ({error.strerror or error}); no file was kept") from None
    _print(reports[-1], output, sidecar)


def _check_readable(source: Path, kind: str) -> None:
    """Raise UserError if the original is damaged, before its marks are checked."""
    from swaplab.faces.media import Video, read_picture

    if kind == "picture":
        read_picture(source)
        return
    with Video.open(source):
        pass


def load_swapper(record: "RunRecord", config: dict[str, Any]) -> "tuple[FaceSwapper, str]":
    """The run's swapper in the configured direction, and the SHA-256 of its weights.

    Raises UserError if the record does not describe the faces, or the weights are missing or do not fit.
    """
    import torch

    from swaplab.cli.recorded import load_model, recorded_config, recorded_faces
    from swaplab.conversion.swapper import FaceSwapper, direction

    if config["threads"]:
        torch.set_num_threads(config["threads"])
    faces = recorded_faces(record)
    source, target = direction(faces.identities, config["source"], config["target"])
    model, digest = load_model(record, recorded_config(record), config["weights"])
    return FaceSwapper(model, faces.alignment, source, target), digest


def _converter(config: dict[str, Any], swapper: "FaceSwapper", label: "Label | None") -> "Converter":
    from swaplab.conversion.convert import Converter, Settings
    from swaplab.faces.detection import MTCNNDetector
    from swaplab.faces.search import FaceSearch
    from swaplab.networks.pretrained.landmarks import Landmarker

    settings = Settings(**{key: config[key] for key in ("faces", "colour", "alpha", "feather")})
    landmarker, border = Landmarker(), swapper.alignment.border

    def find_landmarks(crops: Any) -> Any:
        return landmarker(crops, border)

    search = FaceSearch(MTCNNDetector(**config["detector"]), swapper.alignment, find_landmarks)
    return Converter(search, find_landmarks, swapper, label, settings)


def _claim(
    config: dict[str, Any],
    record: "RunRecord",
    weights: str,
    swapper: "FaceSwapper",
    label: "Label | None",
    kind: Any,
    done: "Report",
) -> "Claim":
    """The signed claim about the output. ``weights``: SHA-256 of the weights."""
    from swaplab.cli.recorded import claim_of

    return claim_of(
        record,
        weights,
        swapper.source,
        swapper.target,
        kind=kind,
        frames=done.frames_out,
        faces_swapped=done.faces,
        label=label,
        disclosure_elsewhere=config["disclosure_elsewhere"],
    )


def _print(report: "Report", output: Path, sidecar: Path) -> None:
    """Print counts, times and paths."""
    others = f", {report.other_faces} other faces not swapped" if report.other_faces else ""
    print(f"frames: {report.frames_in} in, {report.frames_out} out, {report.passed_through} without a swapped face")
    implausible = f", {report.implausible} not swapped because of implausible points" if report.implausible else ""
    print(f"faces: {report.faces} swapped{others}{implausible}")
    for note in report.notes:
        print(f"note: {note}")
    print("seconds: " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in report.seconds.items()))
    print(f"converted: {output}; sidecar: {sidecar}")
