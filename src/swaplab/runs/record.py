"""The run record: a folder that holds everything known about a run; dashboards and reports are views of it.

config.yaml     resolved config              metrics.jsonl   one line per report, over images_seen
run.json        status, times, versions, git state, data, parameters, cost, final metrics, exit reason
samples/        sample sheets                checkpoints/    last.ckpt, best.safetensors, final.safetensors
code/           by the digest of a session's code: hashes of its files, and the user's packages as a ZIP
"""

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from swaplab.errors import UserError
from swaplab.runs.atomic import Unwritable, write_atomically, write_text_atomically, writing
from swaplab.runs.claim import claim
from swaplab.runs.damage import Damaged
from swaplab.runs.evaluations import measured
from swaplab.runs.identity import PLACE, changed_keys
from swaplab.runs.rows import METRICS, Row, as_json, last_rows, newest, numbers, rows_of

if TYPE_CHECKING:
    from swaplab.runs.code import Code

# preparing: before the first step. complete, diverged: finished. failed: ended by an error, or the process is gone.
STATUSES = ("preparing", "running", "complete", "diverged", "interrupted", "failed")
AT_WORK = ("preparing", "running")
ENDED = ("complete", "diverged")
RESERVE, RESERVED = ".reserve", 1 << 17  # a file of so many bytes, deleted on a full disk to record the end of a run


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def codes_of(facts: dict[str, Any]) -> list[str]:
    """The code digests of a record's sessions, in order, each once; sessions without a digest are skipped."""
    return list(dict.fromkeys(session["code"] for session in facts["sessions"] if "code" in session))


