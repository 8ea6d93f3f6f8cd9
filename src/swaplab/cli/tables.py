"""Tables on standard output."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED = 160  # columns without a terminal; wide, because grep cannot match folded lines


def show(head: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows below a header, with aligned columns; long cells are folded."""
    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else PIPED, highlight=False)
    with console.capture() as captured:  # rich would exit if the reader of the pipe is gone
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
