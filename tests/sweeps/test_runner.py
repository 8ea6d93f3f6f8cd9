"""Jobs in processes of their own: isolated, limited by slots, stopped in order, gone on with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from swaplab.runs.record import RunRecord
from swaplab.stopping import APART
from swaplab.sweeps.jobs import Job
from swaplab.sweeps.runner import run_jobs

DRIVER = """
import sys, yaml
from pathlib import Path
from swaplab.cli.ending import stopped_in_order
from swaplab.sweeps.jobs import Job
from swaplab.sweeps.runner import run_jobs
configs = yaml.safe_load(Path(sys.argv[1]).read_text())
jobs = [Job(config["run_id"], config) for config in configs]
with stopped_in_order("driver"):
    run_jobs(jobs, Path(sys.argv[2]), slots=2, command=sys.argv[3:])
"""


def starts(job: Job) -> list[list[str]]:
    path = job.folder / "starts.txt"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def driven(tmp_path: Path, stand_in: tuple[str, ...]) -> Callable[[list[Job]], subprocess.Popen[str]]:
    """Starts `run_jobs` in a process that can be signalled."""

    def start(jobs: list[Job]) -> subprocess.Popen[str]:
        file = tmp_path / "jobs.yaml"
        file.write_text(yaml.safe_dump([job.config for job in jobs]))
        words = [sys.executable, "-c", DRIVER, str(file), str(tmp_path / "sweep"), *stand_in]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def test_every_job_gets_its_config_a_log_and_an_outcome_and_a_failed_one_stops_no_other(
    job: Callable[..., Job], stand_in: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [job("a", lr=1e-5), job("b", "fail"), job("c", "crash"), job("d", "diverge"), job("e")]
    outcomes = run_jobs(jobs, tmp_path / "sweep", slots=2, command=stand_in)
    assert [o.job for o in outcomes] == jobs
    assert [o.status for o in outcomes] == ["complete", "failed", "failed", "diverged", "complete"]
    assert [o.ended for o in outcomes] == [True, False, False, True, True]
    assert outcomes[1].reason == "this cannot be; do that"
    assert outcomes[2].reason == "killed by SIGKILL"
    assert outcomes[0].objective == 0.25
    assert all(o.objective != o.objective for o in outcomes[1:4])  # not numbers
    for i, each in enumerate(jobs):
        assert yaml.safe_load((tmp_path / "sweep" / "jobs" / f"{i:03d}.yaml").read_text()) == each.config
    assert "half a word" in (tmp_path / "sweep" / "jobs" / "002.log").read_text()
    shown = capsys.readouterr().out
    assert "[2/5] b: failed; this cannot be; do that" in shown
    assert "5 jobs: 2 complete, 1 diverged, 2 failed" in shown
    assert list(tmp_path.rglob("*.tmp")) == []


def test_what_is_done_is_left_alone_and_the_rest_is_tried_again(
    job: Callable[..., Job], stand_in: tuple[str, ...], tmp_path: Path
) -> None:
    jobs = [job("a"), job("b", "diverge"), job("c", "fail")]
    for _ in range(2):
        outcomes = run_jobs(jobs, tmp_path / "sweep", command=stand_in)
        assert [o.status for o in outcomes] == ["complete", "diverged", "failed"]
    assert [len(starts(each)) for each in jobs] == [1, 1, 2]


def test_a_damaged_run_and_one_of_other_code_fail_alone(
    job: Callable[..., Job], stand_in: tuple[str, ...], tmp_path: Path
) -> None:
    jobs = [job(name) for name in "abc"]
    run_jobs(jobs[:2], tmp_path / "sweep", command=stand_in)
    (jobs[0].folder / "run.json").write_text("[1,2]")
    record = RunRecord.load(jobs[1].folder)
    record.update(sessions=[{**session, "code": "another"} for session in record.facts["sessions"]])
    outcomes = run_jobs(jobs, tmp_path / "sweep", command=stand_in)
    assert [o.status for o in outcomes] == ["failed", "failed", "complete"]
    assert f"`swaplab runs set-aside {jobs[0].folder}`" in outcomes[0].reason
    assert "made by other code" in outcomes[1].reason


def test_a_run_is_done_when_it_is_measured_with_its_last_weights(
    job: Callable[..., Job], stand_in: tuple[str, ...], tmp_path: Path
) -> None:
    plain, measured = job("a"), job("a", evaluate="val")
    run_jobs([plain], tmp_path / "sweep", command=stand_in)
    assert measured.done() is None
    assert plain.done() is not None
    run_jobs([measured], tmp_path / "sweep", command=stand_in)
    assert measured.done() is not None
    weights = measured.folder / "checkpoints" / "final.safetensors"
    os.utime(weights, ns=(time.time_ns() + 10**9,) * 2)
    assert measured.done() is None


def test_slots_bound_how_many_run_and_a_wide_job_takes_several(
    job: Callable[..., Job], stand_in: tuple[str, ...], tmp_path: Path
) -> None:
    jobs = [job(f"n{i}", pause=0.3) for i in range(3)] + [job("wide", pause=0.3, trainer={"devices": 2}), job("last")]
    run_jobs(jobs, tmp_path / "sweep", slots=2, command=stand_in)
    times = {each.label: (float(starts(each)[0][2]), float((each.folder / "ends.txt").read_text())) for each in jobs}
    moments = sorted(begin for begin, _ in times.values())
    assert max(sum(begin <= moment < end for begin, end in times.values()) for moment in moments) == 2
    begin, end = times["wide"]
    assert not [name for name, (b, e) in times.items() if name != "wide" and b < end and e > begin]


def test_a_job_knows_its_threads_and_nothing_of_ranks_gpus_or_the_terminal(
    job: Callable[..., Job], stand_in: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT", "SLURM_NTASKS"):
        monkeypatch.setenv(name, "3")
    each = job("a", trainer={"threads": 2})
    run_jobs([each], tmp_path / "sweep", command=stand_in)
    lines = (each.folder / "environment.txt").read_text().splitlines()
    assert "OMP_NUM_THREADS=2" in lines
    assert "CUDA_VISIBLE_DEVICES=" in lines
    assert not [line for line in lines if line.startswith(("LOCAL_RANK", "WORLD_SIZE", "MASTER_", "SLURM_NTASKS"))]
    assert int(starts(each)[0][1]) != os.getpgid(0)


def test_what_a_job_leaves_behind_is_ended(job: Callable[..., Job], stand_in: tuple[str, ...], tmp_path: Path) -> None:
    each = job("a", "litter")
    run_jobs([each], tmp_path / "sweep", command=stand_in)
    left = int((each.folder / "child.txt").read_text())
    wait_for(lambda: not alive(left))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_sweep_asks_its_jobs_once_and_the_same_command_goes_on(
    job: Callable[..., Job], driven: Callable[[list[Job]], subprocess.Popen[str]], number: int
) -> None:
    jobs = [job("quick"), job("a", "wait"), job("b", "wait"), job("never")]
    process = driven(jobs)
    wait_for(lambda: all((jobs[i].folder / "ready").exists() for i in (1, 2)))
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == -number, output
    assert [RunRecord.load(jobs[i].folder).status for i in (0, 1, 2)] == ["complete", "interrupted", "interrupted"]
    assert not jobs[3].folder.exists()
    assert "[4/4] never: interrupted; not started" in output
    assert not [line for i in (1, 2) for line in starts(jobs[i]) if alive(int(line[0]))]
    for i in (1, 2):
        (jobs[i].folder / "hurry").touch()
    process = driven(jobs)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "4 jobs: 4 complete" in output
    assert [len(starts(each)) for each in jobs] == [1, 2, 2, 1]


def test_a_second_signal_ends_jobs_that_do_not_listen(
    job: Callable[..., Job], driven: Callable[[list[Job]], subprocess.Popen[str]]
) -> None:
    each = job("a", "stubborn")
    process = driven([each])
    wait_for(lambda: (each.folder / "ready").exists())
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("stopping"):
            break
    assert process.poll() is None
    time.sleep(2 * APART)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert not alive(int(starts(each)[0][0]))


def test_jobs_of_a_killed_sweep_stop_in_order_and_the_same_command_goes_on(
    job: Callable[..., Job], driven: Callable[[list[Job]], subprocess.Popen[str]]
) -> None:
    jobs = [job("a", "wait"), job("b", "wait")]
    process = driven(jobs)
    wait_for(lambda: all((each.folder / "ready").exists() for each in jobs))
    process.kill()
    process.communicate(timeout=10)
    wait_for(lambda: not [each for each in jobs if alive(int(starts(each)[0][0]))], 10)
    assert [RunRecord.load(each.folder).status for each in jobs] == ["interrupted"] * 2
    for each in jobs:
        (each.folder / "hurry").touch()
    output, _ = driven(jobs).communicate(timeout=30)
    assert "2 jobs: 2 complete" in output


def test_a_share_of_the_budget_is_an_end_and_a_stopped_job_is_none(job: Callable[..., Job]) -> None:
    from swaplab.sweeps.jobs import Outcome

    assert Outcome(job("a", session_images=10), "interrupted", "", 1.0).ended
    assert not Outcome(job("a"), "interrupted", "", 1.0).ended
