"""Tables on standard output: as wide as a terminal, whole lines in a pipe."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED = 160  # columns where there is no terminal: a line that is folded is found by no search


def show(head: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows below a head, columns aligned, long cells folded."""
    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else PIPED, highlight=False)
    with console.capture() as captured:  # rich would end the program where nobody reads
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
