"""A study of invented runs, with numbers that a test can add up by hand."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swaplab.ablations.plan import Cell, Plan, store
from swaplab.catalogue import metric
from swaplab.runs.record import RunRecord
from swaplab.runs.sheets import write_sheet
from swaplab.sheets import Columns

TOP1, IDENTITY = "retrieval_top1[mixed]@100", "identity[dlib128:fd7c9dc2]"
LEVELS = {"none": (), "group": ("norm=group",), "batch": ("norm=batch",)}
SHIFT = {"none": 0.0, "group": 0.04, "batch": -0.05}
PLAN: dict[str, Any] = {
    "claim": "Normalisation helps.",
    "hypothesis": "Group normalisation gives a higher score than none.",
    "base": ["experiment=quick"],
    "factor": "norm",
    "levels": {name: list(words) for name, words in LEVELS.items()},
    "reference": "none",
    "changes": ["norm"],
    "seeds": [1, 2, 3, 4, 5, 6],
    "metric": "score",
    "guards": ["identity", "retrieval_top1[mixed]"],
    "split": "test",
    "contrast": {"level": "group", "direction": "higher"},
}
ROWS = {
    "model": ("model", {}),
    "mean": ("trivial", {"score": 0.0, "mse": 0.004, TOP1: 0.04, IDENTITY: 0.86}),
    "real": ("ceiling", {"score": 1.0, "mse": 0.0, TOP1: 1.0, IDENTITY: 1.0}),
}


@pytest.fixture(name="score_of")
def scores() -> Callable[[str, int], float]:
    """What a level and a seed come to."""
    return score_of


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium; without one the test is left out."""
    spec = importlib.util.spec_from_file_location("chromium", Path(__file__).with_name("chromium.py"))
    assert spec is not None
    assert spec.loader is not None
    devtools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(devtools)
    if devtools.chromium() is None:
        pytest.skip("no Chromium on PATH, so no page can be looked at")
    found = devtools.Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


def score_of(level: str, seed: int) -> float:
    """The mean over directions of a run's score."""
    return 0.2 + SHIFT[level] + 0.03 * seed + 0.004 * ((seed * 7 + len(level)) % 5)


def _evaluation(level: str, seed: int) -> dict[str, Any]:
    directions = []
    for name, apart in (("A->B", 0.1), ("B->A", -0.1)):
        score = score_of(level, seed) + apart
        own = {
            "score": score,
            "psnr": 24 - 10 * np.log10(1 - score),
            "mse": 0.004 * (1 - score),
            TOP1: 0.5 + SHIFT[level],
            IDENTITY: 0.6 + 0.01 * seed,
        }
        described = {
            n: {"group": metric(n).group, "better": metric(n).better, "meaning": metric(n).meaning} for n in own
        }
        rows = [
            {"key": key, "label": f"answer {key}", "kind": kind, "values": values or own}
            for key, (kind, values) in ROWS.items()
        ]
        frames = (own["mse"] * np.linspace(0.5, 1.5, 101)).tolist()
        directions.append(
            {"direction": name, "rows": rows, "metrics": described, "intervals": {}, "per_frame": {"mse": frames}}
        )
    return {"split": "test", "weights": "final", "weak": False, "directions": directions}


def _run(folder: Path, level: str, seed: int, status: str, precision: str) -> None:
    config = {
        "name": "norm",
        "seed": seed,
        "factors": {"norm": level},
        "norm": None if level == "none" else level,
        "budget": {"images": 3200},
        "checkpoint": {"best": "val/reconstruction_mse"},
        "data": {"kind": "synthetic"},
    }
    facts = {
        "name": "norm",
        "environment": {"precision": precision, "threads": 1, "versions": {"torch": "9.8.7"}},
        "parameters": {"generator": 1_000_000 + 64 * len(level), "discriminator": 7},
        "macs": 75_000_000,
        "warnings": [],
    }
    record = RunRecord.create(folder, config, facts)
    for i in (1, 2, 3, 4):
        record.add_metrics(
            {
                "images_seen": 800 * i,
                "loss/generator/reconstruction": 0.5 / i + 0.01 * seed,
                "train/images_per_second": 100.0 + 10 * len(level),
                "val/reconstruction_mse": 0.02 / i - 0.02 * SHIFT[level] + 0.0001 * seed,
            }
        )
        if status == "diverged" and i == 2:
            break
    record.end(status, "as the test wants", images_seen=3200, cost={"seconds": 30.0 + seed, "peak_memory_mb": 900.0})
    if status == "complete":
        (folder / "evaluation/final").mkdir(parents=True)
        (folder / "evaluation/final/test.json").write_text(json.dumps(_evaluation(level, seed)))
        source, again, truth = np.random.default_rng(0).integers(0, 256, (3, 5, 32, 32, 3), dtype=np.uint8)
        columns = Columns(source, again, np.full_like(source, int(100 + 1000 * SHIFT[level])), truth)
        for way in ("A->B", "B->A"):
            path = folder / "evaluation/final" / f"test-{way.replace('->', '_to_')}-samples.png"
            write_sheet(path, {way: columns})


@pytest.fixture
def study_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes the folder of an ablation. ``states``: (level, seed) -> status, None: none; ``plan``: changed fields."""

    def make(
        states: dict[tuple[str, int], str | None] | None = None,
        *,
        precisions: dict[str, str] | None = None,
        name: str = "norm",
        **plan: Any,
    ) -> Path:
        folder = tmp_path / "runs" / name
        parsed = Plan.parse(name, PLAN | plan)
        cells = [Cell(level, seed, f"s{seed}-{level}") for level in parsed.levels for seed in parsed.seeds]
        store(folder, parsed, cells)
        for cell in cells:
            status = (states or {}).get((cell.level, cell.seed), "complete")
            if status is not None:
                precision = (precisions or {}).get(cell.level, "32-true")
                _run(folder / cell.run_id, cell.level, cell.seed, status, precision)
        return folder

    return make
