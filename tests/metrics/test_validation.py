import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from swaplab.metrics.task import SwapTask
from swaplab.metrics.validation import FRAMES, Validation


def measured(model: Any, tasks: list[SwapTask]) -> dict[str, float]:
    return Validation(lambda: tasks, lambda generator: model)(model)


def test_known_errors_give_known_decibels(val_task: SwapTask) -> None:
    assert val_task.truth is not None
    other = replace(val_task, source="B", target="A", query=val_task.truth, truth=val_task.query)

    class Shifted:
        def swap(
            self, faces: torch.Tensor, source: str, target: str, given: object
        ) -> tuple[torch.Tensor, None, torch.Tensor]:
            raw = faces + (0.3 if source != target else 0.1 if source == "A" else 0.01)
            return raw, None, raw

    values = measured(Shifted(), [val_task, other])
    assert values["val/reconstruction_psnr/A"] == pytest.approx(20, abs=1e-3)
    assert values["val/reconstruction_psnr/B"] == pytest.approx(40, abs=1e-2)
    assert values["val/reconstruction_psnr"] == pytest.approx(30, abs=1e-2)
    assert values["val/reconstruction_mse"] == pytest.approx((0.01 + 0.0001) / 2, rel=1e-3)


def test_oracle_needs_the_true_swap_and_says_so(perfect: Any, val_task: SwapTask) -> None:
    assert measured(perfect, [val_task])["val/oracle_swap_psnr"] > 60
    real = replace(val_task, truth=None, truth_mask=None, retrieval={})
    values = measured(perfect, [real])
    assert "val/oracle_swap_psnr" not in values
    assert all(math.isfinite(value) for value in values.values())


def test_a_long_split_costs_no_more_than_a_short_one(model_of: Any, val_task: SwapTask) -> None:
    shown = []

    def answer(faces: torch.Tensor) -> torch.Tensor:
        shown.append(len(faces))
        return faces

    long = replace(
        val_task,
        query=val_task.query.repeat(5, 1, 1, 1),
        query_mask=None,
        truth=None,
        truth_mask=None,
        clips=val_task.clips * 5,
        times=val_task.times * 5,
    )
    measured(model_of(answer), [long, replace(long, target="C")])
    assert sum(shown) <= 2 * FRAMES
