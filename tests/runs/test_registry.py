"""Many records: read correctly with any index or none, selected by conditions, removed and nothing else with them."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.runs.record import RunRecord
from swaplab.runs.registry import (
    INDEX,
    TRASH,
    all_runs,
    check_removable,
    matching,
    remove,
    unfinished,
)

Make = Callable[..., Path]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def make(runs: Path) -> Make:
    """A record under ``runs/NAME/ID``; ``status`` None leaves it active in this process."""

    def made(label: str, status: str | None = "complete", seed: int = 1, **config: Any) -> Path:
        record = RunRecord.create(runs / label, {"name": label.rpartition("/")[0], "seed": seed, **config}, {})
        record.add_metrics({"images_seen": 64, "val/reconstruction_psnr": 20.5})
        if status is not None:
            metrics = {"images_seen": 64, "val/reconstruction_psnr": 20.5}
            record.end(status, "why", metrics=metrics, images_seen=64, cost={"seconds": 75.0})
        return record.folder

    return made


def labels(runs: Path) -> list[str]:
    return [entry.label for entry in all_runs(runs)]


def test_what_is_a_run_and_what_is_not(runs: Path, make: Make) -> None:
    make("norm/s1-a")
    make("systems/deep/s1-b", factors={"norm": "batch"})
    for folder in ("norm/jobs", "empty", ".trash/s1-c"):
        (runs / folder).mkdir(parents=True)
    (runs / ".trash/s1-c/run.json").write_text("{}")
    (runs / "norm/plan.json").write_text("{}")
    (runs / "norm/s1-a/samples/run.json").write_text("{}")
    entries = all_runs(runs)
    assert [(e.name, e.id) for e in entries] == [("norm", "s1-a"), ("systems/deep", "s1-b")]
    assert (entries[0].images_seen, entries[0].seconds, entries[0].factors) == (64, 75.0, {})
    assert entries[1].factors == {"norm": "batch"}


def test_the_index_is_never_asked_about_what_has_changed(runs: Path, make: Make) -> None:
    first, second = make("n/s1-a", status="interrupted"), make("n/s2-b", seed=2)
    assert [e.status for e in all_runs(runs)] == ["interrupted", "complete"]
    record = RunRecord.load(first)
    record.update(status="complete")
    RunRecord.load(second).update(images_seen=9)
    make("n/s3-c", seed=9)
    shutil.copytree(second, runs / "n/s4-d")
    assert sorted((e.id, e.status, e.config["seed"], e.facts["images_seen"]) for e in all_runs(runs)) == [
        ("s1-a", "complete", 1, 64),
        ("s2-b", "complete", 2, 9),
        ("s3-c", "complete", 9, 64),
        ("s4-d", "complete", 2, 9),
    ]
    (second / "config.yaml").write_text("seed: 3\n")
    assert [e.id for e in all_runs(runs) if e.status == "damaged"] == ["s2-b"]
    shutil.rmtree(second)
    assert sorted(labels(runs)) == ["n/s1-a", "n/s3-c", "n/s4-d"]  # a copy is as old as its original, to the second


def test_an_unchanged_record_is_not_read_again(runs: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make("n/s1-a")
    before = all_runs(runs)
    stamp = (runs / INDEX).stat().st_mtime_ns

    def refuse(folder: Path) -> RunRecord:
        raise AssertionError(folder)

    monkeypatch.setattr(RunRecord, "load", refuse)
    assert all_runs(runs) == before
    assert (runs / INDEX).stat().st_mtime_ns == stamp  # nothing new, nothing written


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1, "runs": [{"id": 3}]}', '{"format": 0, "runs": []}'])
def test_a_damaged_or_missing_index_costs_only_time(runs: Path, make: Make, damage: str) -> None:
    make("n/s1-a")
    before = all_runs(runs)
    (runs / INDEX).write_text(damage)
    assert all_runs(runs) == before
    (runs / INDEX).unlink()
    assert all_runs(runs) == before
    assert json.loads((runs / INDEX).read_text())["runs"][0]["id"] == "s1-a"


def test_a_false_entry_with_the_right_stamp_goes_with_a_rebuild(runs: Path, make: Make) -> None:
    make("n/s1-a")
    before = all_runs(runs)
    index = json.loads((runs / INDEX).read_text())
    index["runs"][0]["config"]["seed"] = 99
    (runs / INDEX).write_text(json.dumps(index))
    assert all_runs(runs, rebuild=True) == before == all_runs(runs)


def test_a_process_that_died_after_the_index_was_written(runs: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from swaplab.runs.record import RunRecord\n"
        "RunRecord.create(Path(sys.argv[1]), {'seed': 1}, {}); print('made', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", script, str(runs / "n/s1-a")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert [e.status for e in all_runs(runs)] == ["running"]
        assert unfinished(all_runs(runs)) == []
        with pytest.raises(UserError, match=rf"s1-a is running; stop it first \(process {process.pid}\)"):
            check_removable(runs, runs / "n/s1-a")
    assert [e.status for e in all_runs(runs)] == ["failed"]
    assert [e.id for e in unfinished(all_runs(runs))] == ["s1-a"]


def test_a_living_run_shows_its_newest_rows(runs: Path, make: Make) -> None:
    folder = make("n/s1-a", status=None)
    assert all_runs(runs)[0].images_seen == 64
    RunRecord.load(folder).add_metrics({"images_seen": 128, "loss": 1.0})
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"images_seen": 19')
    entry = all_runs(runs)[0]
    assert (entry.images_seen, entry.metrics["val/reconstruction_psnr"], entry.metrics["loss"]) == (128, 20.5, 1.0)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sessions": []}', '{"sessions": [{}]}', '{"sessions": 3}'])
def test_a_damaged_record_is_shown_and_stops_nothing(runs: Path, make: Make, text: str) -> None:
    make("n/s1-a")
    (make("n/s2-b") / "run.json").write_text(text)
    found = {e.id: e for e in all_runs(runs)}
    assert (found["s1-a"].status, found["s2-b"].status) == ("complete", "damaged")
    assert "s2-b" in str(found["s2-b"].problem)
    assert unfinished(list(found.values())) == []


def test_evaluations_are_means_over_directions(runs: Path, make: Make) -> None:
    folder = make("n/s1-a") / "evaluation"
    (folder / "final").mkdir(parents=True)
    (folder / "best").mkdir()
    ways = [
        {"direction": way, "rows": [{"key": "model", "values": {"score": value}}, {"key": "real", "values": {}}]}
        for way, value in (("A->B", 0.25), ("B->A", 0.75))
    ]
    final = {"weights": "final", "split": "test", "directions": ways}
    (folder / "final/test.json").write_text(json.dumps(final))
    (folder / "final/val.json").write_text("{")
    (folder / "best/test.json").write_text(json.dumps(final | {"weights": "best", "directions": ways[1:]}))
    metrics = all_runs(runs)[0].metrics
    assert {k: v for k, v in metrics.items() if "score" in k} == {
        "evaluation/final/test/score": 0.5,
        "evaluation/final/test/score/A_to_B": 0.25,
        "evaluation/final/test/score/B_to_A": 0.75,
        "evaluation/best/test/score": 0.75,
        "evaluation/best/test/score/B_to_A": 0.75,
    }


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, "abc"),
        ({"status": "failed"}, "b"),
        ({"status": "failed,complete", "seed": "1"}, "a"),
        ({"norm": "batch"}, "a"),  # the factor, not the group of the same name
        ({"norm": "batch,instance"}, "ab"),
        ({"optimizer.lr": "0.0001"}, "a"),
        ({"optimizer.lr": "1e-4"}, "a"),
        ({"mask": "null"}, "ab"),
        ({"joint": "True"}, "b"),
        ({"joint": "1"}, ""),
        ({"name": "n"}, "ab"),
        ({"seed": "7"}, ""),
    ],
)
def test_conditions(runs: Path, make: Make, conditions: dict[str, str], expected: str) -> None:
    make("n/a", norm={"groups": 2}, factors={"norm": "batch"}, optimizer={"lr": 1e-4}, mask=None, joint=False)
    make("n/b", "failed", 2, factors={"norm": "instance"}, optimizer={"lr": 1e-3}, mask=None, joint=True)
    make("m/c", "diverged", 3, optimizer={"lr": 1e-2}, mask="learned")
    assert "".join(sorted(e.id for e in matching(all_runs(runs), conditions))) == expected


def test_conditions_on_unknown_keys_are_refused(runs: Path, make: Make) -> None:
    make("n/a", optimizer={"lr": 1e-4})
    with pytest.raises(UserError, match="no run has a value for learning_rate"):
        matching(all_runs(runs), {"learning_rate": "1"})
    with pytest.raises(UserError, match=r"optimizer; it is a group: give one of its keys, such as optimizer\.lr"):
        matching(all_runs(runs), {"optimizer": "adam"})


def test_a_condition_on_a_group_is_told_the_name_that_records_have(runs: Path, make: Make) -> None:
    make("n/a", generator={"bottleneck": {"_target_": "lab.Dense"}}, every={"report": 4})
    make("n/b", generator={"bottleneck": {"_target_": "lab.Spatial"}}, factors={"generator/decoder": "style"})
    entries = all_runs(runs)
    with pytest.raises(UserError, match=r"so write generator\.bottleneck\._target_=lab\.Dense,lab\.Spatial, or"):
        matching(entries, {"generator/bottleneck": "spatial"})
    with pytest.raises(UserError, match=r"write every\.report, or"):
        matching(entries, {"every/report": "4"})
    assert [entry.id for entry in matching(entries, {"generator.bottleneck._target_": "lab.Spatial"})] == ["b"]
    assert [entry.id for entry in matching(entries, {"generator/decoder": "style"})] == ["b"]  # a factor of a sweep


def test_removal_takes_only_what_is_named(runs: Path, make: Make, tmp_path: Path) -> None:
    kept, gone, alone = make("n/s1-a"), make("n/s2-b"), make("m/s1-c")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    (gone / "link").symlink_to(outside)
    (gone / "samples/file").symlink_to(outside / "precious")
    remove(runs, [gone, alone])
    assert labels(runs) == ["n/s1-a"]
    assert kept.exists()
    assert not gone.exists()
    assert not alone.parent.exists()  # an empty folder is removed too
    assert not (runs / TRASH).exists()
    assert (outside / "precious").read_text() == "kept"


def test_removal_after_one_that_was_killed(runs: Path, make: Make) -> None:
    left = runs / TRASH / "s1-z-1"
    shutil.copytree(make("n/s1-z"), left)
    assert labels(runs) == ["n/s1-z"]
    remove(runs, [runs / "n/s1-z"])
    assert not left.exists()


def test_removal_refuses_everything_else(runs: Path, make: Make, tmp_path: Path) -> None:
    run, alive = make("n/s1-a"), make("n/s2-b", status=None)
    elsewhere = tmp_path / "elsewhere/n/s1-a"
    shutil.copytree(run, elsewhere)
    (runs / "n/link").symlink_to(elsewhere)
    (runs / "linked").symlink_to(elsewhere.parent)
    (runs / "n/inner").symlink_to(run)
    (runs / "n/jobs").mkdir()
    for folder in (
        elsewhere,
        runs / "n/link",
        runs / "linked/s1-a",
        runs / "n/inner",
        runs / "n/../../elsewhere/n/s1-a",
    ):
        with pytest.raises(UserError, match="is a link, or not inside"):
            remove(runs, [run, folder])
    for folder in (runs / "n/jobs", runs / "n", runs / "n/none"):
        with pytest.raises(UserError, match="is not a run folder"):
            remove(runs, [run, folder])
    with pytest.raises(UserError, match=r"is a link, or not inside|is not a run folder"):
        remove(runs, [run, runs])
    with pytest.raises(UserError, match="is running; stop it first"):
        remove(runs, [run, alive])
    (runs / TRASH).symlink_to(tmp_path)
    with pytest.raises(UserError, match="is a link"):
        remove(runs, [run])
    assert run.exists()
    assert elsewhere.exists()


def test_a_runs_folder_that_is_a_link_itself(runs: Path, make: Make, tmp_path: Path) -> None:
    make("n/s1-a")
    (tmp_path / "link").symlink_to(runs)
    remove(tmp_path / "link", [tmp_path / "link/n/s1-a"])
    assert labels(runs) == []


def test_a_run_of_another_host_is_not_removed(runs: Path, make: Make) -> None:
    record = RunRecord.load(make("n/s1-a", status=None))
    record.facts["sessions"][-1]["host"] = "another"
    record.update()
    with pytest.raises(UserError, match="is running on another, and its process cannot be checked"):
        remove(runs, [record.folder])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_can_be_listed(runs: Path, make: Make) -> None:
    make("n/s1-a")
    runs.chmod(0o500)
    assert labels(runs) == ["n/s1-a"]


def test_thousands_are_fast_once_they_were_read(runs: Path, make: Make) -> None:
    config = {f"group{i}": {f"key{j}": j / 7 for j in range(8)} for i in range(25)}  # as many keys as a real config
    first = make("n/s1-0", **config)
    for i in range(1, 400):
        shutil.copytree(first, runs / f"n/s1-{i}")
    assert len(all_runs(runs)) == 400
    started = time.perf_counter()
    assert len(all_runs(runs)) == 400
    assert time.perf_counter() - started < 1.0
