"""swaplab doctor: what this machine can do, and what follows from it."""

from collections.abc import Sequence

from rich.text import Text

from swaplab.cli.tables import show
from swaplab.errors import UserError

HELP = """
swaplab doctor: check versions, processors, GPUs, folders, extras and the W&B login; say what follows from each.

  swaplab doctor         examine everything; takes no words

Exit code 1 if something will not work.
"""
STYLES = {"ok": "green", "note": "yellow", "wrong": "red"}


def run(words: Sequence[str]) -> int:
    """Print every check; 1 if one is wrong."""
    if words:
        raise UserError(f"doctor takes no words; drop {words[0]}")
    from swaplab.cli.machine import examine

    found = list(examine())
    rows = [(Text(check.state, STYLES[check.state]), check.what, check.found, check.follows) for check in found]
    show(("", "what", "found", "what follows"), rows)
    wrong = [check.what for check in found if check.state == "wrong"]
    print(f"\nwill not work: {', '.join(wrong)}" if wrong else "\nswaplab will work here")
    return int(bool(wrong))
