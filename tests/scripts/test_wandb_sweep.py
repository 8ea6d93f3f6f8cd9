"""The sweep files, run by W&B's own agent: only the server, which chooses values, is left out."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from swaplab.runs.identity import run_id_of
from swaplab.runs.record import RunRecord

SCRIPTS = Path(__file__).parents[2] / "scripts"
FILES = ("wandb_sweep.yaml", "wandb_sweep_grid.yaml")


def chosen(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """Two choices of the server for every parameter: the first and the last it can make."""

    def ends(space: dict[str, Any]) -> tuple[Any, Any]:
        if "value" in space:
            return space["value"], space["value"]
        if "values" in space:
            return space["values"][0], space["values"][-1]
        return space["min"], space["max"]

    return [{name: ends(space)[end] for name, space in sweep["parameters"].items()} for end in (0, 1)]


def run_by_agent(sweep: dict[str, Any], arguments: dict[str, Any], run_id: str) -> int | None:
    """What W&B's agent does with a run that the server hands out; returns the exit code."""
    from wandb.wandb_agent import Agent

    agent = Agent(api=None, queue=None)
    agent._sweep_command = sweep["command"]
    args = {name: {"value": value} for name, value in arguments.items()}
    agent._command_run({"run_id": run_id, "program": sweep["program"], "args": args})
    return agent._run_processes[run_id]._popen.wait(timeout=300)


@pytest.mark.parametrize("file", FILES)
def test_every_choice_composes_to_a_run_of_its_own(file: str, compose: Callable[[list[str]], dict[str, Any]]) -> None:
    from wandb.sdk.launch.sweeps.utils import create_sweep_command_args, load_sweep_config

    sweep = load_sweep_config(str(SCRIPTS / file))
    assert sweep == yaml.safe_load((SCRIPTS / file).read_text())
    assert sweep is not None
    ids = set()
    for values in chosen(sweep):
        args = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
        config = compose(args["args_no_hyphens"])
        assert config["logger"]["wandb"]["mode"] == "online"  # the server cannot learn from offline runs
        assert config["name"] == values["name"]
        ids.add(run_id_of(config))
    assert len(ids) == 2


@pytest.mark.parametrize("file", [FILES[0], pytest.param(FILES[1], marks=pytest.mark.slow)])
def test_the_agent_s_command_line_trains_and_logs_the_metric(
    file: str, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = yaml.safe_load((SCRIPTS / file).read_text())
    small = dict(word.split("=", 1) for word in tiny)
    values = chosen(sweep)[0] | small | {"logger": "wandb", "logger.wandb.mode": "offline"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")  # the agent says `python`
    monkeypatch.setenv("WANDB_SWEEP_ID", "sw33p")
    monkeypatch.setenv("WANDB_PROJECT", "of-the-sweep")
    assert run_by_agent(sweep, values, "r4nd0m") == 0
    (folder,) = (tmp_path / "runs" / values["name"]).iterdir()
    record = RunRecord.load(folder)
    assert record.status == "complete"
    assert sweep["metric"]["name"] in record.facts["metrics"]
    (file_of_run,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")  # the agent sets WANDB_DIR
    assert file_of_run.stem == "run-r4nd0m"  # the server's id, or it would wait for ever
    data = file_of_run.read_bytes()  # blocks of 32 KiB begin with headers of 7 bytes, which cut words
    text = b"".join(data[start + 7 : start + 32768] for start in range(0, len(data), 32768))
    assert json.dumps(sweep["metric"]["name"])[1:-1].encode() in text
    assert b"of-the-sweep" in text
