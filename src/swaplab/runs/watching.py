"""The live view of active runs: a table redrawn on a terminal, elsewhere a plain line per report."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from swaplab.progress import duration
from swaplab.runs.living import Living, Lookout
from swaplab.runs.pace import PSNR, SPEED, line, loss_of
from swaplab.runs.registry import check_folder

PAUSE = 2.0  # minimum seconds between two looks
IDLE = 20  # minimum pause, in durations of a look
PATIENCE = 20.0  # seconds to wait for an active run: between two runs of a sweep, and before the first one


def watch(runs: Path, console: Console | None = None, *, pause: float = PAUSE, patience: float = PATIENCE) -> None:
    """Show the active runs under ``runs`` until there has been none for ``patience`` seconds.

    UserError if ``runs`` does not exist by then; the first run creates it.
    """
    console = console or Console()
    lives = console.is_terminal and not console.is_dumb_terminal
    live = Live(console=console, auto_refresh=False, transient=True) if lives else None
    lookout, told, idle_since = Lookout(runs), dict[str, str](), None
    with live or nullcontext():
        while idle_since is None or time.monotonic() - idle_since < patience:
            began = time.monotonic()
            living = lookout.look()
            for label, record in lookout.ended.items():
                _say(console, f"{label}: {record.status} ({record.facts['exit_reason'] or 'its process is gone'})")
            if live is not None:
                live.update(view(living) if living else "", refresh=True)
            else:
                _say_news(console, living, told)
            if not living and idle_since is None:
                _say(console, f"no active run under {runs}; waiting {patience:.0f} s for one to start")
            idle_since = None if living else idle_since or began
            time.sleep(max(pause, IDLE * (time.monotonic() - began)))
    check_folder(runs)
    _say(console, f"no run started under {runs}")


def view(living: Sequence[Living]) -> Group:
    """The active runs, one row each, PSNR in dB; below them, the path of each run's latest sheet."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("run", overflow="fold")
    for name in ("images", "images/s", "loss", "PSNR", "swap PSNR", "left"):
        shown.add_column(name, justify="right", no_wrap=True)
    for run in living:
        loss = loss_of(run.row)
        shown.add_row(
            Text(run.label, style="cyan"),
            f"{run.row['images_seen']:,.0f} / {run.total:,}" if run.row else run.status,
            f"{run.row[SPEED]:.3g}" if SPEED in run.row else "",
            "" if loss is None else f"{loss:.3g}",
            *(f"{run.row[name]:.1f}" if name in run.row else "" for name in PSNR),
            "" if run.left is None else duration(run.left),
        )
    sheets = [Text(f"last sheet: {run.sheet}", overflow="fold") for run in living if run.sheet is not None]
    return Group(shown, *sheets)


def _say_news(console: Console, living: Sequence[Living], told: dict[str, str]) -> None:
    """Print a line for each run that has progressed since its last line."""
    for run in living:
        at = f"{run.status} {run.row.get('images_seen')}"
        if told.get(run.label) != at:
            told[run.label] = at
            sheet = f"; last sheet {run.sheet}" if run.sheet is not None else ""
            _say(console, f"{run.label}: {line(run.row, run.total, run.left) if run.row else run.status}{sheet}")


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)
