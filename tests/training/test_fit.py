"""Whole runs of seconds: what they leave behind, and what they refuse."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
import yaml
from safetensors import safe_open

from swaplab.catalogue import known
from swaplab.runs.record import RunRecord
from swaplab.runs.weights import load_weights
from swaplab.training.checkpoint import average_of, load_checkpoint, networks_of

Command = Callable[..., tuple[int, str, str]]


def train(command: Command, words: list[str], expect: int = 0) -> Path:
    code, output, complaint = command("train", *words)
    assert code == expect, complaint
    return Path(output.strip().splitlines()[-1].rsplit(": ", 1)[-1])


def test_a_run_leaves_a_complete_record(command: Command, tiny: list[str]) -> None:
    run = train(command, [*tiny, "checkpoint.keep=1", "every.checkpoint=16"])
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "complete"
    assert record["images_seen"] == 80
    assert record["updates"] == {"generator": 10}
    assert record["parameters"]["generator"] > 0
    assert record["grounds"]["A"]["kind"] == "synthetic"
    assert record["environment"]["threads"] == 1
    assert record["cost"]["seconds"] > 0
    assert record["data"]["weak_splits"] == []
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["images_seen"] for row in rows] == [0, 16, 32, 40, 48, 64, 80]
    assert "val/reconstruction_mse" in rows[3]
    speeds = [row["train/images_per_second"] for row in rows if "train/images_per_second" in row]
    assert speeds[0] > max(speeds) / 10  # without the measurement of the untrained network
    assert record["metrics"]["val/reconstruction_mse"] == rows[-1]["val/reconstruction_mse"]
    sheet = cv2.imread(str(run / "samples/000000080.png"))
    assert sheet.shape[1] == 2 * 3 * (64 + 4)  # two directions: face, reconstruction, swap, with their gaps
    names = {p.name for p in (run / "checkpoints").iterdir()}
    assert names == {"last.ckpt", "best.safetensors", "final.safetensors", "ema-000000080.safetensors"}
    best = min(row["val/reconstruction_mse"] for row in rows[1:] if "val/reconstruction_mse" in row)
    assert load_checkpoint(run / "checkpoints/last.ckpt")["callbacks"]["Keeping"] == {"best": best}
    assert [name for row in rows for name in row if name not in ("images_seen", "steps") and known(name) is None] == []


def test_a_run_shows_signs_of_life_from_the_start(
    command: Command, tiny: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its record is there while the data are loaded; its log has a line per report."""
    from swaplab.experiment import fit as experiment

    seen, load = [], experiment.load_data

    def looked(config: dict[str, Any]) -> Any:
        seen.append(RunRecord.load(tmp_path / "runs/quick/x"))
        return load(config)

    monkeypatch.setattr(experiment, "load_data", looked)
    code, output, complaint = command("train", *tiny, "run_id=x", "trainer.progress=true")
    assert (code, seen[0].status, seen[0].begun) == (0, "preparing", False), complaint
    lines = output.splitlines()
    assert lines[0] == f"preparing {tmp_path / 'runs/quick/x'}"
    assert [line.partition(" ")[0] for line in lines[1:-1]] == ["0", "16", "32", "40", "48", "64", "80"]
    assert re.fullmatch(r"16 of 80 images: loss 0\.\d+, [\d.e+]+ images/s, \d+ s left", lines[2])
    assert re.fullmatch(r"40 of 80 images: PSNR \d+\.\d dB, \d+ s left", lines[4])
    record = RunRecord.load(tmp_path / "runs/quick/x")
    assert (record.status, len(record.facts["sessions"])) == ("complete", 1)


