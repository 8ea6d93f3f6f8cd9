"""What a sweep shows: lines for a file, a table that is redrawn for a person."""

import io
from collections.abc import Callable

from rich.console import Console

from swaplab.sweeps.jobs import Job
from swaplab.sweeps.table import Board, State


def test_elsewhere_than_a_terminal_each_change_is_a_plain_line(job: Callable[..., Job]) -> None:
    text = io.StringIO()
    with Board([job("norm=none [1]"), job("b")], Console(file=text)) as board:
        board.show({0: State(), 1: State()})
        board.show({0: State("running"), 1: State()})
        board.show({0: State("running", 40, 2.0), 1: State()})
        board.show({0: State("failed", 40, 3.0, "no disk"), 1: State()})
    assert text.getvalue().splitlines() == [
        "[1/2] norm=none [1]: running",
        "[1/2] norm=none [1]: failed; no disk",
    ]


def test_the_table_at_the_end_has_every_job_and_the_counts(job: Callable[..., Job]) -> None:
    text = io.StringIO()
    board = Board([job("attention_sites=[decoder.up1]"), job("b")], Console(file=text))
    board.end({0: State("complete", 100, 61.0, "the budget is spent"), 1: State("interrupted", 40, 9.0, "stopped")})
    lines = text.getvalue().splitlines()
    assert lines[1].split() == [
        "1",
        "attention_sites=[decoder.up1]",
        "complete",
        "100",
        "/",
        "100",
        "61",
        "the",
        "budget",
        "is",
        "spent",
    ]
    assert lines[2].split() == ["2", "b", "interrupted", "40", "/", "100", "9", "stopped"]
    assert lines[3].strip() == "2 jobs: 1 complete, 1 interrupted"


def test_in_a_terminal_the_moving_jobs_are_redrawn_in_place(job: Callable[..., Job]) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with Board([job("moving"), job("waiting")], console) as board:
        board.show({0: State("running", 10), 1: State()})
        board.show({0: State("running", 50), 1: State()})
    shown = text.getvalue()
    assert "10 / 100" in shown
    assert "50 / 100" in shown
    assert "\x1b[1A" in shown  # the cursor went up
    assert "2 jobs: 1 running, 1 waiting" in shown
