"""Many runs at once: find all under ``runs/``, select some by conditions, and remove runs but nothing else.

The run folders are the truth. ``.index.json`` caches what was read of them, with the stamps of the files read. An entry
whose files have changed is read again, so a missing, old or damaged index costs only time.
"""

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swaplab.errors import UserError
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.damage import check_own
from swaplab.runs.evaluations import PLACES
from swaplab.runs.identity import leaves
from swaplab.runs.record import AT_WORK, ENDED, RunRecord, is_run
from swaplab.runs.rows import METRICS, as_json, numbers

INDEX, TRASH = ".index.json", ".trash"
FORMAT = 3  # of the index; an index of another format is rebuilt
DEPTH = 4  # levels of folders searched under runs
READ = ("run.json", "config.yaml", METRICS, *map(str, PLACES))
FACTS = ("status", "exit_reason", "created", "images_seen", "cost", "parameters", "macs")
FIELDS = ("name", "id", "status", "seed")  # keys of conditions besides factors and config keys
DAMAGED = "damaged"

Stamp = list[list[int] | None]


@dataclass(frozen=True)
class Entry:
    """One run, as tables show it.

    ``metrics``: last values by name, with those of evaluations as ``evaluation/final/test/score``, and ``cost/...``.
    ``problem``: why the record cannot be read, else None. ``stamp``: inode, time and size of each file in `READ`.
    """

    name: str
    id: str
    stamp: Stamp
    facts: dict[str, Any]
    config: dict[str, Any]
    metrics: dict[str, float]
    problem: str | None = None

    @property
    def label(self) -> str:
        """``name/id``: the folder under ``runs/``."""
        return f"{self.name}/{self.id}"

    @property
    def status(self) -> str:
        """The record's status now, because its process may have died since the reading; or ``damaged``."""
        if self.problem is not None:
            return DAMAGED
        record = RunRecord(Path())
        record.facts = self.facts
        return record.status

    @property
    def factors(self) -> dict[str, Any]:
        """The factors that a sweep or an ablation varied, with this run's levels."""
        found = self.config.get("factors")
        return found if isinstance(found, dict) else {}

    @property
    def images_seen(self) -> int:
        """Images of all identities seen in training, as last reported."""
        return int(self.metrics.get("images_seen") or self.facts.get("images_seen") or 0)

    @property
    def seconds(self) -> float:
        """Seconds of all ended sessions."""
        return float((self.facts.get("cost") or {}).get("seconds") or 0)


def all_runs(runs: Path, *, rebuild: bool = False) -> list[Entry]:
    """The runs under ``runs/NAME/ID``, by name and creation time; UserError if ``runs`` does not exist.

    Updates the index if it can be written; ``rebuild`` reads every run again.
    """
    check_folder(runs)
    known = {} if rebuild else _read_index(runs)
    labels = {label_of(runs, folder): folder for folder in run_folders(runs)}
    entries = [_entry(folder, label, known.get(label)) for label, folder in labels.items()]
    if rebuild or {e.label: e.stamp for e in entries} != {label: e.stamp for label, e in known.items()}:
        content = {"format": FORMAT, "runs": [asdict(entry) for entry in entries]}
        with contextlib.nullcontext() if rebuild else contextlib.suppress(OSError):
            write_text_atomically(runs / INDEX, as_json(content) + "\n")
    return sorted(entries, key=lambda e: (e.name, str(e.facts.get("created")), e.id))


def check_folder(runs: Path) -> None:
    """UserError if ``runs`` is not a folder."""
    if not runs.is_dir():
        raise UserError(f"{runs} is not a folder; give the folder of your runs with runs=DIR")