@pytest.mark.parametrize(("metric", "best"), [("val/reconstruction_mse", min), ("val/reconstruction_psnr/A", max)])
def test_the_best_weights_are_those_of_the_metric_s_better_side(
    command: Command, tiny: list[str], metric: str, best: Callable[..., float]
) -> None:
    run = train(command, [*tiny, f"checkpoint.best={metric}", "every.validate=8", "optimizer.generator.lr=0.05"])
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][1:]
    values = {row["images_seen"]: row[metric] for row in rows if metric in row}
    assert len(set(values.values())) > 3
    with safe_open(run / "checkpoints/best.safetensors", "pt") as file:
        kept = file.metadata()
    assert float(kept["value"]) == best(values.values()) == values[int(kept["images_seen"])]


def test_three_identities_train(command: Command, tiny: list[str], facesets: dict[str, Path]) -> None:
    run = train(command, [*tiny, f"+data.identities.C={facesets['C']}", "budget.images=96"])
    record = json.loads((run / "run.json").read_text())
    assert record["images_seen"] == 96
    assert record["updates"] == {"generator": 8}
    assert {"val/reconstruction_psnr/A", "val/reconstruction_psnr/C"} <= set(record["metrics"])
    assert any(name.startswith("decoders.C.") for name in load_weights(run / "checkpoints/final.safetensors"))


def test_a_diverging_run_ends_as_diverged_with_its_record(command: Command, tiny: list[str]) -> None:
    words = [*tiny, "optimizer.generator.lr=1e30", "budget.images=800", "run_id=x"]
    run = train(command, words, expect=1)
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "diverged"
    assert "was not finite at step" in record["exit_reason"]
    assert record["sessions"][-1]["ended"]
    assert not (run / "checkpoints/final.safetensors").exists()
    before = (run / "run.json").read_bytes()
    train(command, words)  # it has its result: left alone
    assert (run / "run.json").read_bytes() == before


def test_parts_of_another_run_can_be_taken_over_and_frozen(command: Command, tiny: list[str]) -> None:
    first = train(command, [*tiny, "run_id=first"])
    trained = load_checkpoint(first / "checkpoints/last.ckpt")
    taken = {f"generator.{name}": value for name, value in average_of(trained).items()}
    assert not all(torch.equal(value, networks_of(trained)[name]) for name, value in taken.items())
    for frozen in (True, False):
        source = f"init_from={{run: {first}, parts: [generator.encoder], frozen: {frozen}}}"
        run = train(command, [*tiny, "seed=2", source, f"run_id=second{frozen}"])
        state = networks_of(load_checkpoint(run / "checkpoints/last.ckpt"))
        encoder = [name for name in state if name.startswith("generator.encoder.")]
        assert all(torch.equal(state[name], taken[name]) for name in encoder) == frozen
        colour = "generator.decoders.A.colour.weight"
        assert not torch.equal(state[colour], taken[colour])


def test_what_a_run_takes_from_another_is_part_of_which_run_it_is(
    command: Command, tiny: list[str], tmp_path: Path
) -> None:
    first = train(command, [*tiny, "run_id=first"])
    words = [*tiny, "seed=2", "budget.images=8", f"init_from={{run: {first}}}"]
    run = train(command, words)
    assert train(command, words) == run, "the same content makes the same run"
    (first / "checkpoints/last.ckpt").unlink()
    code, _, complaint = command("train", *words)
    assert (code, "does not exist; train the run first" in complaint) == (2, True)
    train(command, [*tiny, "budget.images=8", "run_id=first", f"runs={tmp_path / 'shorter'}"])
    shutil.copy(tmp_path / "shorter/quick/first/checkpoints/last.ckpt", first / "checkpoints/last.ckpt")
    assert train(command, words) != run
    pinned = yaml.safe_load((run / "config.yaml").read_text())["init_from"]["weights"]
    code, _, complaint = command("train", *words, f"+init_from.weights={pinned}", "seed=3")
    assert (code, "are no longer" in complaint) == (2, True)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["loss/adversarial=lsgan"], ["real_or_fake", "have no effect", "no discriminator"]),
        (["discriminator=per_identity", "discriminator.width=0.1"], ["no loss trains the discriminator"]),
        (["+loss.size={_target_: swaplab.losses.mask.MaskSize}"], ["needs a mask", "mask=learned"]),
        (["loss.reconstruction.weight=0"], ["every loss of the generator has weight 0"]),
        (["loss.reconstruction.image=blurred"], ["raw or composed", "blurred"]),
        (["tracked_forwards=[encoding]"], ["encoding", "judgement"]),
        (["budget.images=0"], ["budget.images=0"]),
        (["batch_size=0"], ["batch_size=0"]),
        (["checkpoint.best=val/beauty"], ["val/beauty", "val/reconstruction_mse"]),
        (
            ["checkpoint.best=val/oracle_swap_psnr"],
            ["val/oracle_swap_psnr is not measured", "val/reconstruction_psnr/A"],
        ),
        (["checkpoint.best=loss/generator/reconstruction"], ["is not measured during training"]),
        (["norm=group", "norm.groups=7"], ["norm.groups=7 must divide the number of channels, 64"]),
        (["seed=-1"], ["seed=-1"]),
    ],
)
def test_what_would_do_nothing_or_cannot_be_is_refused(
    command: Command, tiny: list[str], tmp_path: Path, words: list[str], parts: list[str]
) -> None:
    code, _, complaint = command("train", *tiny, *words)
    assert code == 2, complaint
    for part in parts:
        assert part in complaint
    assert not any(p.is_file() for p in (tmp_path / "runs").rglob("*"))


