"""swaplab extract: make a faceset from clips of one person."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from swaplab.config.commands import Extract as KEYS

if TYPE_CHECKING:
    from swaplab.experiment.extraction import Extracted

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
    """Make a faceset; print counts, skipped files, times and the output folder."""
    from swaplab.config.keys import parsed
    from swaplab.experiment.extraction import extract
    from swaplab.progress import stages

    config = parsed(KEYS, words)
    with stages() as progress:
        made = extract(config, progress)
    _print(made)


def _print(made: "Extracted") -> None:
    tallies = list(made.extraction.tallies.values())
    for sentence in made.unreadable:
        print(f"  skipped: {sentence}")
    for name, tally in made.extraction.tallies.items():
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
        + (f"; {len(made.unreadable)} file(s) skipped" if made.unreadable else "")
    )
    print("seconds: " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in made.extraction.seconds.items()))
    print(f"faceset: {made.folder}" + (f"; look at {made.sheet}" if made.sheet else ""))
