"""swaplab runs as a user types it; W&B's uploader is a script that records its calls."""

import csv
import hashlib
import io
import json
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.runs.record import RunRecord

Command = Callable[..., tuple[int, str, str]]

FAKE = """#!{python}
import sys
from pathlib import Path
with Path("{log}").open("a") as file:
    file.write(" ".join(sys.argv[1:]) + chr(10))
if "bad" in sys.argv[-1]:
    print("wandb: uploading", file=sys.stderr)
    sys.exit("wandb: ERROR no such project")
if "no-key" in sys.argv[-1]:
    sys.exit(print("wandb: Not authenticated."))
for file in Path(sys.argv[-1]).glob("run-*.wandb"):
    file.with_name(file.name + ".synced").touch()
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs of a sweep; the current folder contains ``runs/``."""
    monkeypatch.chdir(tmp_path)
    for seed, norm, status in ((1, "batch", "complete"), (2, "batch", "interrupted"), (1, "none", "failed")):
        config: dict[str, Any] = {"name": "norms", "seed": seed, "factors": {"norm": norm}, "every": {"report": seed}}
        record = RunRecord.create(tmp_path / f"runs/norms/s{seed}-{norm}", config, {})
        values = {"val/reconstruction_psnr": 20.0 + seed, "loss/generator/reconstruction": 0.25}
        facts = {"metrics": values, "images_seen": 12800, "cost": {"seconds": 3725.0 * seed}}
        record.end(status, "why", **facts)
    return tmp_path / "runs"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The calls of the fake ``wandb`` on PATH, one per line."""
    program, log = tmp_path / "bin/wandb", tmp_path / "calls"
    program.parent.mkdir()
    program.write_text(FAKE.format(python=sys.executable, log=log))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    log.touch()
    return log


def offline(run: Path, moment: str, identity: str) -> Path:
    part = run / "wandb" / f"offline-run-20261124_{moment}-{identity}"
    part.mkdir(parents=True)
    (part / f"run-{identity}.wandb").write_bytes(b":W&B")
    return part


def test_list(runs: Path, command: Command) -> None:
    code, out, _ = command("runs", "list")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == [
        "name",
        "id",
        "seed",
        "status",
        "images",
        *["val/reconstruction_psnr", "time", "factors"],
    ]
    assert lines[1].split() == ["norms", "s1-batch", "1", "complete", "12,800", "21", "1", "h", "02", "norm=batch"]
    assert lines[-1] == "3 of 3 runs under runs"


def test_decibels_stand_beside_a_score(runs: Path, command: Command) -> None:
    place = runs / "norms/s1-batch/evaluation/final/test.json"
    place.parent.mkdir(parents=True)
    rows = [{"key": "model", "values": {"score": 0.5, "psnr": 26.25}}]
    content = {"weights": "final", "split": "test", "directions": [{"direction": "A->B", "rows": rows}]}
    place.write_text(json.dumps(content))
    code, out, _ = command("runs", "list")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert lines[0][5:7] == ["evaluation/final/test/score", "evaluation/final/test/psnr"]
    assert lines[1][5:7] == ["0.5", "26.25"]
    assert lines[2][5:7] == ["-", "-"]


def test_list_with_conditions_and_another_metric(runs: Path, command: Command) -> None:
    code, out, _ = command("runs", "list", "norm=batch", "seed=2,3", "metric=loss/gen", f"runs={runs}")
    assert code == 0
    assert out.splitlines()[0].split()[5] == "loss/generator/reconstruction"
    assert [line.split()[1] for line in out.splitlines()[1:-1]] == ["s2-batch"]
    assert "0.25" in out


def test_several_metrics_the_best_first(runs: Path, command: Command) -> None:
    for seed, norm, loss in ((1, "batch", 0.5), (2, "batch", 0.125), (1, "none", 0.25)):
        record = RunRecord.load(runs / f"norms/s{seed}-{norm}")
        record.update(metrics=record.facts["metrics"] | {"loss/generator/reconstruction": loss})

    def column(*words: str) -> list[str]:
        code, out, complaint = command("runs", "list", *words)
        assert code == 0, complaint
        return [line.split()[1] for line in out.splitlines()[1:-1]]

    assert column("sort=loss/gen") == ["s2-batch", "s1-none", "s1-batch"]
    assert column("sort=-loss/gen", "norm=batch") == ["s1-batch", "s2-batch"]
    assert column("sort=reconstruction_psnr")[0] == "s2-batch"
    assert column("sort=cost/seconds") == ["s1-batch", "s1-none", "s2-batch"]
    _, out, _ = command("runs", "list", "metric=loss/gen,val/rec", "sort=cost/seconds")
    assert out.splitlines()[0].split()[5:8] == [
        *("cost/seconds", "loss/generator/reconstruction", "val/reconstruction_psnr")
    ]


def test_forms_for_other_programs_hold_nothing_else(runs: Path, command: Command) -> None:
    (runs / "norms/s1-none/run.json").write_text("{")
    code, out, _ = command("runs", "list", "--csv", "metric=val/rec")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["id"], row["val/reconstruction_psnr"], row["factors.norm"]) for row in rows] == [
        *(("s1-batch", "21.0", "batch"), ("s2-batch", "22.0", "batch"), ("s1-none", "", ""))
    ]
    code, out, _ = command("runs", "list", "--json", "status=complete,damaged")
    assert code == 0
    assert {run["id"]: run["status"] for run in json.loads(out)} == {"s1-none": "damaged", "s1-batch": "complete"}
    assert "loss/generator/reconstruction" in json.loads(out)[0]["metrics"]


def test_watch_shows_what_trains_until_ctrl_c(process: Callable[..., Any], runs: Path) -> None:
    record = RunRecord.load(runs / "norms/s2-batch")
    record.begin_session()
    record.add_metrics({"images_seen": 12864, "loss/generator/x_weighted": 0.5})
    (runs / "norms/s2-batch/config.yaml").write_text("budget: {images: 128000}\n")
    record.update(config_sha256=hashlib.sha256((runs / "norms/s2-batch/config.yaml").read_bytes()).hexdigest())
    watching = process("runs", "watch", cwd=runs.parent)
    watching.until(lambda: watching.out)
    assert watching.out == "norms/s2-batch: 12,864 of 128,000 images: loss 0.5\n"
    record.end("complete", "the budget is spent")
    watching.until(lambda: "no active run" in watching.out)
    assert "norms/s2-batch: complete (the budget is spent)\n" in watching.out
    watching.kill(signal.SIGINT)
    assert watching.wait() == -signal.SIGINT
    assert watching.err == "swaplab runs: stopped by SIGINT\n"


def test_unfinished_with_the_command_that_continues(runs: Path, command: Command) -> None:
    code, out, _ = command("runs", "unfinished", "norm=batch")
    assert code == 0
    assert "s1-batch" not in out
    assert "swaplab train resolved=runs/norms/s2-batch/config.yaml" in out


def test_diff_tells_what_can_change_numbers(runs: Path, command: Command) -> None:
    code, out, _ = command("runs", "diff", "s1-b", "norms/s1-none")
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["cannot", "change", "numbers", "runs/norms/s1-batch", "runs/norms/s1-none"],
        ["factors.norm", "batch", "none"],
        ["1", "of", "4", "keys", "differ"],
    ]
    code, out, _ = command("runs", "diff", "s1-b", "s2-b")
    lines = [line.split()[0] for line in out.splitlines()]
    assert lines.index("seed") < lines.index("cannot") < lines.index("every.report")
    assert command("runs", "diff", "s1-b", "s1-b")[1].startswith("the configs are the same, 4 keys")


def test_remove_wants_an_answer(runs: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs / "norms/s1-none"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    code, _, complaint = command("runs", "remove", "s1-none")
    assert (code, run.exists()) == (2, True)
    assert complaint == "swaplab runs: removing runs needs a confirmation; write yes=true\n"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "")
    assert command("runs", "remove", "s1-none")[0] == 1
    assert run.exists()
    monkeypatch.setattr("builtins.input", lambda question: "Y")
    assert command("runs", "remove", "s1-none")[0] == 0
    assert not run.exists()


def test_remove_several_at_once_or_none(runs: Path, command: Command) -> None:
    RunRecord.load(runs / "norms/s2-batch").begin_session()
    code, _, complaint = command("runs", "remove", "s1-none", "s2-batch", "yes=true")
    assert code == 2
    assert "s2-batch is running" in complaint
    assert (runs / "norms/s1-none").exists()
    assert command("runs", "remove", "s1-none", "s1-batch", "s1-none", "yes=true")[0] == 0
    assert [p.name for p in (runs / "norms").iterdir()] == ["s2-batch"]


def test_index(runs: Path, command: Command) -> None:
    assert command("runs", "index")[1] == "3 runs in runs/.index.json\n"
    assert len(json.loads((runs / ".index.json").read_text())["runs"]) == 3


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "no subcommand given; write one of list, watch, unfinished, diff, remove, set-aside, sync, index, see --"),
        (["show"], "there is no subcommand show; write one of list"),
        (["list", "s1-batch"], "list does not take s1-batch"),
        (["list", "runs=nowhere"], "nowhere is not a folder; give the folder of your runs with runs=DIR"),
        (["list", "seed=1", "seed=2"], "seed is given twice; write seed=a,b for several values"),
        (["list", "metric=fid"], "metric fid matches none of the metrics; write one of: cost/seconds, loss/"),
        (["list", "sort=-fid"], "metric fid matches none of the metrics"),
        (["list", "--xml"], "list does not take --xml; see --help"),
        (["list", "--csv", "--json"], "--csv and --json exclude each other; give only one of them"),
        (["watch", "s1-batch"], "watch does not take s1-batch"),
        (["diff", "s1-btach", "last"], "s1-btach is not a run under runs; the nearest are norms/s1-batch, norms/s2-"),
        (["list", "colour=red"], "no run has a value for colour"),
        (["list", "every/report=4"], "write every.report, or"),
        (["list", "every=1"], "it is a group: give one of its keys, such as every.report"),
        (["diff", "s1-batch"], "diff compares two runs, not 1; write"),
        (["diff", "s1", "s2"], "s1 matches 2 runs under runs (norms/s1-batch, norms/s1-none)"),
        (["diff", "s1-b", "s2", "seed=1"], "diff does not take seed"),
        (["remove", "yes=true"], "no run is given"),
        (["remove", "s1-b", "yes=maybe"], "yes=maybe must be true or false"),
        (["remove", "s1-b", "force=true"], "remove does not take force"),
        (
            ["remove", "runs/norms", "yes=true"],
            "runs/norms matches 3 runs under runs (norms/s1-batch, norms/s1-none,",
        ),
        (["sync", "s1-b", "seed=1"], "sync takes runs or conditions, not both"),
        (["index", "all"], "index does not take all"),
    ],
)
def test_bad_input_is_one_sentence(runs: Path, command: Command, words: list[str], complaint: str) -> None:
    code, out, err = command("runs", *words)
    assert (code, out) == (2, "")
    assert err.startswith("swaplab runs: ")
    assert err.count("\n") == 1
    assert complaint in err


def test_sync_sends_each_run_once(runs: Path, command: Command, calls: Path) -> None:
    first = offline(runs / "norms/s1-batch", "100000", "s1-batch-2026T1")
    second = offline(runs / "norms/s1-batch", "110000", "s1-batch-2026T1")
    judged = offline(runs / "norms/s1-batch", "120000", "s1-batch-2026T1-evaluate-final-test")
    again = offline(runs / "norms/s1-batch", "130000", "s1-batch-2026T1-evaluate-final-test")
    other = offline(runs / "norms/s1-none", "100000", "s1-none-2026T1")
    (runs / "norms/s1-none/wandb/offline-run-20261124_999999-begun").mkdir()  # no data file yet
    code, out, _ = command("runs", "sync", "norm=batch")
    asked = calls.read_text().splitlines()
    assert code == 0
    # the second session contains the first one's rows; the later evaluation replaces the earlier one
    assert asked == [f"sync --include-online {path.relative_to(runs.parent)}" for path in (second, again)]
    assert out.endswith("uploaded 2 of 2\n")
    assert (second / "run-s1-batch-2026T1.wandb.synced").exists()
    assert not list(first.glob("*.synced")) + list(judged.glob("*.synced")) + list(other.glob("*.synced"))
    assert command("runs", "sync")[0] == 0
    assert calls.read_text().splitlines()[2:] == [f"sync --include-online {other.relative_to(runs.parent)}"]
    assert command("runs", "sync")[1].startswith("nothing to upload")
    assert len(calls.read_text().splitlines()) == 3


def test_sync_goes_on_after_one_that_fails(runs: Path, command: Command, calls: Path) -> None:
    bad = offline(runs / "norms/s1-batch", "100000", "bad-1")
    good = offline(runs / "norms/s1-none", "100000", "good-1")
    code, out, complaint = command("runs", "sync")
    assert code == 1
    assert "bad-1: not uploaded (wandb: ERROR no such project)" in complaint
    assert out.endswith("uploaded 1 of 2\n")
    assert len(list(good.glob("*.synced"))) == 1
    assert not list(bad.glob("*.synced"))


def test_what_wandb_did_not_upload_is_not_taken_for_uploaded(runs: Path, command: Command, calls: Path) -> None:
    part = offline(runs / "norms/s1-batch", "100000", "no-key")
    code, _, complaint = command("runs", "sync")
    assert (code, list(part.glob("*.synced"))) == (1, [])
    assert "no-key: not uploaded (wandb: Not authenticated.)" in complaint


def test_sync_finds_what_went_to_the_folder_of_wandb(
    runs: Path, command: Command, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_DIR", "elsewhere")
    created = RunRecord.load(runs / "norms/s1-batch").facts["created"].replace(":", "").replace("+0000", "")
    for identity in (f"s1-batch-{created}", f"s1-batch-{created}-evaluate-final-test", "s1-batch-of-another"):
        offline(Path("elsewhere"), "100000", identity)
    assert command("runs", "sync", "s1-batch")[1].endswith("uploaded 2 of 2\n")
    assert "of-another" not in calls.read_text()


def test_a_living_run_is_not_sent(runs: Path, command: Command, calls: Path) -> None:
    RunRecord.load(runs / "norms/s2-batch").begin_session()
    offline(runs / "norms/s2-batch", "100000", "s2-1")
    assert command("runs", "sync", "s2-batch")[0] == 0
    assert calls.read_text() == ""
