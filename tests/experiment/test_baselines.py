"""Baselines of rendered people are kept, exactly and for their own question only."""

from pathlib import Path
from typing import Any

import pytest
import torch

from swaplab.data.sources import Sources
from swaplab.experiment import baselines
from swaplab.metrics.baseline import Baseline
from swaplab.metrics.identity import IdentityScale
from swaplab.metrics.judge import Row
from swaplab.metrics.landmarks import QueryLandmarks
from swaplab.metrics.task import SwapTask
from swaplab.metrics.yardstick import Yardstick
from swaplab.synthetic.dataset import SyntheticDataset


class Network:
    name = "colour:0"

    def __call__(self, faces: torch.Tensor) -> torch.Tensor:
        return faces.mean((2, 3))

    landmarks = __call__


def task(split: str = "test") -> SwapTask:
    return SwapTask("A", "B", split, torch.zeros(1, 3, 4, 4), ["c"], [0.0])


class Faces:
    """A faceset by its digest alone; nobody reads it."""

    records = ()

    def __init__(self, digest: str) -> None:
        self.digest = lambda: digest


class Data:
    """The own facesets of a run."""

    def split_facesets(self) -> dict[str, Any]:
        return {"A": Faces("own A"), "B": Faces("own B")}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """`load_baseline` in a cache of its own, where each computation draws numbers of its own."""
    draws = torch.Generator().manual_seed(0)

    def computed(_: SwapTask, yardstick: Yardstick, *rest: Any) -> Baseline:
        numbers = torch.rand(3, 4, generator=draws, dtype=torch.float64) / 3
        rows = [Row("copy", "A itself", "trivial", {"mse": float(numbers[0, 0])})]
        scale = IdentityScale(Network(), numbers[0], numbers[1], float(numbers[1, 1]), float(numbers[2, 2]))
        points = QueryLandmarks(Network(), numbers.view(1, 6, 2))
        return Baseline(
            yardstick.digest, rows, "copy", numbers[2], {"swap": 0.3, "reconstruction": None}, scale, points, 0
        )

    monkeypatch.setattr(Baseline, "of", computed)

    def loaded(
        split: str = "test", digest: str = "d", kind: str = "synthetic", cache: Path = tmp_path, clean: str = "clean"
    ) -> Any:
        config = {"data": {"kind": kind, "cache": str(cache)}}
        faces: Any = {"A": Faces(clean), "B": Faces("B")}
        yardstick = SyntheticDataset(tmp_path, faces, {("A", "B"): faces["B"]}, {})
        monkeypatch.setattr(baselines, "build_yardstick", lambda data: yardstick)
        data: Any = Data()
        found = baselines.load_baseline(config, Sources({}, digest), data, task(split), Network(), Network())
        return found.as_json()

    return loaded


def test_the_same_question_is_answered_once_and_exactly(load: Any, tmp_path: Path) -> None:
    first = load()
    assert load() == first
    (kept,) = (p for p in tmp_path.rglob("*") if p.is_file())
    assert kept.parent.name == "baselines"


@pytest.mark.parametrize("other", [{"split": "val"}, {"digest": "e"}, {"clean": "cleaner"}])
def test_another_question_has_another_answer(load: Any, other: dict[str, str]) -> None:
    first = load()
    assert load(**other) != first
    assert load() == first


def test_other_code_or_threads_compute_again(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load()
    monkeypatch.setattr(baselines, "_version", lambda: {"code": "changed"})
    assert load() != first


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"rows": []}', "\x00"])
def test_a_damaged_file_is_made_again(load: Any, tmp_path: Path, damage: str) -> None:
    first = load()
    (kept,) = (p for p in tmp_path.rglob("*") if p.is_file())
    kept.write_text(damage)
    second = load()
    assert second != first
    assert load() == second


def test_what_is_fitted_does_not_follow_the_data_of_a_run(load: Any) -> None:
    assert load(digest="blurred")["yardstick"] == load(digest="bearded")["yardstick"]
    assert load(kind="facesets")["yardstick"] != load()["yardstick"]  # of real people there is nothing else


def test_of_real_people_nothing_is_kept(load: Any, tmp_path: Path) -> None:
    load(kind="facesets")
    assert not list(tmp_path.rglob("*"))


def test_a_cache_that_cannot_be_written_is_done_without(load: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    first = load(cache=tmp_path / "file")
    assert load(cache=tmp_path / "file") != first


def test_the_version_names_the_threads() -> None:
    before = torch.get_num_threads()
    first = baselines._version()
    try:
        torch.set_num_threads(before + 1)
        assert baselines._version() != first
    finally:
        torch.set_num_threads(before)
    assert baselines._version() == first
