"""The code behind a run's numbers: each session records its digest, and the run folder keeps the user's sources.

The digest is not part of the run id: one config is one run, and an error says if its code has changed.
"""

import hashlib
import importlib.util
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from swaplab import places
from swaplab.errors import UserError
from swaplab.runs.atomic import write_atomically, write_text_atomically
from swaplab.runs.identity import config_hash
from swaplab.runs.record import RunRecord, is_run

# Code that computes numbers: what a config may name, training, and validation during training; with all imports.
ROOTS = ("losses/", "networks/", "noise/", "schedule.py", "training/", "experiment/fit.py")
# Parts of it that only check, start, record, display or watch, and compute no numbers.
SILENT = (
    *("runs/", "conf/", "captions.py", "errors.py", "progress.py", "sheets.py", "config/trust.py"),
    *("training/loggers/", *(f"training/{name}.py" for name in ("ending", "launch", "progress", "samples", "watch"))),
)
PROOFS = ".proofs.jsonl"
SHOWN = 3
_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+swaplab\.?([\w.]*)[ \t]+import[ \t]+([^#\n(]+|\([^)]*)|import[ \t]+swaplab\.([\w.]+))", re.M
)


@dataclass(frozen=True)
class Code:
    """``files``: SHA-256 of each file that numbers depend on, by name: ``losses/edge.py`` or ``mylab:loss.py``.

    ``own``: the files of the user's packages, by name.
    """

    files: dict[str, str]
    own: dict[str, Path]

    @property
    def digest(self) -> str:
        """16 hex digits over all files; the same in a checkout and in an installation."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()[:16]

    def keep(self, folder: Path) -> None:
        """Write the hashes into a run's folder, once, as ``code/DIGEST.json``, the user's files as ``DIGEST.zip``."""
        place = folder / "code" / f"{self.digest}.json"
        if place.exists():
            return
        place.parent.mkdir(exist_ok=True)
        content: dict[str, Any] = {"files": self.files}
        if self.own:
            packed = _packed(self.own)
            write_atomically(place.with_suffix(".zip"), lambda file: file.write(packed))
            content["sources"] = {"file": f"{self.digest}.zip", "sha256": hashlib.sha256(packed).hexdigest()}
        write_text_atomically(place, json.dumps(content, indent=1, sort_keys=True) + "\n")


def code_of(packages: Sequence[str] = ()) -> Code:
    """The code of this process: swaplab's and that of the user's ``packages``; UserError for a missing package."""
    own = {name: path for package in packages for name, path in _sources(package)}
    return Code(_swaplab() | {name: _sha256(path) for name, path in own.items()}, own)


def environment_of(sources: Sequence[Path]) -> dict[str, str]:
    """The environment variables of a process that imports from the folders ``sources`` first."""
    paths = [*map(str, sources), *filter(None, [os.environ.get("PYTHONPATH")])]
    # otherwise packages in the current folder would take precedence over the paths
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def check_code(folder: Path, config: dict[str, Any], code: Code) -> None:
    """UserError if other code made the run in ``folder``, unless both were proven to give the same losses.

    A folder without a record has no code yet.
    """
    if not is_run(folder):
        return
    record = RunRecord.load(folder)
    if not record.codes or {code.digest} <= set(record.codes) | _proven(Path(config["runs"]), config, record.codes):
        return
    changed = _changed(folder / "code" / f"{record.codes[-1]}.json", code)
    raise UserError(
        f"{folder} holds a run ({record.status}) made by other code{changed}; give this run another name or run_id, "
        f"go back to the old code, or show with `make prove` that both give the same losses"
    )


@cache  # a process computes with the code that it has loaded, even if the files change
def _swaplab() -> dict[str, str]:
    root = str(places.PACKAGE)
    there = set(_files(root))
    waiting = [name for name in there if name.startswith(ROOTS) and name.endswith(".py")]
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in found or name.startswith(SILENT):
            continue
        content = Path(root, name).read_bytes()
        found[name] = hashlib.sha256(content).hexdigest()
        waiting += [imported for imported in _imported(content) if imported in there]
    beside = tuple({f"{name.rpartition('/')[0]}/assets/" for name in found})  # weights and shapes that modules load
    assets = [name for name in there if name.startswith(beside) and not name.endswith(".md")]
    return found | {name: _sha256(Path(root, name)) for name in assets}


def _files(root: str, inside: str = "") -> Iterator[str]:
    """The paths of all files below a folder, with slashes."""
    for entry in os.scandir(f"{root}/{inside}"):
        if entry.is_dir():
            yield from _files(root, f"{inside}{entry.name}/") if entry.name != "__pycache__" else ()
        else:
            yield f"{inside}{entry.name}"


def _imported(content: bytes) -> Iterator[str]:
    """What a module imports from swaplab, also inside functions, as paths of files that may exist."""
    for base, names, plain in _IMPORT.findall(content):
        module = (base or plain).decode().replace(".", "/")
        if module:
            yield f"{module.partition('/')[0]}/__init__.py"
        for candidate in (module, *(f"{module}/{name}" for name in re.findall(r"\w+", names.decode()))):
            yield f"{candidate.lstrip('/')}.py"
            yield f"{candidate.lstrip('/')}/__init__.py"


def _sources(package: str) -> Iterator[tuple[str, Path]]:
    """The Python files of a package or a module, by name."""
    try:
        spec = sys.modules[package].__spec__ if package in sys.modules else importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise UserError(
            f"the package {package} of SWAPLAB_PACKAGES cannot be found; install it, or start swaplab in its folder"
        )
    if spec.submodule_search_locations:
        for place in map(Path, spec.submodule_search_locations):
            for file in sorted(place.rglob("*.py")):
                yield f"{package}:{file.relative_to(place).as_posix()}", file
    elif spec.origin is not None:
        yield f"{package}:", Path(spec.origin)


def _packed(files: dict[str, Path]) -> bytes:
    """A ZIP of files, the same bytes for the same files: uncompressed, sorted, without times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            package, _, inside = name.partition(":")
            place = package.replace(".", "/")
            entry = zipfile.ZipInfo(f"{place}/{inside}" if inside else f"{place}.py", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, files[name].read_bytes())
    return buffer.getvalue()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _changed(known: Path, code: Code) -> str:
    """The names of changed files, for an error message; empty if unknown."""
    try:
        before = json.loads(known.read_text())["files"]
        names = sorted(name for name, _ in set(before.items()) ^ set(code.files.items()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    names = list(dict.fromkeys(names))
    return f" ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''} differ)"


def _proven(runs: Path, config: dict[str, Any], codes: Sequence[str]) -> set[str]:
    """The digests of code that was proven to give, for this config, the same losses as ``codes`` at every step.

    ``runs/.proofs.jsonl`` has one line per proof: ``{"config": its hash, "codes": [digest, digest], ...}``.
    """
    try:
        lines = (runs / PROOFS).read_text().splitlines()
        pairs = [set(proof["codes"]) for proof in map(json.loads, lines) if proof["config"] == config_hash(config)]
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{runs / PROOFS} is damaged ({error}); move it away, then repeat `make prove`") from None
    equal = set(codes)
    for _ in pairs:
        for pair in pairs:
            equal |= pair if pair & equal else set()
    return equal
