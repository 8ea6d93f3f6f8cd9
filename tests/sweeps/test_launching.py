"""Jobs handed to a launcher: what it gets, what is made of what it returns, and the sentences about those that fail."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.runs.record import RunRecord
from swaplab.sweeps.jobs import Job
from swaplab.sweeps.launching import EXTRAS, launched, launcher_of, launcher_sentences, split_overrides


def test_a_launcher_gets_the_jobs_that_are_left_and_the_record_says_how_they_ended(
    job: Callable[..., Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hydra.core.utils import JobReturn, JobStatus

    jobs = [job(name) for name in ("done", "good", "bad", "bare")]
    RunRecord.create(jobs[0].folder, jobs[0].config, {}).end("complete", "", metrics={})
    asked: list[tuple[list[str], int]] = []

    class Elsewhere:
        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
            asked.extend((list(words), initial_job_idx) for words in job_overrides)
            RunRecord.create(jobs[1].folder, jobs[1].config, {}).end("diverged", "a loss was not finite", metrics={})
            ends = [JobReturn(status=JobStatus.COMPLETED), JobReturn(status=JobStatus.FAILED), JobReturn()]
            ends[1].return_value = UserError("no\n disk")
            return ends

    launcher: Any = Elsewhere()
    found = launched(launcher, jobs, [[f"seed={i}"] for i in range(4)], tmp_path, first=7)
    assert asked == [([f"seed={i}"], 7) for i in (1, 2, 3)]
    assert [(end.job, end.status) for end in found[:3]] == list(
        zip(jobs, ("complete", "diverged", "failed"), strict=False)
    )
    assert [end.reason for end in found[:3]] == ["already finished", "a loss was not finite", "no disk"]
    assert [end.ended for end in found] == [True, True, False, False]
    out = capsys.readouterr().out
    assert out.startswith("3 jobs for Elsewhere; ")
    assert "4 jobs: 1 complete, 1 diverged, 2 failed" in out


def test_nothing_left_starts_nothing(job: Callable[..., Job], tmp_path: Path) -> None:
    one = job("done")
    RunRecord.create(one.folder, one.config, {}).end("complete", "", metrics={})
    launcher: Any = SimpleNamespace()  # has no launch
    [end] = launched(launcher, [one], [["seed=1"]], tmp_path)
    assert (end.status, end.reason) == ("complete", "already finished")


def test_the_overrides_of_a_launcher_are_told_from_those_of_runs() -> None:
    own = ["hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2", "~hydra.launcher.slots"]
    others = ["seed=1", "hydra.run.dir=x", "hydra/sweeper=optuna", "name=hydra/launcher=ray"]
    assert split_overrides([own[0], *others, *own[1:]]) == (own, others)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", r"hydra/launcher=absent is not installed; install it with: pip install 'swaplab\[cloud\]'"),
        ("nothing", "Could not find 'hydra/launcher/nothing'"),
    ],
)
def test_a_launcher_that_is_not_there_is_a_sentence(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from hydra.errors import HydraException

    monkeypatch.setitem(EXTRAS, "absent", "cloud")
    with pytest.raises((UserError, HydraException), match=said):
        launcher_of([f"hydra/launcher={name}"], None, lambda config: None)


def test_an_error_of_an_engine_is_a_sentence_and_one_of_ours_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swaplab.stopping._command", None)  # nobody has asked this process to stop

    def fail_in(module: str) -> None:
        exec("raise OSError('no cluster')", {"__name__": module})

    with pytest.raises(UserError, match="the launcher cannot start the jobs: no cluster"), launcher_sentences():
        fail_in("ray._private.worker")
    with pytest.raises(OSError, match="no cluster"), launcher_sentences():
        fail_in("rays")
