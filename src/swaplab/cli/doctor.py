"""swaplab doctor: what this machine can do, and what follows from it."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

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
    table = Table("", "what", "found", "what follows", box=None, pad_edge=False, header_style="bold")
    for check in found:
        table.add_row(Text(check.state, STYLES[check.state]), *map(Text, (check.what, check.found, check.follows)))
    Console(highlight=False, width=None if Console().is_terminal else 160).print(table)
    wrong = [check.what for check in found if check.state == "wrong"]
    print(f"\nwill not work: {', '.join(wrong)}" if wrong else "\nswaplab will work here")
    return int(bool(wrong))
