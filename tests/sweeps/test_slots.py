"""Who runs where."""

import os
from collections.abc import Callable

import pytest
import torch

from swaplab.errors import UserError
from swaplab.sweeps.jobs import Job
from swaplab.sweeps.slots import Share, Slots


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of eight cores and no GPU."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def taken(slots: Slots, job: Job) -> int:
    """How many times a job can be started at once."""
    count = 0
    while slots.take(job) is not None:
        count += 1
    return count


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize(
    ("threads", "devices", "count", "at_once", "each"),
    [
        (1, 1, None, 8, "1"),
        (None, 1, None, 8, "1"),
        (2, 1, None, 4, "2"),
        (2, 2, None, 2, "2"),
        (1, 1, 3, 3, "1"),
        (None, 1, 2, 2, "4"),
        (None, 1, 1, 1, "8"),
        (16, 1, None, 1, "16"),
        (4, 16, None, 1, "4"),
    ],
)
def test_cpu_slots_are_cores_over_threads(
    job: Callable[..., Job], threads: int | None, devices: int, count: int | None, at_once: int, each: str
) -> None:
    one = job("a", trainer={"threads": threads, "devices": devices})
    slots = Slots([one], count)
    share = slots.take(one)
    assert share is not None
    assert share.environment["OMP_NUM_THREADS"] == each
    slots.give(share)
    assert taken(slots, one) == at_once


@pytest.mark.usefixtures("cores")
def test_gpus_are_dealt_out_and_come_back(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    gpu = {"accelerator": "gpu", "threads": None}
    one, two, cpu = job("one", trainer=gpu), job("two", trainer=gpu | {"devices": 2}), job("cpu")
    slots = Slots([one, two, cpu])

    def seen(share: Share | None) -> str:
        assert share is not None
        return share.environment["CUDA_VISIBLE_DEVICES"]

    first = slots.take(one)
    assert seen(first) == "4"
    second = slots.take(two)
    assert seen(second) == "5,7"
    assert slots.take(one) is None
    assert seen(slots.take(cpu)) == ""
    assert first is not None
    slots.give(first)
    assert slots.take(two) is None
    assert seen(slots.take(job("auto", trainer=gpu | {"accelerator": "auto"}))) == "4"


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize(
    ("trainer", "count", "words"),
    [
        ({"nodes": 2}, None, "a: trainer.nodes=2, but these jobs run on this machine"),
        ({"accelerator": "gpu"}, None, "a: trainer.devices=1, but this sweep has 0 GPU"),
    ],
)
def test_what_can_never_run_is_refused(
    job: Callable[..., Job], trainer: dict[str, object], count: int | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        Slots([job("a", trainer=trainer)], count)
