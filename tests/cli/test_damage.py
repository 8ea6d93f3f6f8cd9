"""A damaged run: every command names the file and works on the other runs; one command sets it aside."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from swaplab.faces.alignment import Alignment
from swaplab.runs.code import code_of
from swaplab.runs.identity import run_id_of
from swaplab.runs.record import RunRecord
from swaplab.runs.weights import save_weights
from swaplab.training.checkpoint import STATE, VERSION, AtomicCheckpointIO

Command = Callable[..., tuple[int, str, str]]
ROWS = [{"kind": "model", "key": "model", "label": "model", "values": {"score": 0.5}}]
DIRECTION = {"direction": "A->B", "rows": ROWS, "metrics": {"score": {"group": "swap"}}}
TEXTS = ("run.json", "config.yaml", "metrics.jsonl", "evaluation/final/val.json", "code/{code}.json")
BINARIES = ("checkpoints/last.ckpt", "checkpoints/final.safetensors", "samples/000000040.png")


@pytest.fixture
def run(tmp_path: Path, tiny: list[str], compose: Callable[[list[str]], dict[str, Any]]) -> Path:
    """A complete run as `swaplab train` leaves it, except for its weights; ``other/sound`` is another run beside it."""
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "face.png")
    complete(tmp_path / "runs/other/sound", compose([*tiny, "seed=2"]))
    config = compose(tiny)
    return complete(tmp_path / "runs/quick" / run_id_of(config), config)


def complete(folder: Path, config: dict[str, Any]) -> Path:
    facts = {"environment": {"ranks": 1}, "cost": {"seconds": 1.0}, "parameters": {"generator": 2}, "warnings": []}
    facts |= {"grounds": {}, "faces": {"identities": ["A", "B"], **asdict(Alignment(64)), "colour_shifts": {}}}
    record = RunRecord.create(folder, config, facts, code_of())
    for images in range(0, 81, 8):
        record.add_metrics({"images_seen": images, "val/reconstruction_mse": 1 / (1 + images)})
    save_weights(record.checkpoints / "final.safetensors", torch.nn.Linear(4, 4), {})
    state = {"state_dict": {"networks.a": torch.zeros(8)}, STATE: {"version": VERSION}}
    AtomicCheckpointIO().save_checkpoint(state, record.checkpoints / "last.ckpt")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "samples/000000040.png")
    (folder / "evaluation/final").mkdir(parents=True)
    (folder / "evaluation/final/val.json").write_text(
        json.dumps({"split": "val", "weights": "final", "directions": [DIRECTION]})
    )
    record.end("complete", "the budget is spent", metrics={"val/reconstruction_mse": 0.5}, images_seen=80)
    part = folder / "wandb/offline-run-20261124_100000-x-1"
    part.mkdir(parents=True)
    (part / "run-x-1.wandb").write_bytes(b":W&B")
    (part / "run-x-1.wandb.synced").touch()
    return folder


def quick_commands(run: Path) -> Iterator[tuple[str, ...]]:
    runs = f"runs={run.parents[1]}"
    for what in ("list", "unfinished", "sync", "index"):
        yield "runs", what, runs
    yield "runs", "diff", str(run), "other/sound", runs
    yield "runs", "sync", str(run), runs


def other_commands(run: Path, words: list[str]) -> Iterator[tuple[str, ...]]:
    yield "report", f"run={run}", f"output={run.parents[2] / 'a.html'}"
    yield "report", f"group={run.parent}", f"group={run.parents[1] / 'other'}", f"output={run.parents[2] / 'b.html'}"
    yield "evaluate", f"run={run}", "split=val"
    yield "convert", f"run={run}", f"input={run.parents[2] / 'face.png'}", f"output={run.parents[2] / 'out.png'}"
    yield ("train", *words)


def damaged(run: Path, file: str, size: int) -> bytes:
    """Truncate a file of a run; returns its old content."""
    whole = (run / file).read_bytes()
    (run / file).write_bytes(whole[:size])
    return whole


def checked(command: Command, run: Path, words: tuple[str, ...], what: str) -> str:
    """The output of a command, which must exit with 0, or with 2 and one sentence, and not change the other run."""
    code, out, complaint = command(*words)
    assert code in (0, 2), f"{words[:2]} over {what}: {code}"
    assert "Traceback" not in out + complaint, f"{words[:2]} over {what}"
    assert RunRecord.load(run.parents[1] / "other/sound").status == "complete"
    return out + complaint


def files(run: Path, *names: str) -> list[str]:
    (code,) = RunRecord.load(run).codes
    return [name.format(code=code) for name in names]


@pytest.mark.parametrize("step", [320, pytest.param(64, marks=pytest.mark.slow)])
def test_swaplab_runs_over_texts_that_are_cut(run: Path, command: Command, step: int) -> None:
    for file in files(run, *TEXTS):
        for size in range(0, (run / file).stat().st_size, step):
            whole = damaged(run, file, size)
            said = [checked(command, run, words, f"{file}[:{size}]") for words in quick_commands(run)]
            if file in ("run.json", "config.yaml"):
                assert all(f"{file} is damaged" in word for word in (said[0], said[1], said[4])), (file, size)
                assert "other" in said[0]
            (run / file).write_bytes(whole)


@pytest.mark.parametrize(
    "file", ["run.json", pytest.param("config.yaml", marks=pytest.mark.slow), "checkpoints/final.safetensors"]
)
def test_commands_over_a_damaged_run(run: Path, tiny: list[str], command: Command, file: str) -> None:
    damaged(run, file, (run / file).stat().st_size // 2)
    said = {(w[0], w[1].split("=")[0]): checked(command, run, w, file) for w in other_commands(run, tiny)}
    for name, text in said.items():
        # neither reports nor training read the weights of a complete run
        if not file.endswith("safetensors") or name[0] in ("evaluate", "convert"):
            assert "damaged" in text or name == ("report", "group"), name
            assert "set-aside" in text or name == ("report", "group"), name
    assert "set-aside" in (run.parents[2] / "b.html").read_text() or file.endswith("safetensors")


@pytest.mark.slow
def test_every_command_over_every_file(run: Path, tiny: list[str], command: Command) -> None:
    for file in files(run, *TEXTS, *BINARIES):
        size = (run / file).stat().st_size
        for kept in range(0, size, max(64, size // 16 // 64 * 64)):
            whole = damaged(run, file, kept)
            for each in (*quick_commands(run), *other_commands(run, tiny)):
                checked(command, run, each, f"{file}[:{kept}]")
            (run / file).write_bytes(whole)


@pytest.mark.parametrize("value", [None, [1, 2], "x", 3, {}])
def test_a_fact_of_another_kind(run: Path, command: Command, value: object) -> None:
    facts = json.loads((run / "run.json").read_text())
    for key in facts:
        (run / "run.json").write_text(json.dumps(facts | {key: value}))
        for words in quick_commands(run):
            checked(command, run, words, f"{key}={value!r}")


def test_it_is_set_aside_whole_and_the_same_command_trains_anew(run: Path, tiny: list[str], command: Command) -> None:
    damaged(run, "run.json", 100)
    before = {file.relative_to(run): file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert command("train", *tiny)[0] == 2
    code, out, _ = command("runs", "set-aside", str(run), f"runs={run.parents[1]}")
    assert code == 0
    place = Path(out.split(" moved to ")[1].strip())
    after = {file.relative_to(place): file.read_bytes() for file in place.rglob("*") if file.is_file()}
    del before[Path(".lock")]
    assert after == before
    assert command("runs", "list", f"runs={run.parents[1]}")[1].endswith(f"1 of 1 runs under {run.parents[1]}\n")
    assert command("train", *tiny)[0] == 0
    assert RunRecord.load(run).status == "complete"


def test_a_checkpoint_without_a_record_is_a_damaged_run(run: Path, tiny: list[str], command: Command) -> None:
    (run / "run.json").unlink()
    code, _, complaint = command("train", *tiny)
    assert code == 2
    assert f"{run} holds a checkpoint, but its run.json is missing" in complaint
    assert "run.json is missing" in command("runs", "list", f"runs={run.parents[1]}")[1]