def test_noise_and_start_do_not_depend_on_what_else_is_on(command: Command, tiny: list[str]) -> None:
    """Seed pairing: a discriminator that measures nothing into the generator leaves the generator's run as it was."""
    plain = train(command, [*tiny, "run_id=plain"])
    gan = ["discriminator=per_identity", "discriminator.width=0.1", "loss/adversarial=lsgan"]
    watched = train(command, [*tiny, *gan, "loss.adversarial.weight=0", "run_id=watched"])
    a, b = (load_weights(run / "checkpoints/final.safetensors") for run in (plain, watched))
    assert all(torch.equal(a[name], b[name]) for name in a)
    rows = [json.loads(line) for line in (watched / "metrics.jsonl").read_text().splitlines()]
    assert rows[1]["loss/generator/adversarial"] > 0
    assert rows[1]["loss/generator/adversarial_weighted"] == 0


def test_matching_codes_changes_swaps_and_not_the_training(command: Command, tiny: list[str]) -> None:
    runs = {
        option: train(command, [*tiny, f"generator/code_match={option}", f"run_id={option}"])
        for option in ("none", "moments")
    }
    plain, matched = (load_weights(run / "checkpoints/final.safetensors") for run in runs.values())
    assert all(torch.equal(matched[name], plain[name]) for name in plain)
    assert set(matched) - set(plain) == {f"code_match.{part}" for part in ("mean", "deviation")}
    swaps = [(run / "samples/000000080.png").read_bytes() for run in runs.values()]
    assert swaps[0] != swaps[1]


def test_a_resume_under_another_environment_is_marked(
    command: Command, tiny: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    run = train(command, [*tiny, "run_id=x", "budget.session_images=40"])
    path = run / "run.json"
    record = json.loads(path.read_text())
    assert record["status"] == "interrupted"
    record["environment"]["threads"] = 64
    path.write_text(json.dumps(record))
    train(command, [*tiny, "run_id=x"])
    record = json.loads(path.read_text())
    assert record["status"] == "complete"
    assert "threads was 64, is 1" in record["warnings"][0]
    assert "threads was 64, is 1" in caplog.text


def test_a_row_has_no_loss_of_an_earlier_step(command: Command, tiny: list[str]) -> None:
    """The generator is updated at every second step only; Lightning repeats its losses in between."""
    words = ["discriminator=per_identity", "discriminator.width=0.07", "loss/adversarial=lsgan"]
    run = train(command, [*tiny, *words, "updates.generator_every=2", "budget.images=40", "every.report=8"])
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = {row["steps"]: "loss/generator/adversarial" in row for row in rows}
    assert found == {0: False, 1: False, 2: True, 3: False, 4: True, 5: False}
