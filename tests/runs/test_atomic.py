import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.runs.atomic import write_atomically


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
