"""Unfinished work is gone however its process ended, and nobody else's is touched."""

import os
import signal
from pathlib import Path

import pytest

from swaplab import unfinished
from swaplab.unfinished import unfinished_folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def killed_at_work(output: Path) -> str:
    """The folder that a process leaves behind when it is killed."""
    child = os.fork()
    if child == 0:
        with unfinished_folder(output) as folder:
            (folder / "half.mp4").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (name,) = names(output.parent) - {"mine.mp4"}
    return name


@pytest.mark.parametrize("error", [None, ValueError(), KeyboardInterrupt(), SystemExit(143)])
def test_a_folder_is_gone_when_its_block_ends(tmp_path: Path, error: BaseException | None) -> None:
    def work() -> None:
        with unfinished_folder(tmp_path / "out.mp4") as folder:
            assert folder.parent == tmp_path
            (folder / "deep").mkdir()
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            work()
    else:
        work()
    assert names(tmp_path) == set()


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine.mp4").write_text("mine")
    dead = killed_at_work(tmp_path / "out.mp4")
    others = (".swaplab-notes", ".swaplab-a_file_1", ".swaplab-elsewhere")
    (tmp_path / others[0]).mkdir()
    (tmp_path / others[1]).write_text("a file")
    (tmp_path / others[2]).symlink_to(tmp_path / others[0])
    with unfinished_folder(tmp_path / "another.mp4") as alive:
        with unfinished_folder(tmp_path / "third.mp4"):
            assert dead not in names(tmp_path)
            assert alive.is_dir()
        assert names(tmp_path) == {"mine.mp4", alive.name, *others}
    assert names(tmp_path) == {"mine.mp4", *others}


def test_a_folder_that_is_swept_before_its_lock_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = [], unfinished.tempfile.mkdtemp

    def swept_once(**where: object) -> str:
        made.append(make(**where))  # type: ignore[call-overload]
        if len(made) == 1:
            unfinished._sweep(tmp_path)
        return str(made[-1])

    monkeypatch.setattr(unfinished.tempfile, "mkdtemp", swept_once)
    with unfinished_folder(tmp_path / "out.mp4") as folder:
        assert folder.is_dir()
        assert str(folder) == made[1]
