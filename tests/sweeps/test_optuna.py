"""hydra/sweeper=optuna from the command line; most jobs are stand-ins whose error is a closed form."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.runs.record import RunRecord
from swaplab.sweeps.runner import run_jobs

STAND_IN = Path(__file__).with_name("search_stand_in.py")
LR = "optimizer.generator.lr=tag(log,interval(1e-4,1e-2))"
SEARCH = ("-m", "hydra/sweeper=optuna", LR, "norm=none,group")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def train(command: Command, tiny: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """swaplab train on two small people, whose jobs are stand-ins."""
    monkeypatch.setitem(run_jobs.__kwdefaults__, "command", (sys.executable, str(STAND_IN)))
    monkeypatch.chdir(tmp_path)
    return lambda *more: command("train", *tiny, *more)


def trials(tmp_path: Path) -> list[dict[str, str]]:
    [table] = (tmp_path / "runs" / "sweeps").glob("*/trials.csv")
    with table.open() as file:
        return list(csv.DictReader(file))


def starts(tmp_path: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in (tmp_path / "runs").glob("*/*/starts.txt"))


def test_a_search_runs_trials_stops_bad_ones_and_the_same_command_goes_on(train: Command, tmp_path: Path) -> None:
    words = [*SEARCH, "hydra.sweeper.startup_trials=2", "hydra.sweeper.n_jobs=2", "hydra.launcher.slots=2"]
    code, output, complaint = train(*words, "hydra.sweeper.n_trials=4")
    assert (code, complaint) == (0, "")
    assert len(trials(tmp_path)) == 4
    begun = starts(tmp_path)
    code, output, _ = train(*words, "hydra.sweeper.n_trials=8")
    assert code == 0
    found = trials(tmp_path)
    assert len(found) == 8
    assert starts(tmp_path) > begun
    complete = [row for row in found if row["state"] == "complete"]
    pruned = [row for row in found if row["state"] == "pruned"]
    assert len(complete) + len(pruned) == 8
    assert pruned
    best = min(complete, key=lambda row: float(row["val/reconstruction_mse"]))
    assert f"best: trial {best['trial']}, " in output
    for row in found:
        record = RunRecord.load(tmp_path / row["run"])
        assert record.config()["optimizer"]["generator"]["lr"] == float(row["optimizer.generator.lr"])
        assert record.config()["factors"]["norm"] == row["norm"]
        assert record.status == {"complete": "complete", "pruned": "interrupted"}[row["state"]]
    for row in pruned:
        reason = RunRecord.load(tmp_path / row["run"]).facts["exit_reason"]
        assert reason.startswith("pruned: worse than the median at ")
    begun = starts(tmp_path)
    assert train(*words, "hydra.sweeper.n_trials=8")[0] == 0
    assert starts(tmp_path) == begun
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


def test_a_failed_trial_stops_no_other_and_two_of_the_same_run_are_one_job(train: Command, tmp_path: Path) -> None:
    words = ["-m", "hydra/sweeper=optuna", "generator.latent=7,16", "norm=group", "hydra.sweeper.sampler=random"]
    code, output, _ = train(*words, "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=6", "hydra.sweeper.pruner=none")
    assert code == 0
    found = trials(tmp_path)
    assert {row["state"] for row in found if row["generator.latent"] == "7"} == {"fail"}
    assert {row["state"] for row in found if row["generator.latent"] == "16"} == {"complete"}
    assert "7 brings bad luck" in output
    assert starts(tmp_path) == 2


def test_a_search_of_failures_ends_with_exit_1(train: Command) -> None:
    words = ["generator.latent=7", "hydra.sweeper.n_trials=2", "hydra.sweeper.startup_trials=0"]
    code, output, _ = train(*SEARCH, *words)
    assert code == 1
    assert "no trial has a value" in output


def test_another_metric_and_the_largest(train: Command, tmp_path: Path) -> None:
    words = ["hydra.sweeper.metric=loss/other", "hydra.sweeper.direction=maximize", "hydra.sweeper.n_trials=3"]
    code, output, _ = train(*SEARCH, *words)
    assert code == 0
    best = max(float(row["loss/other"]) for row in trials(tmp_path))
    assert f"loss/other={best:.6g}" in output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["hydra/sweeper=optuna", "norm=group"], "no key is searched"),
        (["hydra/sweeper=optuna", "seed=1,2"], "seed cannot be searched"),
        (["hydra/sweeper=optuna", "norm=none,grupp"], "Could not find 'norm/grupp'"),
        (["hydra/sweeper=optuna", "norm=none,group", "hydra.sweeper.n_trials=0"], "n_trials=0 must be at least 1"),
        (["hydra/sweeper=optuna", "norm=none,group", "hydra.sweeper.n_trials=many"], "many"),
        (["hydra/sweeper=optuna", "norm=none,group", "hydra.sweeper.trials=3"], "trials"),
        (["hydra/sweeper=optuna", "norm=none,group", "hydra/launcher=joblib"], "set hydra.sweeper.pruner=none"),
        (["hydra/sweeper=optuna", "norm=none,group", "every.validate=0"], "measured at the end only"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(
    words: list[str], sentence: str, train: Command, tmp_path: Path
) -> None:
    code, _, complaint = train("-m", *words)
    assert code == 2
    assert sentence in complaint
    assert "Traceback" not in complaint
    assert starts(tmp_path) == 0


def test_without_optuna_the_sentence_says_what_to_install(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "optuna" else found(name, *a))
    code, _, complaint = train(*SEARCH)
    assert code == 2
    assert "pip install 'swaplab[optuna]'" in complaint


def test_the_plugin_is_read_at_every_start_and_brings_nothing_heavy() -> None:
    code = (
        "import sys, time, hydra.plugins.sweeper, hydra.core.config_store; before = set(sys.modules); "
        "start = time.perf_counter(); import hydra_plugins.swaplab_optuna_sweeper.sweeper; "
        "print(time.perf_counter() - start, *set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *modules = done.stdout.split()
    assert float(seconds) < 0.1
    assert all(name.startswith("hydra_plugins") for name in modules)


@pytest.fixture
def driver(tiny: list[str], tmp_path: Path) -> list[str]:
    """A command line of swaplab train in a process of its own, whose jobs are stand-ins."""
    code = (
        "import sys; from swaplab.sweeps.runner import run_jobs; "
        f"run_jobs.__kwdefaults__['command'] = (sys.executable, {str(STAND_IN)!r}); "
        "from swaplab.cli.main import main; main()"
    )
    return [
        sys.executable,
        "-c",
        code,
        "train",
        *tiny,
        *SEARCH,
        "hydra.sweeper.pruner=none",
        "hydra.sweeper.n_trials=3",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_search_that_was_stopped_goes_on_with_the_trial_it_was_at(
    number: signal.Signals, driver: list[str], tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()  # every job waits to be stopped
    process = subprocess.Popen(driver, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not list((tmp_path / "runs").glob("*/*/metrics.jsonl")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    [left] = [path.parent for path in (tmp_path / "runs").glob("*/*/run.json")]
    if number == signal.SIGTERM:
        assert process.returncode == -number, output
        assert "the same command resumes" in output
    else:
        os.kill(RunRecord.load(left).facts["sessions"][-1]["pid"], signal.SIGTERM)
    (tmp_path / "hold").unlink()
    done = subprocess.run(driver, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = trials(tmp_path)
    assert [row["state"] for row in found] == ["complete"] * 3
    assert tmp_path / found[0]["run"] == left
    assert len((left / "starts.txt").read_text().splitlines()) == 2


@pytest.mark.slow
def test_real_runs_are_searched(process: Callable[..., Any], tiny: list[str], tmp_path: Path) -> None:
    words = [*tiny, *SEARCH, "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=2", "hydra.launcher.slots=2"]
    done = process("train", *words, "budget.images=40", cwd=tmp_path)
    assert done.wait() == 0, done.out + done.err
    for row in trials(tmp_path):
        metrics = RunRecord.load(tmp_path / row["run"]).metrics()
        assert float(row["val/reconstruction_mse"]) == metrics[-1]["val/reconstruction_mse"]
