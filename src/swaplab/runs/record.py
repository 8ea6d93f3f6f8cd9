"""The run record: a folder that is the truth about a run; dashboards and reports are views of it.

config.yaml     resolved config              metrics.jsonl   one line a report, over images_seen
run.json        status, times, versions, git state, data, parameters, cost, final metrics, exit reason
samples/        picture sheets               checkpoints/    last.ckpt, best.safetensors, final.safetensors
code/           by the digest of the code of a session: hashes of its files, and the user's packages as a zip
"""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from swaplab.errors import UserError
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.claim import claim
from swaplab.runs.identity import PLACE, changed_keys

if TYPE_CHECKING:
    from swaplab.runs.code import Code

# complete, diverged: the run has its result. running: alive, or died without a word. failed: ended by an error.
STATUSES = ("running", "complete", "diverged", "interrupted", "failed")
ENDED = ("complete", "diverged")


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def codes_of(facts: dict[str, Any]) -> list[str]:
    """The digests of the code of a record's sessions, in order, each once; none where it is not known."""
    return list(dict.fromkeys(session["code"] for session in facts["sessions"] if "code" in session))


class RunRecord:
    """Reads and writes one run's folder. Every write leaves the old or the new file, never a part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: dict[str, Any] = {}

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def status(self) -> str:
        """One of `STATUSES`; a run whose process is gone without an end counts as failed."""
        status = str(self.facts["status"])
        return "failed" if status == "running" and not self._alive() else status

    @property
    def codes(self) -> list[str]:
        """The digests of the code that made it."""
        return codes_of(self.facts)

    @classmethod
    def create(
        cls, folder: Path, config: dict[str, Any], facts: dict[str, Any], code: "Code | None" = None
    ) -> "RunRecord":
        """Start a record in a new or an empty folder; UserError if it cannot be written or another process has it."""
        record = cls(folder)
        try:
            claim(folder)
            for name in ("samples", "checkpoints"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            write_text_atomically(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
            record.facts = {"created": now(), "sessions": [], **facts}
            record.begin_session(code)
        except OSError as error:
            raise UserError(
                f"the run folder {folder} cannot be written ({error.strerror}); choose another with runs=DIR"
            ) from None
        return record

    @classmethod
    def load(cls, folder: Path) -> "RunRecord":
        """Read a record; UserError if the folder is not one."""
        record = cls(folder)
        try:
            record.facts = json.loads((folder / "run.json").read_text())
        except FileNotFoundError:
            raise UserError(f"{folder} is not a run folder: it has no run.json; give a folder under runs/") from None
        except (OSError, ValueError) as error:
            raise UserError(f"{folder / 'run.json'} cannot be read ({error}); restore it or train again") from None
        return record

    def config(self) -> dict[str, Any]:
        """The resolved config; UserError if it is missing or damaged."""
        path = self.folder / "config.yaml"
        try:
            config = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise UserError(f"{path} cannot be read ({error}); restore it or train again") from None
        if not isinstance(config, dict):
            raise UserError(f"{path} is not a config; restore it or train again")
        return config

    def begin_session(self, code: "Code | None" = None) -> None:
        """Note that this process works on the run, and with which code."""
        session: dict[str, Any] = {"started": now(), "pid": os.getpid(), "host": socket.gethostname()}
        if code is not None:
            code.keep(self.folder)
            session["code"] = code.digest
        self.facts["sessions"].append(session)
        self.update(status="running", exit_reason=None)

    def update(self, **facts: Any) -> None:
        """Change facts and write ``run.json``."""
        self.facts |= facts
        write_text_atomically(self.folder / "run.json", json.dumps(self.facts, indent=2) + "\n")

    def end(self, status: str, reason: str, **facts: Any) -> None:
        """Close the session with a status of `STATUSES` and why."""
        self.facts["sessions"][-1]["ended"] = now()
        self.update(status=status, exit_reason=reason, **facts)

    def add_metrics(self, row: dict[str, float | int]) -> None:
        """Append one line to ``metrics.jsonl``; it holds ``images_seen``."""
        with self.metrics_file.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def metrics(self) -> list[dict[str, float]]:
        """All rows; a last line that a kill cut short is left out."""
        if not self.metrics_file.exists():
            return []
        lines = self.metrics_file.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def cut_back(self, images_seen: int) -> None:
        """Drop the rows after ``images_seen``: a resumed run writes them again."""
        rows = [row for row in self.metrics() if row["images_seen"] <= images_seen]
        write_text_atomically(self.metrics_file, "".join(json.dumps(row) + "\n" for row in rows))

    def _alive(self) -> bool:
        session = self.facts["sessions"][-1]
        if session["host"] != socket.gethostname():
            return True
        try:
            os.kill(session["pid"], 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def finished(folder: Path, config: dict[str, Any]) -> RunRecord | None:
    """The record in ``folder`` if the run has its result already, else None.

    Raises UserError if the folder holds a run of another config: the same name must not mix two runs. It may go on at
    another place, with another number of ranks.
    """
    if not (folder / "run.json").exists():
        return None
    record = RunRecord.load(folder)
    changed = [key for key in changed_keys(record.config(), config) if key not in PLACE]
    if changed:
        raise UserError(f"{folder} holds a run of another config ({', '.join(changed)} differ); choose another run_id")
    return record if record.status in ENDED else None
