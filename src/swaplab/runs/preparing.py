"""A run before its first step: its record exists from the start, and is removed if the run is rejected."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from swaplab.errors import UserError
from swaplab.runs.atomic import write_bytes_atomically
from swaplab.runs.record import RESERVE, RunRecord, is_run
from swaplab.stopping import Stopped

TEXTS = ("run.json", "config.yaml")


@contextmanager
def preparing(folder: Path, config: dict[str, Any]) -> Iterator[RunRecord]:
    """The record of a run that begins (`RunRecord.begin`) within the block; until then its status is preparing.

    With a checkpoint it is the existing record with a new session, else a new record. A UserError before the run
    begins restores the state before the block; the record notes any other error. The folder must be claimed.
    """
    before, record = _texts(folder), None
    try:
        record = _prepared(folder, config, begun=bool(before))
        yield record
    except UserError:
        if record is None or record.facts["status"] == "preparing":
            _undo(folder, before)
        raise
    except BaseException as error:
        if record is not None and record.facts["status"] == "preparing":
            what = str(error) if isinstance(error, Stopped) else f"{type(error).__name__}: {error}".splitlines()[0]
            record.end("interrupted" if isinstance(error, Stopped) else "failed", what)
        raise


def _texts(folder: Path) -> dict[str, bytes]:
    """The text files of a run that has begun earlier; empty if there is none."""
    if not is_run(folder) or not RunRecord.load(folder).begun:
        return {}
    return {name: (folder / name).read_bytes() for name in TEXTS}


def _prepared(folder: Path, config: dict[str, Any], begun: bool) -> RunRecord:
    if (folder / "checkpoints" / "last.ckpt").exists():
        record = RunRecord.load(folder)
        record.begin_session(status="preparing")
        return record
    facts = {"name": config["name"], "seed": config["seed"], "begun": begun}
    return RunRecord.create(folder, config, facts, status="preparing")


def _undo(folder: Path, before: dict[str, bytes]) -> None:
    for name, content in before.items():
        write_bytes_atomically(folder / name, content)
    for name in (RESERVE, *(name for name in TEXTS if name not in before)):
        (folder / name).unlink(missing_ok=True)
    for name in ("samples", "checkpoints"):
        with suppress(OSError):  # keep what is not empty
            (folder / name).rmdir()