def run_folders(runs: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Folders that hold a run, readable or not, up to ``depth`` levels down: ``NAME/ID``; names may contain slashes."""
    try:
        with os.scandir(runs) as found:
            folders = [runs / entry.name for entry in found if entry.name[0] != "." and entry.is_dir()]
    except FileNotFoundError:  # deleted in the meantime
        return
    for folder in folders:
        if is_run(folder):
            yield folder
        elif depth > 1:
            yield from run_folders(folder, depth - 1)


def label_of(runs: Path, folder: Path) -> str:
    """``NAME/ID`` of a run folder."""
    return folder.relative_to(runs).as_posix()


def _read_index(runs: Path) -> dict[str, Entry]:
    try:
        content = json.loads((runs / INDEX).read_text())
        if content["format"] != FORMAT:
            return {}
        nodes = [node | {"metrics": numbers(node["metrics"])} for node in content["runs"]]
        return {entry.label: entry for entry in (Entry(**node) for node in nodes)}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _stamp(folder: Path) -> Stamp:
    stamps: Stamp = []
    for name in READ:
        try:
            found = os.stat(f"{folder}/{name}")
            stamps.append([found.st_ino, found.st_mtime_ns, found.st_size])
        except OSError:
            stamps.append(None)
    return stamps


def _entry(folder: Path, label: str, known: Entry | None) -> Entry:
    stamp = _stamp(folder)  # before reading, so that a change in the meantime is read next time
    if known is not None and known.stamp == stamp:
        return known
    name, _, run = label.rpartition("/")
    try:
        record = RunRecord.load(folder)
        facts = {key: record.facts.get(key) for key in FACTS} | {"sessions": record.facts["sessions"][-1:]}
        return Entry(name, run, stamp, facts, record.config(), record.values())
    except UserError as error:
        return Entry(name, run, stamp, {}, {}, {}, str(error))


def matching(entries: Sequence[Entry], conditions: dict[str, str]) -> list[Entry]:
    """The runs that meet every condition KEY: VALUE; ``a,b`` means one of several values.

    A key is one of `FIELDS`, a factor, or a dotted config key. UserError for a key that no run has.
    """
    found = list(entries)
    for key, wanted in conditions.items():
        options = [option.strip() for option in wanted.split(",")]
        values = [(entry, _value(entry, key)) for entry in entries]
        if entries and all(value is None for _, value in values):
            raise UserError(f"no run has a value for {key}; {_hint(entries, key)}, or use one of {', '.join(FIELDS)}")
        fits = {entry.label for entry, value in values if value is not None and any(_equal(value, o) for o in options)}
        found = [entry for entry in found if entry.label in fits]
    return found


def _hint(entries: Sequence[Entry], key: str) -> str:
    """What to write instead of a key that no run has: a record has keys with dots, and the class of a component."""
    dotted = key.replace("/", ".")
    known = [pair for entry in entries for pair in _flat(entry).items()]
    classes = sorted({value for name, value in known if name == f"{dotted}._target_"})
    if classes:
        return f"runs record the class of an option, so write {dotted}._target_={','.join(classes[:3])}"
    inner = next((name for name, _ in known if name == dotted or name.startswith(f"{dotted}.")), None)
    if inner is None:
        return "see `swaplab runs list`"
    return f"write {inner}" if inner == dotted else f"it is a group: give one of its keys, such as {inner}"


def _flat(entry: Entry) -> dict[str, str]:
    return dict(leaves(entry.config))


def _value(entry: Entry, key: str) -> str | None:
    """A field, factor or config value as text, as typed in a condition."""
    if key in FIELDS:
        fields = {"name": entry.name, "id": entry.id, "status": entry.status, "seed": entry.config.get("seed")}
        return str(fields[key])
    if key in entry.factors:
        return str(entry.factors[key])
    node: Any = entry.config
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    if isinstance(node, dict) and node:
        return None
    return node if isinstance(node, str) else json.dumps(node, default=str)


def _equal(value: str, wanted: str) -> bool:
    if value == wanted:
        return True
    try:
        return float(value) == float(wanted)
    except ValueError:
        return value.lower() == wanted.lower() and wanted.lower() in ("true", "false", "null")


def unfinished(entries: Sequence[Entry]) -> list[Entry]:
    """The readable runs that are neither finished nor active."""
    return [entry for entry in entries if entry.status not in (*ENDED, *AT_WORK, DAMAGED)]


def check_removable(runs: Path, folder: Path) -> None:
    """UserError unless ``folder`` is an inactive run inside ``runs`` whose path contains no link."""
    check_own(runs, folder)
    record = RunRecord.load(folder)
    if record.status in AT_WORK:
        host = record.facts["sessions"][-1]["host"]
        where = "" if host == socket.gethostname() else f" on {host}, and its process cannot be checked from here"
        raise UserError(
            f"{folder} is {record.status}{where}; stop it first (process {record.facts['sessions'][-1]['pid']})"
        )


def remove(runs: Path, folders: Sequence[Path]) -> None:
    """Delete run folders that pass `check_removable`: move each into ``.trash`` in one step, then delete the trash.

    A kill in between leaves whole runs or trash, never half a run; the next removal deletes leftover trash.
    """
    for folder in folders:
        check_removable(runs, folder)
    trash = runs / TRASH
    if trash.is_symlink():
        raise UserError(f"{trash} is a link; remove it, so that nothing is deleted elsewhere")
    trash.mkdir(exist_ok=True)
    for folder in folders:
        os.rename(folder, trash / f"{folder.name}-{time.time_ns()}")
        with contextlib.suppress(OSError):  # not empty
            folder.parent.rmdir()
    shutil.rmtree(trash)
