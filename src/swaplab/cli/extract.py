"""swaplab extract: make a faceset from clips of one person."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swaplab.config.commands import Extract as KEYS
from swaplab.places import expanded

if TYPE_CHECKING:
    from pathlib import Path

    from swaplab.faces.extraction import Extraction
    from swaplab.faces.ground import Ground

HELP = """
swaplab extract: find one person's face in videos or pictures, crop it, and write a faceset with a contact sheet.

  swaplab extract input=clip.mp4 identity=A ground=self output=faces/A
  swaplab extract input=clips/,more.mov identity=B output=faces/B ground=consent statement=consent.yaml
  swaplab extract input=talker.mpg identity=C output=faces/C ground=licensed 'licence=CC BY 4.0' link=https://...
  swaplab extract input=long.mp4 every=5 resolution=128 identity=A ground=self output=faces/A

In each clip it keeps the face with the largest total area over its track and counts the others. The pictures of a
folder are one clip. Every face needs a ground: self (you), consent (a YAML file with who, scope, date), licensed, or
synthetic.
"""
ADVICE = "; no faceset was written"


def run(words: Sequence[str]) -> None:
    """Make a faceset."""
    from swaplab.config.keys import parsed

    extract(parsed(KEYS, words))


def extract(config: dict[str, Any]) -> None:
    """Write the faceset of a resolved config. If it raises UserError, no file is left."""

    from swaplab.cli.progress import stages
    from swaplab.errors import UserError
    from swaplab.faces.alignment import Alignment
    from swaplab.faces.extraction import Extraction, clips_of
    from swaplab.faces.faceset import Faceset, FacesetWriter
    from swaplab.faces.media import expand_inputs
    from swaplab.faces.search import FaceSearch

    output, alignment = expanded(config["output"]), Alignment(config["resolution"])
    _check_place(output)
    writer = FacesetWriter(output, config["identity"], _ground(config), alignment)
    files, unreadable = expand_inputs(config["input"])
    clips = clips_of(files)
    limits = dict(config["limits"])
    limits["side"] = 0.75 * config["resolution"] if limits["side"] is None else limits["side"]
    find_landmarks = _landmarker(alignment)
    with stages() as progress:
        extraction = Extraction(
            clips,
            FaceSearch(_detector(config["detector"]), alignment, find_landmarks),
            alignment,
            limits,
            every=config["every"],
            find_landmarks=find_landmarks,
            progress=progress,
        )
        extraction.find()
        try:
            with writer:
                extraction.cut(writer)
        except OSError as error:
            raise UserError(
                f"{output} cannot be written ({error.strerror}); choose another folder with output=DIR"
            ) from None
    if config["sheet"]:
        _write_sheet(Faceset.load(output), output / "sheet.png", config["sheet"])
    _report(extraction, unreadable, output, bool(config["sheet"]))


def _check_place(output: "Path") -> None:
    """Raise UserError if the output cannot be created, before the long work."""
    import os

    from swaplab.errors import UserError

    place = next(parent for parent in output.absolute().parents if parent.exists())
    wrong = "a file" if not place.is_dir() else "read-only" if not os.access(place, os.W_OK) else None
    if wrong:
        raise UserError(f"{output} cannot be created, because {place} is {wrong}; choose another with output=DIR")


def _ground(config: dict[str, Any]) -> "Ground":
    """The ground given by the keys ground, statement, licence and link. Raises UserError for keys without effect."""

    from swaplab.errors import UserError
    from swaplab.faces.ground import Ground

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


def _detector(settings: dict[str, Any]) -> Any:
    from swaplab.faces.detection import MTCNNDetector

    return MTCNNDetector(**settings)


def _landmarker(alignment: Any) -> Any:
    from swaplab.networks.pretrained.landmarks import Landmarker

    find = Landmarker()
    return lambda crops: find(crops, border=alignment.border)


def _write_sheet(faceset: Any, path: "Path", faces: int) -> None:
    import cv2

    from swaplab.faces.sheet import contact_sheet
    from swaplab.runs.atomic import write_atomically

    picture = cv2.imencode(".png", cv2.cvtColor(contact_sheet(faceset, faces), cv2.COLOR_RGB2BGR))[1].tobytes()
    write_atomically(path, lambda file: file.write(picture))


def _report(extraction: "Extraction", unreadable: list[str], output: "Path", has_sheet: bool) -> None:
    """Print counts, skipped files, times and the output folder."""
    tallies = list(extraction.tallies.values())
    unreadable = [*unreadable, *(sentence for tally in tallies for sentence in tally.unreadable.values())]
    for sentence in unreadable:
        print(f"  skipped: {sentence}")
    for name, tally in extraction.tallies.items():
        others = f"; {tally.other_faces} other faces" if tally.other_faces else ""
        print(f"  {name}: {tally.faces} faces in {tally.frames} frames{others}")
        if tally.damage:
            print(f"  {name}: damaged: {tally.damage}")
        for note in tally.notes:
            print(f"  {name}: {note}")
    flagged = sum((tally.flagged for tally in tallies), Counter[str]())
    counted = ", ".join(f"{count} {flag}" for flag, count in sorted(flagged.items())) or "none"
    print(
        f"{sum(t.faces for t in tallies)} faces in {sum(t.frames for t in tallies)} frames of {len(tallies)} clip(s); "
        f"{sum(t.without_face for t in tallies)} frames without the face; "
        f"{sum(t.other_faces for t in tallies)} other faces, not kept; flagged: {counted}"
        + (f"; {len(unreadable)} file(s) skipped" if unreadable else "")
    )
    print("seconds: " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in extraction.seconds.items()))
    print(f"faceset: {output}" + (f"; look at {output / 'sheet.png'}" if has_sheet else ""))
