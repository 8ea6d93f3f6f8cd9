"""W&B runs of run folders that are not uploaded yet, and uploading each of them once."""

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

from swaplab.errors import UserError
from swaplab.runs.record import AT_WORK, RunRecord

CONTINUED = "continued"  # a file of ours in a W&B folder


def unsent(folder: Path) -> list[Path]:
    """The W&B folders of a run to upload: ended, not uploaded yet, and not superseded by a later one.

    These are offline runs, and online runs that the service did not take or that were killed; also those in
    ``WANDB_DIR``.

    All sessions of a run have one id, and the newest holds all rows or continues an uploaded one, so it supersedes the
    others; the same holds for evaluations, which keep one id however often they are repeated.
    """
    record = RunRecord.load(folder)
    if record.status in AT_WORK:
        return []
    parts = list((folder / "wandb").glob("*run-*-*"))
    if elsewhere := os.environ.get("WANDB_DIR"):
        parts += Path(elsewhere, "wandb").glob(f"*run-*-{glob.escape(identity_of(record))}*")
    newest: dict[str, Path] = {}
    for part in sorted((part for part in parts if part.is_dir() and not part.is_symlink()), key=_begun):
        if data_file(part) is not None:
            newest[_begun(part).partition("-")[2]] = part
    return [part for part in newest.values() if not _mark(part).exists()]


def identity_of(record: RunRecord) -> str:
    """The W&B id of a run, and the beginning of those of its evaluations; no two records share it."""
    return f"{record.folder.name}-{record.facts['created'].replace(':', '').replace('+0000', '')}"


def mark_continued(part: Path) -> None:
    """Note that a W&B folder holds only the rows since the earlier, uploaded sessions."""
    (part / CONTINUED).touch()


def is_continued(part: Path) -> bool:
    """Whether a W&B folder lacks the rows of earlier sessions: uploading it again would replace them."""
    return (part / CONTINUED).exists()


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
    """Upload one W&B folder; returns why the upload failed, else None. W&B marks what it has uploaded."""
    words = [program, "sync", "--include-online", str(part)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 0 and _mark(part).exists():  # without a key, W&B exits with 0
        return None
    lines = (done.stderr + done.stdout).strip().splitlines()
    return f"not uploaded ({lines[-1].strip() if lines else f'wandb exited with {done.returncode}'})"
