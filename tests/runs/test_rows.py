"""JSON that any program reads, and back."""

import json
import math
from pathlib import Path

import pytest

from swaplab.runs.record import RunRecord
from swaplab.runs.rows import TAIL, as_json, last_rows, rows_of


def strict(text: str) -> object:
    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_is_not_finite_is_null_and_read_back_as_nan(tmp_path: Path) -> None:
    record = RunRecord.create(tmp_path / "run", {}, {})
    record.add_metrics({"images_seen": 8, "a": math.nan, "b": math.inf, "c": 1e300})
    record.end("diverged", "a loss was not finite", metrics={"a": -math.inf, "c": 0.5})
    assert strict(record.metrics_file.read_text()) == {"images_seen": 8, "a": None, "b": None, "c": 1e300}
    assert strict((tmp_path / "run/run.json").read_text())["metrics"] == {"a": None, "c": 0.5}  # type: ignore[index]
    (row,) = record.metrics()
    assert (row["images_seen"], row["c"], math.isnan(row["a"]), math.isnan(row["b"])) == (8, 1e300, True, True)
    assert math.isnan(RunRecord.load(tmp_path / "run").facts["metrics"]["a"])
    record.cut_back(8)
    assert strict(record.metrics_file.read_text()) == {"images_seen": 8, "a": None, "b": None, "c": 1e300}


def test_nested() -> None:
    assert strict(as_json({"a": [1, (math.nan, "nan")], "b": {"c": -math.inf}})) == {
        "a": [1, [None, "nan"]],
        "b": {"c": None},
    }


@pytest.mark.parametrize(
    "line", ["", "[1, 2]", '{"images_seen": 1', '{"a": 1}', '{"images_seen": "x"}', "\xff", "null"]
)
def test_a_damaged_line_costs_that_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b'{"images_seen": 1}\n' + line.encode("latin-1") + b'\n{"images_seen": 3}\n{"images_s')
    rows, damaged = rows_of(file)
    assert [row["images_seen"] for row in rows] == [1, 3]
    assert damaged == [2]
    assert [row["images_seen"] for row in last_rows(file)] == [1, 3]


def test_a_resumed_run_says_which_lines_it_has_lost(tmp_path: Path) -> None:
    record = RunRecord.create(tmp_path / "run", {}, {"warnings": []})
    record.metrics_file.write_text('{"images_seen": 1}\n[]\n{"images_seen": 3}\n')
    record.cut_back(3)
    record.update()
    assert RunRecord.load(tmp_path / "run").facts["warnings"] == ["metrics.jsonl was damaged: line 2 was dropped"]
    assert [row["images_seen"] for row in record.metrics()] == [1, 3]


def test_the_last_rows_begin_with_a_whole_one(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(as_json({"images_seen": i}) + "\n" for i in range(10_000)))
    found = last_rows(file)
    assert found[-1] == {"images_seen": 9999}
    assert 0 < TAIL - sum(len(as_json(row)) + 1 for row in found) < 30
