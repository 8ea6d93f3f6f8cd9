"""W&B runs inside run folders that the service has not taken yet, and sending each of them once."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from swaplab.errors import UserError
from swaplab.runs.record import AT_WORK, RunRecord

SESSION = re.compile(r"(.*)-(\d+)")  # a W&B id of a training session: the run, and which of its sessions


def unsent(folder: Path) -> list[Path]:
    """The W&B folders of a run that are worth sending: ended, not taken yet, and told again by no later one.

    Offline ones, and those that were to go online while the service was away or the run was killed.

    Every session of a run tells it from the first row, so the newest stands for all; the same for evaluations, which
    have one id however often they are made.
    """
    if RunRecord.load(folder).status in AT_WORK:
        return []
    newest: dict[str, Path] = {}
    parts = [part for part in (folder / "wandb").glob("*run-*-*") if part.is_dir() and not part.is_symlink()]
    for part in sorted(parts, key=_begun):
        identity = _begun(part).partition("-")[2]
        session = SESSION.fullmatch(identity)
        if data_file(part) is not None:
            newest[session[1] if session else identity] = part
    return [part for part in newest.values() if not _mark(part).exists()]


def _begun(part: Path) -> str:
    """``MOMENT-ID`` of ``run-MOMENT-ID`` and ``offline-run-MOMENT-ID``."""
    return part.name.removeprefix("offline-").removeprefix("run-")


def mark_sent(part: Path) -> None:
    """Note that the service has all of a W&B folder."""
    if data_file(part) is not None:
        _mark(part).touch()


def data_file(part: Path) -> Path | None:
    """The file that holds an offline run, if it was begun."""
    return next(iter(sorted(part.glob("run-*.wandb"))), None)


def _mark(part: Path) -> Path:
    """W&B's own mark of a run that was sent, so that its commands know too."""
    file = data_file(part)
    assert file is not None
    return file.with_name(f"{file.name}.synced")


def uploader() -> str:
    """The ``wandb`` program: on PATH, else beside this Python; UserError if there is none."""
    beside = Path(sys.executable).with_name("wandb")
    found = shutil.which("wandb") or (str(beside) if beside.exists() else None)
    if found is None:
        raise UserError("there is no wandb program on PATH; install it with pip install wandb, and use `wandb login`")
    return found


def send(program: str, part: Path) -> str | None:
    """Send one offline folder and mark it as sent; returns why it could not be, else None."""
    done = subprocess.run([program, "sync", str(part)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines()
        return f"not sent ({lines[-1].strip() if lines else f'wandb ended with {done.returncode}'})"
    mark_sent(part)
    return None
