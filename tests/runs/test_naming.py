"""Every way of naming a run finds it; an error for a wrong name lists the nearest names."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.runs.identity import run_id_of
from swaplab.runs.naming import located, run_folder
from swaplab.runs.record import RunRecord

Make = Callable[..., Path]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("runs")


@pytest.fixture
def make(runs: Path) -> Make:
    """A run under ``runs/NAME/ID``, created in a minute of its own unless one is given."""
    made = []

    def one(label: str, minute: int | None = None) -> Path:
        made.append(label)
        created = f"2026-11-24T10:{len(made) if minute is None else minute:02d}:00+00:00"
        session = {"started": created, "pid": 1, "host": "elsewhere"}
        (runs / label).mkdir(parents=True)
        facts = {"status": "complete", "created": created, "sessions": [session]}
        (runs / label / "run.json").write_text(json.dumps(facts))
        return runs / label

    return one


@pytest.fixture
def several(make: Make) -> None:
    for label in ("norm/s1-abc", "norm/s1-abd", "quick/s1-xyz", "systems/deep/s2-abc", "quick2/ab"):
        make(label)


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("runs/norm/s1-abc", "norm/s1-abc"),
        ("norm/s1-abc/", "norm/s1-abc"),
        ("norm/s1-abc", "norm/s1-abc"),
        ("s1-abc", "norm/s1-abc"),
        ("s1-x", "quick/s1-xyz"),
        ("quick/s1", "quick/s1-xyz"),
        ("runs/quick/s1", "quick/s1-xyz"),  # as shell completion writes it
        ("quick", "quick/s1-xyz"),  # not quick2
        ("quick/", "quick/s1-xyz"),
        ("./runs/quick", "quick/s1-xyz"),
        ("systems/deep", "systems/deep/s2-abc"),
        ("systems/deep/s2", "systems/deep/s2-abc"),
        ("last", "quick2/ab"),
    ],
)
def test_every_way_of_naming_a_run(runs: Path, several: None, named: str, meant: str) -> None:
    assert run_folder(runs, named).resolve() == (runs / meant).resolve()
    assert run_folder(runs.resolve(), named).resolve() == (runs / meant).resolve()


def test_a_whole_name_goes_before_a_beginning(runs: Path, make: Make) -> None:
    make("a/one")
    make("a/one-more")
    make("one-m/x")
    assert run_folder(runs, "one") == runs / "a/one"
    assert run_folder(runs, "one-m") == runs / "one-m/x"


def test_the_last_one_is_the_one_that_was_created_last(runs: Path, make: Make) -> None:
    make("b/first", minute=1)
    make("a/second", minute=2)
    make("c/same", minute=2)
    damaged = make("d/third", minute=3)
    assert run_folder(runs, "last") == damaged
    (damaged / "run.json").write_text("{")
    RunRecord.load(runs / "b/first").update(images_seen=3)
    assert run_folder(runs, "last") == runs / "c/same"
    os.rename(runs / "b/first", "last")
    assert run_folder(runs, "last") == Path("last"), "a folder goes before a name"


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("norm", r"norm matches 2 runs under runs \(norm/s1-abc, norm/s1-abd\); write one of them as NAME/ID"),
        ("s", r"s matches 4 runs under runs \(norm/s1-abc, norm/s1-abd, quick/s1-xyz, \.\.\.\)"),
        ("runs/norm/s1-ab", "matches 2 runs"),
        ("qiuck", "qiuck is not a run under runs; the nearest are quick/s1-xyz, quick2/ab, .*; name a run by a folder"),
        ("s1-xzy", "the nearest are quick/s1-xyz, "),
        ("qui", "qui is not a run under runs"),
        ("", " is not a run under runs"),
    ],
)
def test_a_name_of_none_or_several_lists_the_nearest(runs: Path, several: None, named: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        run_folder(runs, named)


def test_where_there_is_no_run_at_all(runs: Path) -> None:
    with pytest.raises(UserError, match="last is not a run folder, and the folder runs does not exist"):
        run_folder(runs, "last")
    runs.mkdir()
    with pytest.raises(UserError, match="last is not a run folder, and runs contains no runs"):
        run_folder(runs, "last")


def test_the_run_that_another_starts_from(runs: Path, several: None) -> None:
    (runs / "quick/s1-xyz/checkpoints").mkdir()
    (runs / "quick/s1-xyz/checkpoints/last.ckpt").write_bytes(b"weights")
    config: dict[str, Any] = {"runs": "runs", "name": "new", "seed": 3, "run_id": None}

    def found(named: str, **more: Any) -> dict[str, Any]:
        return located(config | {"init_from": {"run": named, "parts": ["generator"]}} | more)

    by_folder = found("runs/quick/s1-xyz")
    assert by_folder["init_from"]["run"] == "runs/quick/s1-xyz"
    assert len(by_folder["init_from"]["weights"]) == 16
    for named in ("quick/s1-xyz", "s1-x", "quick"):
        assert found(named) == by_folder
        assert run_id_of(found(named)) == run_id_of(by_folder), "one run, however it is named"
    assert located(config) == config
    (runs / "quick2/ab").rename(runs / "quick/later")
    for named, more in (("last", {}), ("s1-x", {"seed": 1, "run_id": "s1-xy"}), ("later", {"run_id": "later"})):
        with pytest.raises(UserError, match=rf"init_from\.run={named} will no longer mean quick/.* once this run"):
            found(named, **more)
    (runs / "quick/later").rename(runs / "quick2/ab")
    for named, more in (("quick", {"name": "quick"}), ("s2", {"seed": 2})):
        with pytest.raises(UserError, match=r"once this run exists; write \w+/.* instead"):
            found(named, **more)
