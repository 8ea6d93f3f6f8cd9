"""Callbacks of a config: what they log, how they end a run, and which of them may stand there."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.experiment.callbacks import build_callbacks
from swaplab.runs.identity import run_id_of

Command = Callable[..., tuple[int, str, str]]
Compose = Callable[[list[str]], dict[str, Any]]
# Without learning no validation is better than the first one, so the third ends the run.
STOPPED = ["callbacks=early_stopping", "callbacks.early_stopping.patience=2", "optimizer.generator.lr=0"]
EARLY = "lightning.pytorch.callbacks.EarlyStopping"
COUNTING = """
from lightning.pytorch.callbacks import Callback


class Counting(Callback):
    def __init__(self, *, limit: int) -> None:
        self.limit, self.steps = limit, 0

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state_dict):
        self.steps = state_dict["steps"]

    def on_train_batch_end(self, trainer, module, *rest):
        self.steps += 1
        module.log("train/counted", float(self.steps))
        trainer.should_stop = trainer.should_stop or self.steps == self.limit


class Other:
    pass
"""


def record_of(output: str) -> tuple[Path, dict[str, Any]]:
    run = Path(output.strip().splitlines()[-1].rsplit(": ", 1)[-1])
    return run, json.loads((run / "run.json").read_text())


def rows_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_that_stops_early_is_complete_and_says_why(command: Command, tiny: list[str]) -> None:
    words = [*tiny, *STOPPED, "every.validate=8"]
    code, output, complaint = command("train", *words)
    assert code == 0, complaint
    run, record = record_of(output)
    assert (record["status"], record["images_seen"]) == ("complete", 24)
    assert record["exit_reason"].startswith(
        "early stopping: Monitored metric val/reconstruction_mse did not improve in"
    )
    assert [row["images_seen"] for row in rows_of(run) if "val/reconstruction_mse" in row] == [0, 8, 16, 24]
    assert (run / "checkpoints/final.safetensors").exists()
    assert "already complete" in command("train", *words)[1]


@pytest.mark.slow
def test_what_early_stopping_has_counted_survives_a_resume(command: Command, tiny: list[str]) -> None:
    words = [*tiny, *STOPPED, "every.validate=8", "run_id=x"]
    assert record_of(command("train", *words, "budget.session_images=16")[1])[1]["status"] == "interrupted"
    _, record = record_of(command("train", *words)[1])
    assert (record["status"], record["images_seen"]) == ("complete", 24)


@pytest.mark.slow
def test_two_ranks_stop_together(process: Callable[..., Any], tiny: list[str]) -> None:
    tiny = [word for word in tiny if word != "trainer.threads=1"]
    done = process("train", *tiny, *STOPPED, "every.validate=8", "trainer=ddp_cpu", "trainer.progress=false")
    assert done.wait() == 0, done.out + done.err
    _, record = record_of(done.out)
    assert (record["status"], record["images_seen"], record["environment"]["ranks"]) == ("complete", 24, 2)


def test_learning_rates_are_logged_with_the_step_that_they_belong_to(command: Command, tiny: list[str]) -> None:
    words = ["callbacks=learning_rate_monitor", "schedule=linear", "every.report=8", "every.validate=0"]
    run, _ = record_of(command("train", *tiny, *words, "optimizer.generator.lr=0.5")[1])
    rates = [row["lr-Adam"] for row in rows_of(run)[1:]]
    assert len(rates) == 10
    assert rates[:2] == [0.5, 0.5]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0]


def test_a_callback_of_one_s_own_logs_keeps_its_state_and_ends_a_run(
    command: Command, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "watchlab").mkdir()
    (tmp_path / "watchlab/__init__.py").touch()
    (tmp_path / "watchlab/callbacks.py").write_text(COUNTING)
    monkeypatch.syspath_prepend(tmp_path)
    own = "+callbacks.mine={_target_: watchlab.callbacks.Counting, limit: 6}"
    assert "is not allowed" in command("train", *tiny, own)[2]
    monkeypatch.setenv("SWAPLAB_PACKAGES", "watchlab")
    command("train", *tiny, own, "budget.session_images=16", "run_id=x")
    run, record = record_of(command("train", *tiny, own, "run_id=x")[1])
    assert (record["status"], record["images_seen"]) == ("complete", 48)
    assert record["exit_reason"] == "a callback or a limit of the trainer ended it"
    assert rows_of(run)[-1]["train/counted"] == 6
    other = "+callbacks.mine={_target_: watchlab.callbacks.Other}"
    assert "callbacks.mine: a Other must be a lightning.pytorch.Callback" in command("train", *tiny, other)[2]
    assert "unknown key callbacks.mine.limits" in command("train", *tiny, own.replace("limit:", "limits:"))[2]
    sys.modules.pop("watchlab.callbacks")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mode": "max"}, "better when lower; set mode=min"),
        ({"monitor": "val/beauty"}, "is not measured during training"),
        ({"monitor": "identity_similarity"}, "is not measured during training"),
    ],
)
def test_what_would_stop_at_once_or_never_is_refused(settings: dict[str, Any], said: str) -> None:
    node = {"_target_": EARLY, "monitor": "val/reconstruction_mse", "mode": "min"} | settings
    rest = {"checkpoint": {"best": "val/reconstruction_mse"}, "trainer": {"accelerator": "cpu"}}
    with pytest.raises(UserError, match=said):
        build_callbacks({"callbacks": {"stop": node}, "every": {"validate": 8}, **rest})


def test_watching_a_validation_that_comes_only_at_the_end_is_refused() -> None:
    node = {"_target_": EARLY, "monitor": "val/reconstruction_mse", "mode": "min"}
    config = {"callbacks": {"stop": node}, "every": {"validate": 0}, "trainer": {"accelerator": "cpu"}}
    with pytest.raises(UserError, match=r"no effect, because every\.validate=0"):
        build_callbacks(config)


def test_callbacks_that_only_look_change_no_id(compose: Compose) -> None:
    looking, acting = (
        compose([f"callbacks={name}"]) for name in ("[device_stats,learning_rate_monitor]", "early_stopping")
    )
    plain = run_id_of({**looking, "callbacks": {}})
    assert run_id_of(looking) == plain == run_id_of({**looking, "callbacks": {"off": None}})
    assert run_id_of(acting) != plain
