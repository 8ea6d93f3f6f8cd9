"""The one renderer of tables as text: on a terminal, in a file or pipe, and in Markdown."""

import sys
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED = 160  # columns without a terminal; wide, because grep cannot match folded lines


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows as lines with aligned columns, never folded, for ``grep``. ``right``: the columns of numbers."""
    return ["  ".join(cells).rstrip() for cells in _padded(rows, right, least=0)]


def markdown(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """A Markdown table; the first row is its header. ``right``: the columns of numbers."""
    head, *others = _padded(rows, right, least=3)
    rule = ["-" * (len(cell) - 1) + ":" if i in right else "-" * len(cell) for i, cell in enumerate(head)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *others))


def _padded(rows: Sequence[Sequence[str]], right: Collection[int], least: int) -> list[list[str]]:
    """All cells of a column with the width of its widest, at least ``least``."""
    widths = [max(least, *map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        for row in rows
    ]


def show(head: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows below a header, with aligned columns; long cells are folded."""
    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else PIPED, highlight=False)
    with console.capture() as captured:  # rich would exit if the reader of the pipe is gone
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
