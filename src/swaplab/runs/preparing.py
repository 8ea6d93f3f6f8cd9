"""A run before its first step: its record is there from the first second on, and gone again if the run is refused."""

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
    """For a block in which a run begins (`RunRecord.begin`): its record, which says until then that it is prepared.

    Where a checkpoint is, the run's own record with a new session, else a new one. A UserError before the run begins
    leaves what was there before the block, anything else is told in the record. The folder must be claimed.
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
    """The texts of a run that has begun earlier; empty where there is none."""
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
        with suppress(OSError):  # what is there already stays
            (folder / name).rmdir()
