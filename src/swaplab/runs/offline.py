"""W&B runs inside run folders that are not uploaded yet, and uploading each of them once."""

import shutil
import subprocess
import sys
from pathlib import Path

from swaplab.errors import UserError
from swaplab.runs.record import AT_WORK, RunRecord


def unsent(folder: Path) -> list[Path]:
    """The W&B folders of a run to upload: ended, not uploaded yet, and not superseded by a later one.

    These are offline runs, and online runs that the service did not take or that were killed.

    All sessions of a run have one id, and the newest holds all rows or continues what is uploaded, so it supersedes the
    others; the same holds for evaluations, which keep one id however often they are repeated.
    """
    if RunRecord.load(folder).status in AT_WORK:
        return []
    newest: dict[str, Path] = {}
    parts = [part for part in (folder / "wandb").glob("*run-*-*") if part.is_dir() and not part.is_symlink()]
    for part in sorted(parts, key=_begun):
        if data_file(part) is not None:
            newest[_begun(part).partition("-")[2]] = part
    return [part for part in newest.values() if not _mark(part).exists()]


def _begun(part: Path) -> str:
    """``MOMENT-ID`` of ``run-MOMENT-ID`` or ``offline-run-MOMENT-ID``."""
    return part.name.removeprefix("offline-").removeprefix("run-")


def mark_sent(part: Path) -> None:
    """Mark a W&B folder as completely uploaded."""
    if data_file(part) is not None:
        _mark(part).touch()


def data_file(part: Path) -> Path | None:
    """The data file of a W&B run; None if the run never started."""
    return next(iter(sorted(part.glob("run-*.wandb"))), None)


def _mark(part: Path) -> Path:
    """W&B's own marker file for an uploaded run, so that its commands recognise it too."""
    file = data_file(part)
    assert file is not None
    return file.with_name(f"{file.name}.synced")


def uploader() -> str:
    """The ``wandb`` program: on PATH, else beside this Python; UserError if there is none."""
    beside = Path(sys.executable).with_name("wandb")
    found = shutil.which("wandb") or (str(beside) if beside.exists() else None)
    if found is None:
        raise UserError("there is no wandb program on PATH; install it with pip install wandb, then run `wandb login`")
    return found


def send(program: str, part: Path) -> str | None:
    """Upload one W&B folder and mark it as uploaded; returns why the upload failed, else None."""
    done = subprocess.run([program, "sync", str(part)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines()
        return f"not uploaded ({lines[-1].strip() if lines else f'wandb exited with {done.returncode}'})"
    mark_sent(part)
    return None
