"""Two processes: they validate as one, and say so when they are no longer the same."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from swaplab.collectives import max_over_ranks
from swaplab.errors import UserError
from swaplab.metrics.task import SwapTask
from swaplab.metrics.validation import Validation
from swaplab.training.distributed import check_equal, check_same, share_buffers

FRAMES = 7  # an odd number


def task(source: str, target: str, frames: int) -> SwapTask:
    draw = torch.Generator().manual_seed(ord(source))
    faces, truth = (torch.rand(frames, 3, 8, 8, generator=draw) for _ in range(2))
    return SwapTask(
        source=source,
        target=target,
        split="val",
        query=faces,
        clips=["c"] * frames,
        times=[0.0] * frames,
        query_mask=torch.rand(frames, 1, 8, 8, generator=draw),
        truth=truth,
        truth_mask=torch.rand(frames, 1, 8, 8, generator=draw),
    )


class Counting:
    """Answers with a darker face, and counts the faces it was shown."""

    def __init__(self) -> None:
        self.shown = 0

    def swap(self, faces: Tensor, source: str, target: str, given: object) -> tuple[Tensor, None, Tensor]:
        self.shown += len(faces)
        raw = faces * (0.9 if source == target else 0.4)
        return raw, None, raw


TASKS = [task("A", "B", FRAMES), task("B", "A", 1)]  # of B's single frame rank 1 has no share


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), "average": nn.Linear(2, 2)}


def measured(model: Any) -> dict[str, float]:
    return Validation(lambda: TASKS, lambda generator: model)(model)


def message(call: Any, *given: Any) -> str:
    try:
        call(*given)
    except (RuntimeError, UserError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def work(rank: int, place: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=2)
    facts: dict[str, Any] = {}
    model = Counting()
    facts["values"], facts["shown"] = measured(model), model.shown
    parts = networks()
    buffers = parts["generator"][1]  # type: ignore[index]
    buffers.running_mean.fill_(rank)
    facts["equal"] = message(check_equal, parts)  # running statistics may differ
    share_buffers(parts["generator"])
    facts["mean"] = buffers.running_mean.tolist()
    if rank == 1:
        with torch.no_grad():
            weight = parts["generator"][0].weight  # type: ignore[index]
            weight[2, 1] = torch.nextafter(weight[2, 1], torch.tensor(9.0))
            parts["average"].bias.zero_()  # type: ignore[union-attr]
    facts["unequal"] = message(check_equal, parts)
    facts["same"] = message(check_same, {"the config": "x", "the data": "y"})
    facts["other"] = message(check_same, {"the config": "x", "the data": f"y{rank}"})
    facts["most"] = max_over_ranks(torch.tensor([float(rank), -float(rank)])).tolist()
    torch.save(facts, f"{place}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[SimpleNamespace]:
    place = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (str(place),), nprocs=2)
    return [SimpleNamespace(**torch.load(Path(place) / f"rank{rank}.pt")) for rank in range(2)]


def test_validation_of_two_ranks_is_that_of_one(ranks: list[SimpleNamespace]) -> None:
    alone = Counting()
    values = measured(alone)
    assert "val/oracle_swap_psnr" in values
    assert all(rank.values == values for rank in ranks)  # to the last bit
    assert alone.shown == 2 * (FRAMES + 1)
    assert [rank.shown for rank in ranks] == [2 * (4 + 1), 2 * 3]


def test_ranks_that_drift_apart_are_told_by_name(ranks: list[SimpleNamespace]) -> None:
    """One weight of rank 1 was moved by one unit in the last place."""
    for rank in ranks:
        assert rank.equal == ""
        assert rank.unequal.startswith("RuntimeError: ranks have different parameters: generator.0.weight")
        assert "(2 of 6 differ)" in rank.unequal


def test_running_statistics_of_rank_0_are_those_that_are_judged(ranks: list[SimpleNamespace]) -> None:
    assert [rank.mean for rank in ranks] == [[0.0] * 4] * 2


def test_machines_with_other_data_are_refused(ranks: list[SimpleNamespace]) -> None:
    for rank in ranks:
        assert rank.same == ""
        assert rank.other.startswith("UserError: the data must be the same on all ranks")
        assert rank.most == [1.0, 0.0]
