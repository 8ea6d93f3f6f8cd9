"""A run trained against the recogniser that measures identity says so in its record and in its evaluation."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from swaplab.networks.pretrained.identity import IdentityEmbedder


@pytest.mark.parametrize("words", [["loss/identity=embedding", "generator/code_match=none"], []])
def test_identity_measured_by_the_network_of_the_loss_is_marked(
    words: list[str], tiny: list[str], tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    assert command("train", *tiny, *words, "run_id=r")[0] == 0
    (run,) = (tmp_path / "runs").rglob("run.json")
    trained_on = json.loads(run.read_text())["trained_on"]
    assert trained_on == ([IdentityEmbedder.name] if words else [])
    code, out, _ = command("evaluate", f"run={run.parent}", "split=val", "threads=1")
    assert code == 0
    content = json.loads((run.parent / "evaluation/final/val.json").read_text())
    names = {name for direction in content["directions"] for name in direction["metrics"] if "dlib128" in name}
    assert names
    assert all(name.endswith(", circular]") == bool(words) for name in names)
    assert ("circular: the run's loss used" in out) == bool(words)
