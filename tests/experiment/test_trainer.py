"""Keys that ``trainer=`` hands to Lightning, and how a run ends that one of them stops."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
import yaml

from swaplab.config import owned, tree
from swaplab.config.border import validated
from swaplab.config.train import Trainer
from swaplab.errors import UserError
from swaplab.experiment.trainer import PASSED, PROFILERS, passed_through, seconds_of
from swaplab.runs.identity import DEBUGGING, debugging, run_id_of
from swaplab.training.checkpoint import load_checkpoint, networks_of

Command = Callable[..., tuple[int, str, str]]
Compose = Callable[[list[str]], dict[str, Any]]
ADVERSARIAL = ["discriminator=per_identity", "discriminator.width=0.1", "loss/adversarial=lsgan", "mask=learned"]


def trained(command: Command, words: list[str], expect: int = 0) -> tuple[Path, dict[str, Any]]:
    """Train; returns the run's folder and its record."""
    code, output, complaint = command("train", *words)
    assert code == expect, complaint
    run = Path(output.strip().splitlines()[-1].rsplit(": ", 1)[-1])
    return run, json.loads((run / "run.json").read_text())


def rows_of(run: Path) -> list[dict[str, float]]:
    """All rows without what is measured by the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "train/images_per_second"} for x in lines]


def test_every_argument_of_lightning_s_trainer_is_a_key_or_refused_by_name() -> None:
    arguments = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
    keys = set(Trainer.__annotations__)
    assert arguments <= keys | set(owned.OWNED)
    assert not keys & set(owned.OWNED)
    assert {key.split(".")[1] for key in DEBUGGING} <= keys
    assert set(PASSED) <= keys & arguments
    assert set(owned.OWNED) <= arguments


@pytest.mark.parametrize("word", ["trainer.gradient_clip_val=1", "+trainer.gradient_clip_val=1"])
def test_a_key_that_cannot_work_names_the_key_to_use(command: Command, word: str) -> None:
    code, _, complaint = command("train", word)
    assert code == 2
    assert "trainer.gradient_clip_val is not a key: clip per network; set optimizer.generator.clip.norm" in complaint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_time", 90),
        ("max_time", "1:30"),
        ("max_time", "00:00:90:00"),
        ("profiler", "fast"),
        ("overfit_batches", 0),
        ("limit_train_batches", 0.5),
        ("limit_val_batches", -1),
        ("fast_dev_run", 0),
        ("deterministic", "maybe"),
        ("num_sanity_val_steps", -1),
    ],
)
def test_values_are_typed(key: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"{key}={value} must be"):
        validated(Trainer, {**yaml.safe_load((tree.root() / "trainer/auto.yaml").read_text()), key: value})


def test_times_are_days_hours_minutes_and_seconds() -> None:
    assert seconds_of("01:02:03:04") == 86400 + 2 * 3600 + 3 * 60 + 4
    assert seconds_of(None) is None


def test_what_changes_no_number_changes_no_id(compose: Compose) -> None:
    config = compose([])

    def ids(*changes: tuple[str, Any]) -> set[str]:
        return {run_id_of(config | {"trainer": {**config["trainer"], key: value}}) for key, value in changes}

    plain = run_id_of(config)
    assert ids(("max_time", "1:0:0:0"), ("profiler", "simple"), ("detect_anomaly", True)) == {plain}
    without = {key: value for key, value in config["trainer"].items() if key not in (*PASSED, "fast_dev_run")}
    assert run_id_of(config | {"trainer": without}) == plain
    limits = [("fast_dev_run", True), *((key, 1) for key in ("overfit_batches", "limit_train_batches"))]
    assert len({plain} | ids(*limits, ("limit_val_batches", 0), ("benchmark", True))) == 6


def test_a_profile_is_written_to_the_run(tmp_path: Path) -> None:
    for name in PROFILERS:
        made = passed_through({"profiler": name}, tmp_path)["profiler"]
        assert Path(made.dirpath) == tmp_path / "profile"
    assert passed_through({}, tmp_path) == {"num_sanity_val_steps": 0}


@pytest.mark.slow
def test_the_arguments_reach_lightning(command: Command, tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    build = pl.Trainer.__init__

    def spied(self: pl.Trainer, **arguments: Any) -> None:
        given.update(arguments)
        build(self, **arguments)

    monkeypatch.setattr(pl.Trainer, "__init__", spied)
    words = ["detect_anomaly=true", "num_sanity_val_steps=1", "profiler=simple", "limit_val_batches=1"]
    plain = rows_of(trained(command, [*tiny, "run_id=plain"])[0])
    torch.autograd.set_detect_anomaly(False)
    run, record = trained(command, [*tiny, "run_id=x", *(f"trainer.{word}" for word in words)])
    torch.autograd.set_detect_anomaly(False)
    assert (given["detect_anomaly"], given["num_sanity_val_steps"], given["limit_val_batches"]) == (True, 1, 1)
    assert [file.name for file in (run / "profile").iterdir()] == ["fit-profile.txt"]
    assert "run_training_batch" in (run / "profile/fit-profile.txt").read_text()
    assert record["warnings"] == ["a run to find a fault (trainer.limit_val_batches=1): do not compare its numbers"]
    losses = [[row.get("loss/generator/reconstruction") for row in rows] for rows in (rows_of(run), plain)]
    assert losses[0] == losses[1] != [None] * 7
    assert "val/reconstruction_psnr/A" in record["metrics"]
    assert "val/reconstruction_psnr/B" not in record["metrics"]
    assert not [name for name in rows_of(run)[0] if name.startswith("val/")]


@pytest.mark.parametrize("option", tree.groups()["debug"])
def test_a_preset_to_debug_is_marked_and_stands_apart(compose: Compose, option: str) -> None:
    config = compose([f"debug={option}", "experiment=demo"])
    assert config["name"] == "debug"
    assert debugging(config)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["limit_train_batches=3", "fast_dev_run=3"])
def test_a_limited_run_is_complete_and_marked(command: Command, tiny: list[str], limit: str) -> None:
    words = [*tiny, *ADVERSARIAL, f"trainer.{limit}"]
    run, record = trained(command, words)
    assert (record["status"], record["images_seen"]) == ("complete", 24)
    assert record["exit_reason"] == "its limit of 3 steps is reached"
    assert record["warnings"] == [f"a run to find a fault (trainer.{limit}): do not compare its numbers"]
    rows = rows_of(run)
    assert rows[-1]["images_seen"] == 24
    assert {"val/reconstruction_mse", "loss/generator/reconstruction"} <= rows[-1].keys()
    assert [row["steps"] for row in rows] == ([0, 1, 2, 3] if "fast" in limit else [0, 2, 3])
    assert (run / "checkpoints/final.safetensors").exists()
    assert "already complete" in command("train", *words)[1]


@pytest.mark.slow
def test_overfitting_trains_on_the_same_batches_also_after_a_resume(command: Command, tiny: list[str]) -> None:
    words = [*tiny, "trainer.overfit_batches=2", "every.report=8", "every.validate=0"]
    straight, record = trained(command, [*words, "run_id=straight"])
    assert (record["status"], record["updates"]) == ("complete", {"generator": 10})
    losses = [row["loss/generator/reconstruction"] for row in rows_of(straight)[1:]]
    assert len(losses) == 10
    assert losses[2:] < losses[:-2], "each batch comes back, and its loss is lower than before"
    assert all(later < before for before, later in zip(losses, losses[2:], strict=False))
    trained(command, [*words, "run_id=parts", "budget.session_images=40"])  # 5 steps: in the middle of an epoch
    parts, _ = trained(command, [*words, "run_id=parts"])
    assert rows_of(parts) == rows_of(straight)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock on which every look takes a second."""
    seen = [0.0]

    def tick() -> float:
        seen[0] += 1
        return seen[0]

    monkeypatch.setattr("swaplab.training.session.time", type("Clock", (), {"monotonic": staticmethod(tick)}))
    return seen


@pytest.mark.slow
def test_a_run_out_of_time_is_interrupted_and_its_resume_is_the_straight_run(
    command: Command, tiny: list[str], clock: list[float]
) -> None:
    words = [*tiny, *ADVERSARIAL]
    straight, _ = trained(command, [*words, "run_id=straight"])
    limited = [*words, "run_id=parts", "trainer.max_time=00:00:00:03"]
    seen = []
    for _ in range(3):  # every session has its own time
        parts, record = trained(command, limited)
        seen.append(record["images_seen"])
        assert record["status"] == "interrupted"
        assert record["exit_reason"] == "this session's time (trainer.max_time) is over"
    assert seen == [24, 40, 56]  # a session that resumes looks once before its first step
    parts, record = trained(command, [*words, "run_id=parts"])
    assert (record["status"], len(record["sessions"])) == ("complete", 4)
    assert rows_of(parts) == rows_of(straight)
    one, other = (networks_of(load_checkpoint(run / "checkpoints/last.ckpt")) for run in (parts, straight))
    assert all(torch.equal(one[name], other[name]) for name in other)
