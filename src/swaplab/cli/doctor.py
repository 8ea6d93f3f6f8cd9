"""swaplab doctor: checks of this machine, with the consequences of each finding."""

from collections.abc import Sequence

from rich.text import Text

from swaplab.errors import UserError
from swaplab.tables import show

HELP = """
swaplab doctor: check versions, CPU, GPUs, folders, extras and the W&B login, and say what each finding means.

  swaplab doctor         check everything; takes no arguments

Exit code 1 if something will not work.
"""
STYLES = {"ok": "green", "note": "yellow", "wrong": "red"}


def run(words: Sequence[str]) -> int:
    """Print all checks; returns 1 if one found an error."""
    if words:
        raise UserError(f"doctor takes no arguments; remove {words[0]}")
    from swaplab.experiment.machine import examine

    found = list(examine())
    rows = [(Text(check.state, STYLES[check.state]), check.what, check.found, check.follows) for check in found]
    show(("", "check", "found", "consequence"), rows)
    wrong = [check.what for check in found if check.state == "wrong"]
    print(f"\nwill not work: {', '.join(wrong)}" if wrong else "\nswaplab will work here")
    return int(bool(wrong))
