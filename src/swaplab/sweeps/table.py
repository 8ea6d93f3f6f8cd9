"""The display of a sweep: a live table in a terminal, else one line per change; in the end a table of all jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from swaplab.sweeps.jobs import Job

COLOURS = {"complete": "green", "diverged": "magenta", "failed": "red", "running": "cyan", "interrupted": "yellow"}
WIDTH = 140  # table width without a terminal


@dataclass(frozen=True)
class State:
    """The current state of a job."""

    status: str = "waiting"
    images: int = 0
    seconds: float = 0.0
    reason: str = ""


class Board:
    """Shows the states of jobs by index. Use it as a context manager."""

    def __init__(self, jobs: Sequence[Job], console: Console | None = None) -> None:
        self.jobs = jobs
        self.console = console or Console()
        if not self.console.is_terminal:
            self.console.width = WIDTH
        self._shown: dict[int, str] = {}
        self._live = Live(console=self.console, auto_refresh=False, transient=True) if console_lives(self) else None

    def __enter__(self) -> "Board":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, states: Mapping[int, State]) -> None:
        """Show the current states."""
        if self._live is not None:
            moving = {i: state for i, state in states.items() if state.status not in ("waiting", "complete")}
            self._live.update(self._table(moving, self._caption(states)), refresh=True)
            return
        for i, state in states.items():
            if state.status != self._shown.get(i, "waiting"):
                self._shown[i] = state.status
                words = "; ".join(word for word in (state.status, state.reason) if word)
                self.say(f"[{i + 1}/{len(self.jobs)}] {self.jobs[i].label}: {words}")

    def end(self, states: Mapping[int, State]) -> None:
        """Show the table of all jobs."""
        self.console.print(self._table(states, self._caption(states)))

    def say(self, sentence: str) -> None:
        """Print one line above the table."""
        self.console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def _table(self, states: Mapping[int, State], caption: str) -> Table:
        table = Table(caption=caption, box=None, pad_edge=False, caption_justify="left")
        for name in ("job", "run", "status", "images seen", "seconds", "reason"):
            table.add_column(name, justify="right" if name in ("job", "images seen", "seconds") else "left")
        for i, state in sorted(states.items()):
            status = Text(state.status, style=COLOURS.get(state.status, ""))
            seen = f"{state.images} / {self.jobs[i].budget}"
            seconds = f"{state.seconds:.0f}" if state.seconds else ""
            table.add_row(str(i + 1), Text(self.jobs[i].label), status, seen, seconds, Text(state.reason))
        return table

    def _caption(self, states: Mapping[int, State]) -> str:
        names = [state.status for state in states.values()]
        counts = [f"{names.count(name)} {name}" for name in (*COLOURS, "waiting") if name in names]
        return f"{len(self.jobs)} jobs: {', '.join(counts)}"


def console_lives(board: Board) -> bool:
    """Whether the table can be redrawn in place."""
    return board.console.is_terminal and not board.console.is_dumb_terminal
