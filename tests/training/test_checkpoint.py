import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from swaplab.errors import UserError
from swaplab.training.checkpoint import STATE, VERSION, AtomicCheckpointIO, check_disk, disk_need, load_checkpoint

SAVED = {"state_dict": {"networks.w": torch.arange(5.0)}, STATE: {"version": VERSION, "counters": {"steps": 3}}}
LATER = {**SAVED, STATE: {"version": VERSION, "counters": {"steps": 4}}}


def operations_of_a_save(path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: int) -> int:
    """Save with every write, fsync and rename counted, the one numbered ``fail_at`` failing; returns the count."""
    seen = 0

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **options: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == fail_at:
                raise OSError(28, "No space left on device")
            return real(*args, **options)

        return operation

    real_open = Path.open

    def opened(self: Path, *args: Any, **options: Any) -> Any:
        file = real_open(self, *args, **options)
        if "w" in (args[0] if args else options.get("mode", "r")):
            return Watched(file, watched)
        return file

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", watched(os.fsync))
        patch.setattr(os, "replace", watched(os.replace))
        patch.setattr(Path, "open", opened)
        AtomicCheckpointIO().save_checkpoint(LATER, path)
    return seen


class Watched:
    """A file whose writes are counted."""

    def __init__(self, file: Any, watched: Callable[..., Any]) -> None:
        self.file, self.write = file, watched(file.write)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


def test_a_fault_at_any_write_or_rename_leaves_a_usable_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    total = operations_of_a_save(path, monkeypatch, fail_at=0)
    assert total >= 4  # writes, fsync, rename, fsync of the folder
    for fault in range(1, total + 1):
        AtomicCheckpointIO().save_checkpoint(SAVED, path)
        with pytest.raises((OSError, RuntimeError)):
            operations_of_a_save(path, monkeypatch, fail_at=fault)
        assert load_checkpoint(path)[STATE]["counters"]["steps"] in (3, 4)
        assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_damaged_missing_or_strange_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    with pytest.raises(UserError, match=r"checkpoint .*last.ckpt does not exist"):
        load_checkpoint(path)
    AtomicCheckpointIO().save_checkpoint(SAVED, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"last.ckpt is damaged .* train it again"):
        load_checkpoint(path)
    torch.save({STATE: {"version": 99}}, path)
    with pytest.raises(UserError, match="does not have version"):
        load_checkpoint(path)
    torch.save(
        {STATE: {"version": VERSION}, "code": torch.nn.Linear}, path
    )  # a pickle that would import and run something
    with pytest.raises(UserError, match="damaged"):
        load_checkpoint(path)


def test_the_full_models_need_is_the_known_one_and_a_small_disk_is_refused(tmp_path: Path) -> None:
    parameters = 69_662_976 + 2 * 6_199_747
    last = parameters * 4 * 4  # weights, two moments, the average: 1.3 GB
    assert last == pytest.approx(1.3e9, rel=0.02)
    assert disk_need(parameters, parameters, moments=2, kept=0) == 2 * last + 3 * parameters * 4
    with pytest.raises(
        UserError, match=r"GB free, but the run's checkpoints need .* choose another folder with runs=DIR"
    ):
        check_disk(tmp_path, 10**18)
    check_disk(tmp_path, 1)
