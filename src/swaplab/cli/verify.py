"""swaplab verify: which marks a file carries, and what each of them proves."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swaplab.errors import UserError

if TYPE_CHECKING:
    from swaplab.marking.verify import Verification

HELP = """
swaplab verify: read the marks of pictures and videos, and say what each of them proves.

  swaplab verify converted.mp4
  swaplab verify converted/*.png

Looks for signed content credentials, the visible label and the sidecar FILE.json; needs no network. Exit code: 0 all
marks are there and intact, 1 a mark is missing or broken, 2 something that is no picture or video.
SWAPLAB_TRUST=FILE names PEM certificates of signers you trust; without it every signer is untrusted.
"""


def run(words: Sequence[str]) -> int:
    """Verify the files that are named; the worst exit code of them."""
    if not words:
        raise UserError("no file given; name one or more, see --help")
    return max(verify_file(Path(word)) for word in words)


def verify_file(path: Path) -> int:
    """Print the marks of one file; returns 0 if all are intact, 1 if not, 2 if it cannot be read."""
    from swaplab.marking.verify import verify

    try:
        verification = verify(path)
    except UserError as error:
        print(f"swaplab verify: {error}", file=sys.stderr)
        return 2
    print("\n".join(_lines(verification)))
    return 0 if verification.intact else 1


def _lines(verification: "Verification") -> list[str]:
    """The report. Names and reasons come from the file, so nothing of them may steer a terminal."""
    lines = [str(verification.path)]
    for mark in verification.marks:
        lines.append(f"  {mark.name}: {mark.state}; {mark.found}")
        if mark.proves:
            lines.append(f"    proves: {mark.proves}")
    claim = verification.credentials.claim
    if verification.credentials.valid and claim:
        stated = {key: value for key, value in claim.items() if value is not None}
        lines.append("  stated by the signer: " + ", ".join(f"{key} {value}" for key, value in stated.items()))
    if verification.credentials.earlier:
        lines.append(f"  the original carried credentials too: {verification.credentials.earlier} kept inside")
    lines.append("  all marks are there and intact" if verification.intact else "  NOT all marks are there and intact")
    return ["".join(letter if letter.isprintable() else "?" for letter in line) for line in lines]