def cost_of(facts: Mapping[str, Any]) -> dict[str, float]:
    """``cost/...`` of a record: seconds, peak memory, speed; the generator's parameters and operations if known."""
    costs = {f"cost/{name}": value for name, value in (facts.get("cost") or {}).items()}
    counted = {"parameters": (facts.get("parameters") or {}).get("generator"), "macs": facts.get("macs")}
    return costs | {f"cost/{name}": value for name, value in counted.items() if isinstance(value, int | float)}


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, readable or not."""
    return any(os.path.exists(f"{folder}/{name}") for name in ("run.json", "checkpoints/last.ckpt"))


# Types of a record's facts, if present; the first three are required.
_SHAPE: dict[str, type | tuple[type, ...]] = {
    "status": str,
    "sessions": list,
    "created": str,
    "exit_reason": (str, type(None)),
    "git": (dict, type(None)),
    "name": str,
    "seed": int,
    **dict.fromkeys(("config_hash", "config_sha256"), str),
    **dict.fromkeys(("environment", "parameters", "cost", "data", "faces", "grounds", "metrics", "updates"), dict),
    **dict.fromkeys(("warnings", "trained_on", "actions"), list),
    **dict.fromkeys(("images_seen", "macs"), (int, float, type(None))),
    "begun": bool,
}
_SESSION: dict[str, type] = {"started": str, "pid": int, "host": str}


def _checked(facts: Any) -> dict[str, Any]:
    """The content of ``run.json``, with NaN for null in metrics; ValueError if it is not a record."""
    if not isinstance(facts, dict):
        raise ValueError("it is not a record")
    for key, kind in _SHAPE.items():
        if (key in facts and not isinstance(facts[key], kind)) or (key in list(_SHAPE)[:3] and key not in facts):
            raise ValueError(f"its {key} is {facts.get(key, 'missing')!r}")
    if facts["status"] not in STATUSES or not facts["sessions"]:
        raise ValueError(f"its status is {facts['status']!r}, its sessions {facts['sessions']!r}")
    for session in facts["sessions"]:
        if not isinstance(session, dict) or any(not isinstance(session.get(k), kind) for k, kind in _SESSION.items()):
            raise ValueError(f"its session {session!r} is invalid")
    metrics = numbers(facts.get("metrics", {}))
    if metrics is None or numbers(facts.get("cost", {})) is None:
        raise ValueError("its metrics or its costs are not numbers")
    return facts | ({"metrics": metrics} if "metrics" in facts else {})


class RunRecord:
    """Reads and writes one run's folder. Every write is atomic, except that rows are appended to ``metrics.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: dict[str, Any] = {}
        self.config_sha256 = ""  # of the file that `config` read

    @property
    def metrics_file(self) -> Path:
        return self.folder / METRICS

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def sheet(self, images_seen: int) -> Path:
        """The path of the sample sheet drawn after ``images_seen`` images."""
        return self.folder / "samples" / f"{images_seen:09d}.png"

    @property
    def status(self) -> str:
        """One of `STATUSES`; an active run whose process is gone counts as failed."""
        status = str(self.facts["status"])
        return "failed" if status in AT_WORK and not self._alive() else status

    @property
    def begun(self) -> bool:
        """Whether training has begun. Until then a run with another config or other code may replace it."""
        return bool(self.facts.get("begun", True))

    @property
    def codes(self) -> list[str]:
        """The digests of the code that made the run."""
        return codes_of(self.facts)

    @classmethod
    def create(
        cls,
        folder: Path,
        config: dict[str, Any],
        facts: dict[str, Any],
        code: "Code | None" = None,
        status: str = "running",
    ) -> "RunRecord":
        """Start a record in a new or empty folder; UserError if it cannot be written or another process owns it."""
        record = cls(folder)
        try:
            claim(folder)
            for name in ("samples", "checkpoints"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(config, sort_keys=False)
            write_text_atomically(folder / "config.yaml", text)
            digest = hashlib.sha256(text.encode()).hexdigest()
            record.facts = {"created": now(), "sessions": [], "config_sha256": digest, **facts}
            record.begin_session(code, status)
        except OSError as error:
            raise UserError(
                f"the run folder {folder} cannot be written ({error.strerror}); choose another with runs=DIR"
            ) from None
        return record

    @classmethod
    def load(cls, folder: Path) -> "RunRecord":
        """Read a record; UserError if the folder is not a run, Damaged if its record is invalid."""
        record = cls(folder)
        try:
            record.facts = _checked(json.loads((folder / "run.json").read_bytes()))
        except FileNotFoundError:
            if is_run(folder):
                raise Damaged(folder, f"{folder} holds a checkpoint, but its run.json is missing") from None
            raise UserError(f"{folder} is not a run folder: it has no run.json; give a folder under runs/") from None
        except (OSError, ValueError, RecursionError) as error:
            raise Damaged(folder, f"{folder / 'run.json'} is damaged ({error})") from None
        return record

    def config(self) -> dict[str, Any]:
        """The resolved config that the run began with; Damaged if the file is missing or has changed."""
        path = self.folder / "config.yaml"
        try:
            text = path.read_bytes()
            self.config_sha256 = hashlib.sha256(text).hexdigest()
            if self.facts.get("config_sha256") not in (None, self.config_sha256):
                raise ValueError("it is not the config that the run began with")
            config = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            if not isinstance(config, dict):
                raise ValueError("it is not a config")
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise Damaged(self.folder, f"{path} is damaged ({error})") from None
        return config

    def begin_session(self, code: "Code | None" = None, status: str = "running") -> None:
        """Record that this process works on the run, and with which code."""
        self.facts["sessions"].append({"started": now(), "pid": os.getpid(), "host": socket.gethostname()})
        write_atomically(self.folder / RESERVE, lambda file: file.write(bytes(RESERVED)))
        self._work(status, code)

    def begin(self, code: "Code", **facts: Any) -> None:
        """Record that training begins, with which code, and the facts known by now."""
        self._work("running", code, begun=True, **facts)

    def _work(self, status: str, code: "Code | None", **facts: Any) -> None:
        if code is not None:
            code.keep(self.folder)
            self.facts["sessions"][-1]["code"] = code.digest
        self.update(status=status, exit_reason=None, **facts)

    def update(self, **facts: Any) -> None:
        """Change facts and write ``run.json``."""
        self.facts |= facts
        write_text_atomically(self.folder / "run.json", as_json(self.facts, indent=2) + "\n")

    def end(self, status: str, reason: str, **facts: Any) -> None:
        """Close the session with a status of `STATUSES` and the reason."""
        self.facts["sessions"][-1]["ended"] = now()
        reserve = self.folder / RESERVE
        try:
            self.update(status=status, exit_reason=reason, **facts)
        except Unwritable:
            reserve.unlink(missing_ok=True)
            self.update(status=status, exit_reason=reason, **facts)
        reserve.unlink(missing_ok=True)

    def add_metrics(self, row: dict[str, float | int]) -> None:
        """Append one line to ``metrics.jsonl``; ``row`` contains ``images_seen``."""
        with writing(self.metrics_file), self.metrics_file.open("a") as file:
            file.write(as_json(row) + "\n")

    def metrics(self) -> list[Row]:
        """All rows, without damaged lines and without a last line that a kill cut short."""
        return self.rows()[0]

    def rows(self) -> tuple[list[Row], list[int]]:
        """All rows as in `metrics`, and the numbers of the damaged lines."""
        return rows_of(self.metrics_file)

    def newest(self) -> Row:
        """The newest value of every metric in the last rows; empty before the first."""
        return newest(last_rows(self.metrics_file))

    def values(self) -> dict[str, float]:
        """The newest value of every metric by its full name: of training, evaluations and cost."""
        return self.newest() | self.facts.get("metrics", {}) | measured(self.folder) | cost_of(self.facts)

    def cut_back(self, images_seen: int) -> None:
        """Drop the rows after ``images_seen``, which a resumed run writes again, and damaged lines, with a warning."""
        rows, damaged = self.rows()
        if damaged:
            self.warn(f"{self.metrics_file.name} was damaged: line {', '.join(map(str, damaged))} was dropped")
        kept = [row for row in rows if row["images_seen"] <= images_seen]
        write_text_atomically(self.metrics_file, "".join(as_json(row) + "\n" for row in kept))

    def warn(self, text: str) -> None:
        """Add a warning for readers of the run's numbers; it is written with the next facts."""
        self.facts["warnings"] = [*self.facts.get("warnings", []), text]

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
    """The record in ``folder`` if its run is finished, else None.

    Raises UserError if the folder holds a run with another config, because one name must not mix two runs; keys of
    `PLACE`, such as the number of ranks, may differ. Raises Damaged if the run cannot be read.
    """
    if not is_run(folder):
        return None
    record = RunRecord.load(folder)
    if not record.begun:
        return None
    changed = [key for key in changed_keys(record.config(), config) if key not in PLACE]
    if changed:
        raise UserError(f"{folder} holds a run of another config ({', '.join(changed)} differ); choose another run_id")
    return record if record.status in ENDED else None
