"""What each logger has stored of a run of two sessions, read back with its service's own reader."""

import csv
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from swaplab.runs.record import RunRecord

Told = Callable[[dict[str, Any]], RunRecord]
PLACE = "swaplab.training.loggers"
STEPS = [64, 128, 192, 256, 320]
SCORE = "evaluation/final/test/score"


@pytest.fixture(autouse=True)
def _silent(caplog: pytest.LogCaptureFixture) -> Any:
    """No logger fails."""
    yield
    assert "failed" not in caplog.text


def test_csv_has_every_row_once(told: Told) -> None:
    folder = told({"_target_": f"{PLACE}.csv.Csv"}).folder / "csv"
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == STEPS
    assert [float(row["val/reconstruction_mse"]) for row in rows] == [1 / i for i in range(1, 6)]
    facts = yaml.safe_load((folder / "hparams.yaml").read_text())
    assert (facts["optimizer"]["generator"]["lr"], facts["commit"]) == (1e-4, "c0ffee")
    assert facts["labels"]["tags"] == ["quick", "norm=sync_batch", "seed=3"]
    assert facts["summary"] == {
        "status": "complete",
        "cost/seconds": 1.5,
        "val/reconstruction_mse": 0.2,
        "best/val/reconstruction_mse": 0.2,
    }


def test_tensorboard_has_curves_sheets_and_hyperparameters(told: Told) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record = told({"_target_": f"{PLACE}.tensorboard.TensorBoard"})
    found = EventAccumulator(str(record.folder / "tensorboard"), size_guidance={"images": 0}).Reload()
    curve = found.Scalars("val/reconstruction_mse")
    assert [(point.step, point.value) for point in curve[:5]] == [
        (step, pytest.approx(1 / i)) for i, step in enumerate(STEPS, 1)
    ]
    assert [image.step for image in found.Images("samples")] == [128, 256]
    assert [(point.step, point.value) for point in found.Scalars(SCORE)] == [(320, 0.25)]
    assert found.Scalars("best/val/reconstruction_mse")[0].value == pytest.approx(0.2)
    data = found.summary_metadata
    assert {"config/text_summary", "status/text_summary", "notes/text_summary"} <= set(data)
    assert any(name.startswith("_hparams_/session_start_info") for name in data)


def test_mlflow_has_one_run_over_all_sessions(told: Told, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    told({"_target_": f"{PLACE}.mlflow.Mlflow"})
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs/.mlflow/mlflow.db'}")
    experiment = client.get_experiment_by_name("norms")
    (run,) = client.search_runs([experiment.experiment_id])
    points = client.get_metric_history(run.info.run_id, "val/reconstruction_mse")
    assert sorted((point.step, point.value) for point in points) == [(s, 1 / i) for i, s in enumerate(STEPS, 1)]
    assert (run.info.run_name, run.info.status) == ("norm=sync_batch s3-abc", "FINISHED")
    assert run.data.params["optimizer.generator.lr"] == "0.0001"
    assert run.data.params["commit"] == "c0ffee"
    tags = ("norm", "seed", "quick", "group", "job_type", "status", "mlflow.note.content")
    assert [run.data.tags[tag] for tag in tags] == [
        *("sync_batch", "3", "true", "norms", "train", "complete", "as in the paper")
    ]
    assert run.data.metrics[SCORE] == 0.25
    assert run.data.metrics["evaluation/final/test/identity_net_ab"] == 0.5
    (best,) = client.get_metric_history(run.info.run_id, "best/val/reconstruction_mse")
    assert (best.step, best.value) == (0, 0.2)
    images = {Path(item.path).name for item in client.list_artifacts(run.info.run_id, "images")}
    for step in (128, 256):
        assert any(re.match(rf"samples\W+step\W+{step}\W.*\.png", name) for name in images), images


def test_trackio_has_one_run_over_all_sessions(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trackio")
    monkeypatch.delenv("TRACKIO_DIR", raising=False)
    record = told({"_target_": f"{PLACE}.trackio.Trackio"})
    assert capsys.readouterr().out == ""
    assert os.environ["TRACKIO_DIR"] == str(tmp_path / "runs/.trackio")
    import trackio

    storage = trackio.SQLiteStorage
    (run,) = storage.get_run_records("swaplab")
    assert run["name"] == "norm=sync_batch s3-abc"
    rows = storage.get_logs("swaplab", run_id=run["id"])
    curve = [(row["step"], row["val/reconstruction_mse"]) for row in rows if "val/reconstruction_mse" in row]
    assert curve == [(step, 1 / i) for i, step in enumerate(STEPS, 1)]
    assert [row["step"] for row in rows if "samples" in row] == [128, 256]
    assert [row[SCORE] for row in rows if SCORE in row] == [0.25]
    assert [row["status"] for row in rows if "status" in row] == ["interrupted", "complete"]
    config = storage.get_run_config("swaplab", run_id=run["id"])
    assert (config["_Group"], config["commit"], config["_Username"]) == ("norms", "c0ffee", None)
    assert config["labels"]["tags"] == ["quick", "norm=sync_batch", "seed=3"]
    assert record.status == "complete"
