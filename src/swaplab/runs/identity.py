"""The identity of a run: a hash of everything in its config that can change its numbers."""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from swaplab.errors import UserError

# Keys that cannot change a number: where files are written, how much is shown, how fast data arrives.
NEUTRAL = (
    "runs",
    "run_id",
    "factors",
    "logger",
    "labels",
    "every",
    "checkpoint",
    "budget.session_images",
    "data.cache",
    "data.workers",
    "workers",
    "trainer.progress",
    "trainer.max_time",
    "trainer.profiler",
    "trainer.detect_anomaly",
    "trainer.num_sanity_val_steps",
)
# Where and on how many processes a run is computed: affects rounding only. Part of the id, but may change on resume.
PLACE = tuple(
    f"trainer.{key}"
    for key in ("accelerator", "devices", "nodes", "launcher", "backend", "threads", "deterministic", "benchmark")
)
# Keys that make a run shorter, or its data fewer, to find a fault: its numbers answer no other question.
DEBUGGING = tuple(
    f"trainer.{key}" for key in ("fast_dev_run", "overfit_batches", "limit_train_batches", "limit_val_batches")
)
# Keys that a config may lack; off, they are no part of the id.
OPTIONAL = (*DEBUGGING, "trainer.deterministic", "trainer.benchmark")
# Callbacks that only look.
WATCHING = tuple(f"lightning.pytorch.callbacks.{name}" for name in ("LearningRateMonitor", "DeviceStatsMonitor"))


def _without(config: dict[str, Any], dotted: str) -> dict[str, Any]:
    head, _, rest = dotted.partition(".")
    if head not in config:
        return config
    if not rest:
        return {k: v for k, v in config.items() if k != head}
    return config | ({head: _without(config[head], rest)} if isinstance(config[head], dict) else {})


def _at(config: dict[str, Any], dotted: str) -> Any:
    node: Any = config
    for part in dotted.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def decisive(config: dict[str, Any]) -> dict[str, Any]:
    """A config without `NEUTRAL` keys, without `OPTIONAL` ones that are off, and without `WATCHING` callbacks."""
    acting = {
        name: node
        for name, node in (config.get("callbacks") or {}).items()
        if node is not None and node["_target_"] not in WATCHING
    }
    config = _without(config, "callbacks") | ({"callbacks": acting} if acting else {})
    for key in (*NEUTRAL, *(key for key in OPTIONAL if _off(_at(config, key)))):
        config = _without(config, key)
    return config


def _off(value: Any) -> bool:
    return value is None or value is False  # 0 is a value


def debugging(config: dict[str, Any]) -> list[str]:
    """The `DEBUGGING` keys that are set, with their values, such as ``trainer.overfit_batches=1``."""
    values = {key: _at(config, key) for key in DEBUGGING}
    return [f"{key}={value}" for key, value in values.items() if not _off(value)]


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The dotted keys of a tree of dicts, and their values as text."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, (*path, str(key)))
    else:
        yield ".".join(path), node if isinstance(node, str) else json.dumps(node, default=str)


def changed_keys(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Dotted keys that can change numbers and whose values differ between two configs."""
    return sorted({key for key, _ in set(leaves(decisive(before))) ^ set(leaves(decisive(now)))})


def pinned(config: dict[str, Any]) -> dict[str, Any]:
    """The config with the weights from another run named by content: sets ``init_from.weights`` if it is missing.

    Raises UserError if the other run has no weights.
    """
    source = config.get("init_from")
    if not source or source.get("weights"):
        return config
    return config | {"init_from": {**source, "weights": content_of(handed_on(source["run"]))}}


def handed_on(run: str) -> Path:
    """The file of a run's folder that another run takes its weights from."""
    return Path(run) / "checkpoints" / "last.ckpt"


def content_of(file: Path) -> str:
    """16 hex digits over a file's bytes; UserError if it cannot be read."""
    try:
        facts = file.stat()
        return _content(file, facts.st_mtime_ns, facts.st_size)
    except FileNotFoundError:
        raise UserError(f"checkpoint {file} does not exist; train the run first") from None
    except OSError as error:
        raise UserError(f"checkpoint {file} cannot be read ({error.strerror})") from None


@lru_cache(maxsize=64)
def _content(file: Path, changed: int, size: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def config_hash(config: dict[str, Any]) -> str:
    """16 hex digits over what is `decisive` in the resolved config; independent of key order."""
    return hashlib.sha256(json.dumps(decisive(pinned(config)), sort_keys=True).encode()).hexdigest()[:16]


def run_id_of(config: dict[str, Any]) -> str:
    """The run's folder name: ``run_id`` if the user gives one, else its seed and its config's hash."""
    return str(config.get("run_id") or f"s{config['seed']}-{config_hash(config)[:10]}")
