"""What `swaplab doctor` says of a machine that lacks something."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from swaplab.experiment import machine

Command = Callable[..., tuple[int, str, str]]


def test_this_machine_works(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = command("doctor")
    assert (code, err) == (0, "")
    assert "swaplab will work here" in out
    for what in ("Python", "packages", "CPU cores", "GPU", "cache", "signing key", "extra optuna", "W&B"):
        assert what in out


def test_what_will_not_work_is_named_and_ends_with_1(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWAPLAB_CACHE", str(tmp_path / "file" / "cache"))
    code, out, _ = command("doctor")
    assert (code, "will not work: cache (SWAPLAB_CACHE)" in out) == (1, True)


def test_a_package_outside_the_tested_range_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.metadata, "requires", lambda _: ["torch<1", "no-such-package", "numpy; extra == 'x'"])
    found = list(machine.packages())
    assert [(check.state, check.what) for check in found] == [("wrong", "torch"), ("wrong", "no-such-package")]
    assert "pip install 'torch<1'" in found[0].follows


def test_a_small_disk_and_few_threads_are_worth_knowing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 10**8))
    assert {check.state for check in machine.folders()} == {"note"}
    assert "--shm-size" not in machine.shared_memory().follows
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**7, 0, 10**7))
    assert machine.shared_memory().state in ("note", "ok")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "OMP_NUM_THREADS=1" in machine.processor().follows


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: object) -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SWAPLAB_SIGNING", raising=False)
    monkeypatch.delenv("SWAPLAB_CACHE", raising=False)
    monkeypatch.setattr(Path, "expanduser", nobody)
    wrong = [check for check in machine.folders() if check.state == "wrong"]
    assert [check.found for check in wrong] == ["no home folder"] * 2


def test_words_are_refused(command: Command) -> None:
    code, _, err = command("doctor", "x=1")
    assert (code, "takes no arguments" in err) == (2, True)
