"""What W&B receives about a run that is trained and then evaluated."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.experiment.evaluation import tell_loggers
from swaplab.runs.evaluations import plotted_name
from swaplab.runs.record import RunRecord

Process = Callable[..., Any]
NODE = {"_target_": "swaplab.training.loggers.wandb.Wandb", "mode": "online"}
LABELS = {"name": None, "group": None, "job_type": "ablation", "tags": [], "notes": None}


def written(file: Path) -> bytes:
    """A ``.wandb`` file without the headers of 7 bytes at the beginning of its blocks of 32 KiB, which cut words."""
    data = file.read_bytes()
    return b"".join(data[start + 7 : start + 32768] for start in range(0, len(data), 32768))


def test_training_then_measuring_leaves_two_runs_in_one_group(
    process: Process, tiny: list[str], tmp_path: Path
) -> None:
    def run(command: str, *words: str) -> None:
        done = process(command, *words, env={k: None for k in os.environ if k.startswith("WANDB")})
        assert done.wait(300) == 0, done.err
        assert "dashboard" not in done.err

    run("train", *tiny, "logger=wandb", "run_id=r", "labels.group=norms")
    folder = tmp_path / "runs/quick/r"
    run("evaluate", f"run={folder}", "split=val", "threads=1")
    trained, measured = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"), key=lambda file: file.stem)
    assert "evaluate" not in trained.stem
    assert measured.stem.endswith("-evaluate-final-val")
    data = written(measured)
    for word in (
        b"norms",
        b"evaluate",
        b"val/reconstruction_psnr",
        b"evaluation/final/val/A_to_B-samples",
        b"cost/seconds",
    ):
        assert word in data, word
    first = json.loads((folder / "evaluation/final/val.json").read_text())["directions"][0]["rows"][0]["values"]
    assert all(plotted_name(f"evaluation/final/val/{name}").encode() in data for name in first)


def test_a_service_that_does_not_answer_costs_nothing_but_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import wandb

    def refuse(**_: Any) -> None:
        raise wandb.errors.CommError("no route to host")

    monkeypatch.setattr(wandb, "init", refuse)
    config = {"name": "n", "seed": 1, "logger": {"wandb": NODE}, "labels": LABELS}
    record = RunRecord.create(tmp_path / "run", config, {})
    place = tmp_path / "test.json"
    place.write_text('{"split": "test", "weights": "final", "directions": []}')
    tell_loggers(record, config, place)
    said = [record.getMessage() for record in caplog.records if record.name == "swaplab"]
    assert (
        said
        == [
            f"W&B failed (no route to host); the run's record is complete without it, and "
            f"`swaplab runs sync {tmp_path / 'run'}` uploads what is kept offline"
        ]
        * 2
    )  # online, then offline
