"""Hydra's published launchers start our runs: joblib and Ray here, Slurm by its batch file and by a stand-in."""

import csv
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.runs.record import RunRecord

SLURM = Path(__file__).with_name("slurm")  # sbatch, srun, sacct, scontrol
Command = Callable[..., tuple[int, str, str]]
Process = Callable[..., Any]
Train = Callable[..., Any]


@pytest.fixture
def train(process: Process, tiny: list[str], tmp_path: Path) -> Train:
    """A sweep of tiny runs that has ended."""

    def run(*words: str) -> Any:
        done = process("train", "-m", *tiny, *words, cwd=tmp_path)
        done.wait(600)
        return done

    return run


def records(where: Path) -> list[RunRecord]:
    return [RunRecord.load(path.parent) for path in sorted((where / "runs").glob("*/*/run.json"))]


@pytest.mark.slow
def test_joblib_runs_jobs_and_a_failed_one_stops_no_other(train: Train, tmp_path: Path) -> None:
    words = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "batch_size=999,4", "budget.images=16"]
    done = train(*words)
    assert done.code == 2
    assert "batch_size=999: the run failed" in done.err
    assert "Traceback" not in done.err
    [found] = records(tmp_path)
    assert (found.status, found.config()["factors"]) == ("complete", {"batch_size": 4})


@pytest.mark.slow
def test_a_search_goes_through_joblib_too(train: Train, tmp_path: Path) -> None:
    words = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=2", "hydra.sweeper.pruner=none"]
    varied = ["optimizer.generator.lr=interval(1e-4,1e-2)", "budget.images=16"]
    done = train(*words, *varied, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert done.code == 0, done.out + done.err
    [table] = (tmp_path / "runs" / "sweeps").glob("*/trials.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete"] * 2
    for row in rows:
        metrics = RunRecord.load(tmp_path / row["run"]).facts["metrics"]
        assert float(row["val/reconstruction_mse"]) == metrics["val/reconstruction_mse"]


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in which a stand-in for Slurm, the only one on the path, leaves what it was given."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    monkeypatch.setenv("PATH", f"{SLURM}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return folder


def options(slurm: Path) -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", (slurm / "script.sh").read_text(), re.MULTILINE))


WIDE = ["hydra/launcher=submitit_slurm", "hydra.launcher.tasks_per_node=2", "trainer=ddp_cpu", "norm=none,group"]


def test_a_slurm_job_array_is_asked_for_and_a_refusal_is_a_sentence(
    slurm: Path, tiny: list[str], command: Command
) -> None:
    words = ["hydra.launcher.partition=nowhere", "hydra.launcher.timeout_min=90", "hydra.launcher.gpus_per_node=2"]
    code, _, complaint = command("train", "-m", *tiny, *WIDE, *words)
    assert code == 2
    assert "the launcher cannot start the jobs: sbatch: error: invalid partition specified: nowhere" in complaint
    asked = options(slurm)
    assert asked["ntasks-per-node"] == "2"
    assert asked["array"] == "0-1%2"
    assert asked["gpus-per-node"] == "2"
    assert asked["time"] == "90"
    assert "srun --unbuffered" in (slurm / "script.sh").read_text()


def test_without_slurm_the_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tiny: list[str], tmp_path: Path, command: Command
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code, _, complaint = command("train", "-m", *tiny, *WIDE)
    assert code == 2
    assert "are you indeed on a slurm cluster?" in complaint


@pytest.mark.slow
def test_the_tasks_of_a_slurm_job_are_the_ranks_of_one_run(slurm: Path, train: Train, tmp_path: Path) -> None:
    done = train(*WIDE, "budget.images=16")
    logs = "".join(path.read_text() for path in tmp_path.glob("runs/sweeps/*/.submitit/*/*.err"))
    assert done.code == 0, done.err + logs
    found = records(tmp_path)
    assert [record.status for record in found] == ["complete"] * 2
    assert [record.facts["environment"]["ranks"] for record in found] == [2, 2]
    assert options(slurm)["ntasks-per-node"] == str(found[0].config()["trainer"]["devices"])


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "ray"])
def test_a_job_of_several_ranks_runs_under_a_launcher(launcher: str, train: Train, tmp_path: Path) -> None:
    if launcher == "ray":
        pytest.importorskip("ray", reason="Ray's launcher is an extra of its own")
        words = ["hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"]
    else:
        words = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    done = train(*words, "trainer=ddp_cpu", "norm=none,group", "budget.images=16")
    assert done.code == 0, done.out + done.err
    assert [record.facts["environment"]["ranks"] for record in records(tmp_path)] == [2, 2]


def test_the_warning_of_a_cluster_ends_a_run_with_a_checkpoint(
    process: Process, tiny: list[str], tmp_path: Path
) -> None:
    run = process("train", *tiny, "budget.images=1000000", cwd=tmp_path)
    run.until(lambda: any(len(record.metrics()) > 1 for record in records(tmp_path)))
    run.kill(signal.SIGUSR2, group=False)
    code = run.wait()
    [record] = records(tmp_path)
    assert (record.status, code) == ("interrupted", -signal.SIGUSR2), run.err
    assert record.facts["exit_reason"] == "stopped by SIGUSR2"
    assert (record.checkpoints / "last.ckpt").exists()
