"""What the page of systems says follows from the numbers of the runs."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from swaplab.runs.record import RunRecord

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_systems.py"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    specification = importlib.util.spec_from_file_location("compare_systems", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def made_up(folder: Path, scores: tuple[float, float], expression: float, psnr: tuple[float, float]) -> Path:
    """A run's folder with what the page reads."""
    name = "retrieval_top1[expression]@100"
    directions = []
    for way, score in zip(("A->B", "B->A"), scores, strict=True):
        rows = [
            {"key": "model", "kind": "model", "label": "model", "values": {"score": score, name: expression}},
            {"key": "mean", "kind": "trivial", "label": "mean", "values": {"score": 0.0}},
            {"key": "colour_match", "kind": "trivial", "label": "matched", "values": {"score": -1.0, name: 0.5}},
            {"key": "real", "kind": "ceiling", "label": "true swap", "values": {"score": 1.0, "psnr": 100.0}},
        ]
        metrics = {name: {"chance": 0.01}}
        directions.append(
            {"direction": way, "rows": rows, "metrics": metrics, "settings": {"best_trivial_by_mse": "mean"}}
        )
    (folder / "evaluation/final").mkdir(parents=True)
    (folder / "evaluation/final/test.json").write_text(json.dumps({"directions": directions}))
    rates = (50.0, 10.0) if folder.name == "cyclegan" else (90.0, 100.0)
    lines = [{"val/oracle_swap_psnr": psnr[0]}, *({"train/images_per_second": rate} for rate in rates)]
    lines = [{"images_seen": 8 * i} | line for i, line in enumerate(lines)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    ends = {"cyclegan": 20.0, "deepfakes_2017": 9.0, "deepfakes_improved": 30.0}
    scores = {"cyclegan": (0.2, -0.3), "deepfakes_2017": (-0.1, 0.0), "deepfakes_improved": (0.4, 0.5)}
    found = {name: made_up(tmp_path / name, scores[name], 0.25, (10.0, ends[name])) for name in ends}

    def load(folder: Path) -> Any:
        facts = {
            "metrics": {"val/oracle_swap_psnr": ends[folder.name]},
            "parameters": {"generator": 2_000_000},
        }
        record = RunRecord(folder)
        record.facts = facts
        return record

    monkeypatch.setattr(RunRecord, "load", load)
    return found


def test_the_later_of_two_settings_counts(compare: ModuleType) -> None:
    said = compare.settings(["budget.images=5", "seed=2", "x=1", "x=2"])
    assert [word for word in said if word.startswith(("budget", "seed", "x="))] == ["budget.images=5", "seed=2", "x=2"]


def test_who_fails_is_said(compare: ModuleType, folders: dict[str, Path]) -> None:
    first, one, other = compare.verdicts(folders).splitlines()
    assert first == "Not better than their own untrained network on val swaps: `deepfakes_2017` (9.0 dB from 10.0)."
    assert one.startswith("A->B: the best trivial baseline is mean (score 0); these systems do not beat it: `deep")
    assert one.endswith("`deepfakes_2017` (-0.100).")
    assert other.endswith("these systems do not beat it: `cyclegan` (-0.300), `deepfakes_2017` (0.000).")
    assert "every system beats it" in compare.verdicts({"deepfakes_improved": folders["deepfakes_improved"]})
    alone = compare.verdicts({"deepfakes_2017": folders["deepfakes_2017"]})
    assert "no system beats it: `deepfakes_2017`" in alone


def test_the_first_claim_stands_beside_chance(compare: ModuleType, folders: dict[str, Path]) -> None:
    said = compare.expression(folders)
    assert "in 25% and 25%; by the shared encoder" in said
    assert said.endswith("by chance in 1%; by the colour-matched source in 50% and 50%.")


def test_a_true_swap_is_exact_and_unknown_costs_are_left_out(compare: ModuleType, folders: dict[str, Path]) -> None:
    page = compare.table(folders, {"cyclegan": 3_000_000, "deepfakes_2017": None, "deepfakes_improved": 1}, 0)
    lines = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")] for line in page.splitlines()[2:]}
    assert lines["true swap"][3] == "exact"
    assert lines["`cyclegan`"][-5:-1] == ["10.0 to 20.0", "2.00", "3.0", "2.0"]
    assert lines["`deepfakes_2017`"][-3] == ""


def test_switches_in_the_head_of_a_system_s_file_become_a_list(compare: ModuleType) -> None:
    text = compare.paragraph("single_refiner")
    assert text.count("\n- `discriminator=") == 3
    assert "\n- `discriminator=none loss/adversarial=none`: the autoencoder alone" in text
