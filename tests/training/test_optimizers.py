"""Optimisers of torch by name, gradient clipping and parameter groups."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swaplab.config import trust
from swaplab.config.optimizers import UNFIT, of_torch
from swaplab.errors import UserError
from swaplab.networks.protocols import SwapOutput
from swaplab.training.clipping import Clip
from swaplab.training.groups import Group, check_groups, fits, grouped
from swaplab.training.optimizers import build_clips, build_groups, build_optimizers

RATE = 0.5
SGD = partial(torch.optim.SGD, lr=RATE)
ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-3}


class Network(nn.Module):
    """A convolution, a norm and one that no loss reaches."""

    shared_encoder, identities = True, ("A", "B")

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.idle = nn.Conv2d(3, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.Conv2d(3, 3, 1)

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return self.norm(self.conv(faces))

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(code)


def stepped(
    step_once: Callable[..., None], batch: dict[str, Any], optimizer: Any = SGD, **more: Any
) -> dict[str, Tensor]:
    """How far a step moves each parameter."""
    torch.manual_seed(0)
    network = Network()
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    step_once(network, optimizer, batch, **more)
    return {name: value.detach() - before[name] for name, value in network.named_parameters()}


def test_clipping_is_torch_s_own(step_once: Callable[..., None], random_batch: Callable[..., Any]) -> None:
    batch = random_batch(("A", "B"), 2, side=8)
    free = stepped(step_once, batch)
    parameters = [nn.Parameter(torch.zeros_like(moved)) for moved in free.values()]
    for clip, of_torch_ in (
        (Clip(norm=0.01), lambda: nn.utils.clip_grad_norm_(parameters, 0.01)),
        (Clip(value=0.002), lambda: nn.utils.clip_grad_value_(parameters, 0.002)),
    ):
        for parameter, moved in zip(parameters, free.values(), strict=True):
            parameter.grad = -moved / RATE
        of_torch_()
        clipped = stepped(step_once, batch, clips={"generator": clip})
        for parameter, moved in zip(parameters, clipped.values(), strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(moved, -RATE * parameter.grad, rtol=1e-3, atol=1e-7)
    length = torch.cat(
        [moved.flatten() for moved in stepped(step_once, batch, clips={"generator": Clip(norm=0.01)}).values()]
    )
    assert float(length.norm()) == pytest.approx(RATE * 0.01, rel=1e-3)
    wide = stepped(step_once, batch, clips={"generator": Clip(norm=1e6)})
    assert all(torch.equal(wide[name], free[name]) for name in free)


def test_both_ways_to_clip_are_refused() -> None:
    with pytest.raises(UserError, match=r"a clip has norm 1\.0 and value 2\.0"):
        build_clips({"optimizer": {"generator": {**ADAM, "clip": {"norm": 1.0, "value": 2.0}}}})
    off = {"generator": {**ADAM, "clip": {"norm": None, "value": None}}, "discriminator": None}
    assert build_clips({"optimizer": off}) == {}
    assert build_groups({"optimizer": off}) == {}


def test_a_group_has_its_own_rate_and_decay(step_once: Callable[..., None], random_batch: Callable[..., Any]) -> None:
    batch = random_batch(("A", "B"), 2, side=8)
    decayed = partial(torch.optim.SGD, lr=RATE, weight_decay=0.1)
    groups = (Group(("norm", "bias"), {"weight_decay": 0.0}), Group(("conv.weight",), {"lr": 0.0}))
    plain, whole = stepped(step_once, batch), stepped(step_once, batch, decayed)
    found = stepped(step_once, batch, decayed, groups={"generator": groups})
    assert torch.equal(found["norm.weight"], plain["norm.weight"])
    assert not torch.equal(found["norm.weight"], whole["norm.weight"])
    assert torch.equal(found["conv.bias"], plain["conv.bias"])
    assert not found["conv.weight"].any()
    assert whole["conv.weight"].any()


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("bias", True),
        ("encoder", True),
        ("down1.conv", True),
        ("encoder.*.conv", True),
        ("down*", True),
        ("encoder.down1.conv.bias", True),
        ("down", False),
        ("conv.down1", False),
        ("*.encoder", False),
        ("encoder.conv", False),
    ],
)
def test_a_pattern_names_consecutive_parts(pattern: str, fitting: bool) -> None:
    assert fits("encoder.down1.conv.bias", pattern) == fitting


def test_a_parametrised_weight_has_its_plain_name() -> None:
    assert fits("encoder.conv.parametrizations.weight.original", "conv.weight")


def test_the_first_group_that_fits_counts_and_empty_ones_are_left_out() -> None:
    named = list(Network().named_parameters())
    assert grouped(named, ()) == [parameter for _, parameter in named]
    groups = grouped(named, [Group(("norm",), {"lr": 1.0}), Group(("weight", "bias"), {"lr": 2.0})])
    assert [(len(group["params"]), group["lr"]) for group in groups] == [(2, 1.0), (4, 2.0)]  # type: ignore[index]


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([Group(("bias", "nrom"), {})], r"optimizer\.generator\.groups\[0\]\.match has 'nrom'"),
        (
            [Group(("norm",), {}), Group(("norm.bias",), {})],
            r"groups\[1\]\.match has 'norm\.bias', but no parameter that",
        ),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused(groups: list[Group], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_groups(Network(), "generator", groups)


def test_every_optimiser_of_torch_trains_by_its_name_or_is_refused_with_a_reason(
    step_once: Callable[..., None], random_batch: Callable[..., Any]
) -> None:
    batch = random_batch(("A", "B"), 2, side=8)
    names = [name for name in vars(torch.optim) if of_torch(f"torch.optim.{name}")]
    assert {"Adam", "RAdam", "SGD", "Rprop", "Adafactor", "ASGD"} <= set(names)
    assert not {"Optimizer", "lr_scheduler", *UNFIT} & set(names)
    for name in set(names) - {"Muon"}:  # which takes matrices only
        node = {"_target_": f"torch.optim.{name}", "_partial_": True, "lr": 1e-3}
        factory = build_optimizers({"optimizer": {"generator": node}})["generator"]
        assert stepped(step_once, batch, factory)["conv.weight"].any(), name
    with pytest.raises(UserError, match=r"optimizer\.generator cannot be built: .*2D"):
        build_optimizers({"optimizer": {"generator": {"_target_": "torch.optim.Muon", "_partial_": True}}})
    for name in UNFIT:
        with pytest.raises(UserError, match="cannot train here"):
            trust.check_targets({"optimizer": {"generator": {"_target_": f"torch.optim.{name}"}}})


@pytest.mark.parametrize(
    "target", ["torch.optim.Optimizer", "torch.optim.lr_scheduler.StepLR", "torch.optim.Adam.step"]
)
def test_nothing_else_of_torch_is_an_optimiser(target: str) -> None:
    with pytest.raises(UserError, match="or another optimiser of torch"):
        trust.check_targets({"optimizer": {"generator": {"_target_": target}}})
    with pytest.raises(UserError, match="is not allowed"):
        trust.check_targets({"norm": {"_target_": "torch.optim.Rprop"}})


def test_settings_of_a_group_are_checked_like_those_of_the_optimiser(compose: Callable[..., Any]) -> None:
    config = compose(
        ["optimizer.generator.groups=[{match: [norm, bias], weight_decay: 1}]", "optimizer.generator.clip.norm=2"]
    )
    assert build_groups(config)["generator"] == (Group(("norm", "bias"), {"weight_decay": 1.0}),)
    assert build_clips(config) == {"generator": Clip(norm=2.0)}
    with pytest.raises(UserError, match="Invalid learning rate: -1"):
        build_optimizers({"optimizer": {"generator": {**ADAM, "groups": [{"match": ["bias"], "lr": -1.0}]}}})
    with pytest.raises(UserError, match=r"unknown key optimizer\.generator\.groups\[0\]\.rate"):
        compose(["optimizer.generator.groups=[{match: [bias], rate: 1}]"])


def test_one_kernel_updates_all_parameters_unless_another_is_asked_for() -> None:
    def factory(**more: Any) -> Any:
        return build_optimizers({"optimizer": {"generator": {**ADAM, **more}}})["generator"]

    parameter = [nn.Parameter(torch.zeros(1))]
    assert factory()(parameter).defaults["fused"] is True
    assert factory(fused=False)(parameter).defaults["fused"] is False
    assert not factory(foreach=True)(parameter).defaults["fused"]
