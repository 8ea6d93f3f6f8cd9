"""swaplab convert: swap the face in a picture or video with a trained run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swaplab.config.commands import Convert as KEYS

if TYPE_CHECKING:
    from swaplab.conversion.report import Report

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
    """Convert a picture or video; print counts, times and paths."""
    from swaplab.config.keys import parsed
    from swaplab.devices import use_threads
    from swaplab.experiment.run import Run
    from swaplab.progress import stages

    config = parsed(KEYS, words)
    use_threads(config.pop("threads"))
    trained = Run.open(config.pop("run"), config.pop("runs"))
    with stages() as progress:
        done = trained.convert(config.pop("input"), config.pop("output"), progress=progress, **config)
    _print(done.report, done.output, done.sidecar)


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
