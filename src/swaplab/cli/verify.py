"""swaplab verify: the marks of a file, and what each one proves."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swaplab.errors import UserError

if TYPE_CHECKING:
    from swaplab.marking.verify import Verification

HELP = """
swaplab verify: check the marks of pictures and videos, and say what each one proves.

  swaplab verify converted.mp4
  swaplab verify converted/*.png

Checks signed content credentials, the visible label and the sidecar FILE.json, without network. Exit codes: 0 all marks
are present and intact, 1 a mark is missing or broken, 2 a file is not a picture or video.
SWAPLAB_TRUST=FILE names the PEM certificates of signers that you trust; without it every signer is untrusted.
"""


def run(words: Sequence[str]) -> int:
    """Verify files; returns the highest exit code."""
    if not words:
        raise UserError("no file given; name at least one, see --help")
    return max(verify_file(Path(word)) for word in words)


def verify_file(path: Path) -> int:
    """Print the marks of one file; returns 0 if all are intact, 1 if not, 2 if the file cannot be read."""
    from swaplab.marking.verify import verify

    try:
        verification = verify(path)
    except UserError as error:
        print(f"swaplab verify: {error}", file=sys.stderr)
        return 2
    print("\n".join(_lines(verification)))
    return 0 if verification.intact else 1


def _lines(verification: "Verification") -> list[str]:
    """The report, without control characters, because names and reasons come from the file."""
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
        lines.append(f"  the original also had credentials: {verification.credentials.earlier} kept inside")
    lines.append(
        "  all marks are present and intact" if verification.intact else "  NOT all marks are present and intact"
    )
    return ["".join(letter if letter.isprintable() else "?" for letter in line) for line in lines]
