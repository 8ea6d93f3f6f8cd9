"""An ablation from its command line: shown, refused, run, run again, judged."""

import itertools
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from swaplab.runs.record import RunRecord
from swaplab.sweeps.runner import run_jobs

STAND_IN = Path(__file__).parents[1] / "sweeps" / "stand_in.py"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def plans(own_plan: Callable[..., Path]) -> Path:
    """A folder of the user's own with the plan mine."""
    return own_plan(seeds=[1, 2], split=None)


@pytest.fixture
def train(command: Command, tiny: list[str], plans: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """swaplab ablation run mine on two small people, whose jobs are stand-ins."""
    monkeypatch.setitem(run_jobs.__kwdefaults__, "command", (sys.executable, str(STAND_IN)))
    monkeypatch.chdir(tmp_path)
    return lambda *more: command("ablation", "run", "--config-dir", str(plans), "mine", *tiny, *more)


def records(tmp_path: Path) -> list[RunRecord]:
    return [RunRecord.load(path.parent) for path in sorted((tmp_path / "runs").glob("*/*/run.json"))]


def test_a_plan_is_shown_and_nothing_is_started(command: Command, plans: Path, tiny: list[str], tmp_path: Path) -> None:
    code, output, complaint = command("ablation", "plan", "mine", "--config-dir", str(plans), *tiny)
    assert (code, complaint) == (0, "")
    assert "rule: group against none: val/reconstruction_psnr higher" in output
    assert output.count("not started") == 4
    assert "4 runs, 320 images to train on; nothing was started" in output
    assert not (tmp_path / "runs").exists()


def test_every_level_has_every_seed_once_and_the_plan_is_older_than_all(
    train: Command, command: Command, plans: Path, tiny: list[str], tmp_path: Path
) -> None:
    code, output, complaint = train()
    assert (code, complaint) == (0, "")
    assert "4 jobs: 4 complete" in output
    _, *words = shlex.split(output.partition("for the verdict, run: ")[2])
    assert (words[:2], "mine" in words) == (["ablation", "report"], True)
    code, report, complaint = command(*words)
    assert (code, "verdict" in report) == (0, True), complaint
    found = records(tmp_path)
    assert {(r.config()["factors"]["norm"], r.config()["seed"]) for r in found} == {
        (level, seed) for level in ("none", "group") for seed in (1, 2)
    }
    plan = tmp_path / "runs" / "mine" / "plan.json"
    starts = [float(line.split()[2]) for r in found for line in (r.folder / "starts.txt").read_text().splitlines()]
    assert plan.stat().st_mtime <= min(starts)
    before = plan.read_bytes()
    code, output, _ = train()
    assert (code, output.count("already finished")) == (0, 4)
    assert plan.read_bytes() == before
    _, output, _ = command("ablation", "plan", "mine", "--config-dir", str(plans), *tiny)
    assert "4 runs, 0 images to train on" in output


def test_another_launcher_composes_the_runs_of_the_plan(
    train: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("swaplab.sweeps.process.COMMAND", (sys.executable, str(STAND_IN)))
    words = ("hydra/launcher=basic", "ablation.seeds=[1]", "ablation.split=val", "ablation.metric=score")
    code, output, complaint = train(*words)
    assert (code, complaint) == (0, "")
    assert "2 jobs for BasicLauncher" in output
    assert "2 jobs: 2 complete" in output
    folder = tmp_path / "runs" / "mine"
    cells = {cell["run_id"]: cell for cell in json.loads((folder / "plan.json").read_text())["cells"]}
    assert {record.folder.name for record in records(tmp_path)} == set(cells)
    for record in records(tmp_path):
        config, cell = record.config(), cells[record.folder.name]
        assert (config["seed"], config["factors"]) == (cell["seed"], {"norm": cell["level"]})
        assert (record.folder / "evaluation" / "final" / "val.json").exists()
        assert len((record.folder / "starts.txt").read_text().splitlines()) == 1
    code, output, _ = train(*words)
    assert (code, output.count("already finished"), "BasicLauncher" in output) == (0, 2, False)


def test_as_many_run_at_once_as_there_are_slots(train: Command, tmp_path: Path) -> None:
    code, output, _ = train("hydra.launcher.slots=1")
    assert (code, "4 jobs: 4 complete" in output) == (0, True)
    times = []
    for record in records(tmp_path):
        (start,) = (record.folder / "starts.txt").read_text().splitlines()
        (end,) = (record.folder / "ends.txt").read_text().splitlines()
        times.append((float(start.split()[2]), float(end)))
    times.sort()
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(times))


def test_a_plan_that_was_begun_is_not_changed_but_another_stands_beside_it(train: Command, tmp_path: Path) -> None:
    train()
    plan = tmp_path / "runs" / "mine" / "plan.json"
    before = plan.read_bytes()
    for word in ("ablation.metric=val/reconstruction_mse", "ablation.seeds=[1,2,3]", "budget.images=96"):
        code, _, complaint = train(word)
        assert code == 2
        assert "holds another plan of ablation mine" in complaint
    assert plan.read_bytes() == before
    assert len(records(tmp_path)) == 4
    code, _, complaint = train("ablation.metric=val/reconstruction_mse", "name=other")
    assert (code, complaint) == (0, "")
    content = json.loads((tmp_path / "runs" / "other" / "plan.json").read_text())
    assert content["plan"]["metric"] == "val/reconstruction_mse"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-m"], "an ablation is a sweep already"),
        (
            ["ablation.metric=beauty", "ablation.split=test"],
            "no run has the metric 'beauty'; choose from score",
        ),
        (["ablation.metric=coherence", "ablation.split=test"], "write coherence[WHICH] for one of octaves"),
        (["ablation.metric=score"], "score is measured after training; set split"),
        (["ablation.levels.group=['norm=group','norm.groups=3']"], "norm=group seed=1: "),
        (["+ablation.levels.more=['norm=batch','loss/reconstruction=mse']"], "which is not in ablation.changes"),
        (["norm=batch"], "ablation mine varies this key"),
        (["hydra.job.chdir=true"], "an ablation takes Hydra's launcher, no other setting"),
        (["hydra.launcher.slots=many"], "Value 'many' of type 'str' could not be converted to Integer"),
        (["hydra.launcher.slots=0"], "hydra.launcher.slots=0 must be a whole number of at least 1"),
        (["generator.width=0"], "generator.width=0 must be"),
        (["budget.images=0"], "budget.images=0 must be"),
    ],
)
def test_what_could_not_be_judged_is_refused_before_anything_starts(
    train: Command, tmp_path: Path, words: list[str], sentence: str
) -> None:
    code, output, complaint = train(*words)
    assert code == 2
    assert sentence in complaint
    assert complaint.count("\n") == 1
    assert "running" not in output
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_killed_ablation_goes_on_and_is_judged_by_its_plan(tiny: list[str], plans: Path, tmp_path: Path) -> None:
    words = ["-m", "swaplab", "ablation", "run", "mine", "--config-dir", str(plans), *tiny, "budget.images=400"]
    begun = subprocess.Popen(
        [sys.executable, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not [r for r in (tmp_path / "runs").glob("*/*/metrics.jsonl") if r.read_text().count("\n") > 3]:
        assert begun.poll() is None
        time.sleep(0.1)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(len(record.facts["sessions"]) for record in records(tmp_path)) == 2
    report = [sys.executable, "-m", "swaplab", "ablation", "report", str(tmp_path / "runs" / "mine")]
    judged = subprocess.run(report, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "verdict: undecided" in judged.stdout
    assert "6 seeds" in (tmp_path / "runs" / "mine" / "report.md").read_text()
