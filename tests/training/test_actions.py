"""One-off actions happen at their points, once, resume included."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.reconstruction import L1
from swaplab.losses.settings import StepSettings
from swaplab.networks.faceswap_gan import FaceswapGAN
from swaplab.training.actions import Action, ResetMoments, SwapDecoders, Trainee, due
from swaplab.training.checkpoint import STATE, load_checkpoint, networks_of
from swaplab.training.ema import EMA
from swaplab.training.module import SwapModule
from swaplab.training.updates import FourAdams, Joint, UpdateOrder


def small(identities: tuple[str, ...] = ("A", "B")) -> FaceswapGAN:
    return FaceswapGAN(identities, resolution=64, width=0.03, latent=4)


def module_of(order: UpdateOrder, actions: dict[str, Action], identities: tuple[str, ...] = ("A", "B")) -> SwapModule:
    return SwapModule(
        {"generator": small(identities)},
        {"l1": L1()},
        order,
        {"generator": partial(torch.optim.Adam, lr=1e-3)},
        identities=identities,
        settings=StepSettings(1),
        total_images=10 * len(identities),
        actions=actions,
    )


def test_points_that_were_passed_are_due_in_order_and_once() -> None:
    actions = {"swap": SwapDecoders([2, 3], of=10), "reset": ResetMoments([1, 2], of=10)}
    assert due(actions, {}, 0.09) == []
    assert due(actions, {}, 0.1) == ["reset"]
    assert due(actions, {"reset": 1}, 0.2) == ["swap", "reset"]
    assert due(actions, {}, 1.0) == ["reset", "swap", "reset", "swap"]
    assert due(actions, {"swap": 2, "reset": 2}, 1.0) == []


@pytest.mark.parametrize("at", [[], [-1.0], [0.5, 0.4], [1.1]])
def test_points_outside_the_budget_are_refused(at: list[float]) -> None:
    with pytest.raises(UserError, match="ascending shares of the budget"):
        ResetMoments(at)


@pytest.mark.parametrize("order", [Joint(), FourAdams()])
def test_each_identity_gets_the_decoder_of_the_next_with_its_moments_and_average(
    order: UpdateOrder, driven: Callable[..., Any], random_batch: Callable[..., Any]
) -> None:
    identities = ("A", "B", "C")
    module = module_of(order, {"swap": SwapDecoders([0.5])}, identities)
    module.ema = EMA(module.networks["generator"], 10)
    optimizers = driven(module)
    for i in range(3):
        module.step(random_batch(identities, 1, seed=i))
    decoders, averaged = module.networks["generator"].decoders, module.ema.network.decoders

    def facts(name: str) -> list[list[Tensor]]:
        own = dict(decoders[name].named_parameters())
        states = [
            [o.state[p][key].clone() for o in optimizers if p in o.state for key in ("exp_avg", "exp_avg_sq")]
            for p in own.values()
        ]
        mean = [[v.clone()] for v in averaged[name].state_dict().values()]
        return [[p.detach().clone()] for p in own.values()] + states + mean

    before = {name: facts(name) for name in identities}
    encoder = {k: v.clone() for k, v in module.networks["generator"].encoder.state_dict().items()}
    SwapDecoders([0.5])(Trainee(module.networks, module.ema.network, optimizers))
    for name, following in zip(identities, ("B", "C", "A"), strict=True):
        for now, then in zip(facts(name), before[following], strict=True):
            assert len(now) == len(then) > 0
            assert all(torch.equal(a, b) for a, b in zip(now, then, strict=True))
    assert all(torch.equal(v, encoder[k]) for k, v in module.networks["generator"].encoder.state_dict().items())


def test_an_action_happens_before_the_first_step_at_its_point(
    driven: Callable[..., Any], random_batch: Callable[..., Any]
) -> None:
    module = module_of(Joint(), {"reset": ResetMoments([0.3, 0.6])})
    (optimizer,) = driven(module)
    steps = []
    for i in range(10):
        module.step(random_batch(("A", "B"), 1, seed=i))
        steps.append(int(next(iter(optimizer.state.values()))["step"]))
    assert steps == [1, 2, 3, 1, 2, 3, 1, 2, 3, 4]
    assert module.done == [{"action": "reset", "images_seen": n} for n in (6, 12)]


def test_a_swap_without_two_decoders_is_refused_before_training() -> None:
    with pytest.raises(UserError, match="swapping decoders needs one decoder per identity and at least two"):
        module_of(Joint(), {"swap": SwapDecoders([0.5])}, ("A",))


def test_a_run_resumed_after_its_actions_does_not_repeat_them(
    tiny: list[str], command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    words = [
        *tiny,
        "+actions.swap._target_=swaplab.training.actions.SwapDecoders",
        "+actions.swap.at=[0.3,0.7]",
        "+actions.reset._target_=swaplab.training.actions.ResetMoments",
        "+actions.reset.at=[0.3]",
    ]
    assert command("train", *words, "run_id=straight")[0] == 0
    assert command("train", *words, "run_id=parts", "budget.session_images=32")[0] == 0
    assert command("train", *words, "run_id=parts")[0] == 0
    straight, parts = (tmp_path / "runs" / "quick" / name for name in ("straight", "parts"))
    states = [load_checkpoint(run / "checkpoints" / "last.ckpt") for run in (straight, parts)]
    expected = [("swap", 24), ("reset", 24), ("swap", 56)]
    assert [(e["action"], e["images_seen"]) for e in states[0][STATE]["done"]] == expected
    assert (
        json.loads((parts / "run.json").read_text())["actions"] == states[0][STATE]["done"] == states[1][STATE]["done"]
    )
    one, other = (networks_of(state) for state in states)
    assert all(torch.equal(one[k], other[k]) for k in one)
