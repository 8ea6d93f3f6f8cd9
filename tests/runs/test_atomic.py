import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.runs.atomic import write_atomically
from swaplab.runs.record import RunRecord
from swaplab.runs.weights import load_weights
from swaplab.training.checkpoint import AtomicCheckpointIO
from swaplab.training.keeping import Keeping


class Disk:
    """Counts the operations of a save and fails at one of them, as a full or dying disk would."""

    def __init__(self, fail_at: str | None) -> None:
        self.fail_at = fail_at
        self.seen: list[str] = []

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **options: Any) -> Any:
            self.seen.append(name)
            if name == self.fail_at:
                raise OSError(28, "No space left on device")
            return real(*args, **options)

        return operation


@pytest.mark.parametrize("fail_at", ["write", "fsync", "replace"])
def test_a_failure_at_any_operation_leaves_the_old_file_and_no_other(
    fail_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    disk = Disk(fail_at)
    monkeypatch.setattr(os, "fsync", disk.wrap("fsync", os.fsync))
    monkeypatch.setattr(os, "replace", disk.wrap("replace", os.replace))
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, lambda file: disk.wrap("write", file.write)(b"new"))
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert fail_at in disk.seen


def test_success_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    write_atomically(path, lambda file: file.write(b"new"))
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("left", [0, 1, 2, 5])
def test_a_full_disk_is_one_sentence_also_from_torch(
    tmp_path: Path, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"a": 1}, path)
    before = path.read_bytes()
    opened = Path.open

    def full(self: Path, *how: Any, **more: Any) -> Any:
        file, writes = opened(self, *how, **more), []

        class Full:
            def __enter__(self) -> "Full":
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, data: bytes) -> int:
                writes.append(0)
                if len(writes) > left:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return int(file.write(data))

            def flush(self) -> None:
                file.flush()

        return Full()

    says = r"last\.ckpt cannot be written \(No space left on device\); free some space"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(UserError, match=says):
            AtomicCheckpointIO().save_checkpoint({"a": 2}, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("where", [pytest.param("checkpoint", marks=pytest.mark.slow), "final"])
def test_a_run_on_a_full_disk_says_so_and_goes_on_later(
    where: str, tmp_path: Path, tiny: list[str], command: Callable[..., tuple[int, str, str]]
) -> None:
    """Every write fails from a moment on until the reserve is given up; what was there before stays."""
    folder = tmp_path / "runs/quick/x"
    owner, name = (AtomicCheckpointIO, "save_checkpoint") if where == "checkpoint" else (Keeping, "save_final")
    words = [*(word for word in tiny if not word.startswith(("budget.", "every.checkpoint")))]
    words += ["budget.images=32", "every.checkpoint=16"]
    with pytest.MonkeyPatch.context() as patch:
        saved = getattr(owner, name)
        calls: list[int] = []

        def full(file: int) -> None:
            if (folder / ".reserve").exists():
                raise OSError(errno.ENOSPC, "No space left on device")

        def save(*of: Any, **more: Any) -> Any:
            calls.append(0)
            if where == "final" or len(calls) > 1:  # the first checkpoint has room
                patch.setattr(os, "fsync", full)
            return saved(*of, **more)

        patch.setattr(owner, name, save)
        code, out, complaint = command("train", *words, "run_id=x")
    assert (code, complaint.count("cannot be written (No space left on device); free some space")) == (2, 1), out
    assert "Traceback" not in complaint
    record = RunRecord.load(folder)
    assert (record.facts["status"], "No space left" in record.facts["exit_reason"]) == ("failed", True)
    assert not list(folder.rglob("*.tmp"))
    assert not (folder / ".reserve").exists()
    assert command("train", *words, "run_id=x")[0] == 0
    assert command("train", *words, "run_id=straight")[0] == 0
    again, straight = (
        load_weights(folder.parent / each / "checkpoints/final.safetensors") for each in ("x", "straight")
    )
    assert all(again[key].equal(straight[key]) for key in straight)
