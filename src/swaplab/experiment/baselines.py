"""Cached baselines of rendered people, which hundreds of runs share."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from swaplab.data.module import FaceData
from swaplab.data.sources import Sources
from swaplab.metrics.baseline import Baseline
from swaplab.metrics.identity import Embedder
from swaplab.metrics.landmarks import LandmarkFinder
from swaplab.metrics.task import SwapTask
from swaplab.metrics.yardstick import Yardstick
from swaplab.places import PACKAGE
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.environment import environment
from swaplab.synthetic.dataset import cache_folder
from swaplab.synthetic.yardstick import build_yardstick

SEED = 0  # of retrieval candidates and resamples
# The code that computes a baseline, and the facts that can change its last bits.
_CODE = ("metrics", "networks/pretrained", "faces", "randomness.py", "thinning.py")
_ENVIRONMENT = ("threads", "processor", "cpu_capability", "python", "versions")


def load_baseline(
    config: Mapping[str, Any],
    sources: Sources,
    data: FaceData,
    task: SwapTask,
    embedder: Embedder,
    finder: LandmarkFinder,
) -> Baseline:
    """The baseline of a task, read from the cache or computed; both give bit-equal numbers.

    For rendered people it is fitted on their yardstick, for real people on their own facesets. Nothing about real
    people is cached, because their descriptors must not leave their facesets.
    """
    if config["data"]["kind"] != "synthetic":
        own = Yardstick.of(data.split_facesets(), task.source, task.target, task.split)
        return Baseline.of(task, own, embedder, finder, SEED)
    clean = build_yardstick(config["data"])
    yardstick = Yardstick.of(clean.facesets, task.source, task.target, "val", clean.truth)
    networks = embedder.name, finder.name
    known = [sources.digest, yardstick.digest, task.source, task.target, task.split, SEED, *networks, _version()]
    key = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
    path = cache_folder(config["data"]["cache"]) / "baselines" / f"{key}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):  # missing or damaged: compute it again
        return Baseline.from_json(json.loads(path.read_text()), embedder, finder)
    baseline = Baseline.of(task, yardstick, embedder, finder, SEED)
    with suppress(OSError):  # the cache may be read-only
        _keep(path, json.dumps(baseline.as_json()))
    return baseline


def _version() -> dict[str, Any]:
    """Code, packages, threads and processor, on which the last bits of a number depend."""
    package, digest = PACKAGE, hashlib.sha256()
    for part in _CODE:
        for file in sorted([package / part, *(package / part).rglob("*.py")]):
            if file.is_file():
                digest.update(file.read_bytes())
    facts = environment("32-true")
    return {"code": digest.hexdigest()} | {key: facts[key] for key in _ENVIRONMENT}


def _keep(path: Path, text: str) -> None:
    """Write the file atomically; of several processes, which write the same text, the last one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        write_text_atomically(Path(folder) / path.name, text)
        os.replace(Path(folder) / path.name, path)
