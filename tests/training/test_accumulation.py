"""A step whose batch comes in parts is the step of the whole batch; what is of the whole batch is refused by name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.training.assemble import build_module
from swaplab.training.module import SwapModule

TINY = ["data=facesets", "~experiment", "size=tiny", "seed=3", "batch_size=5", "optimizer.generator.eps=1e-4"]
JUDGED = ["discriminator=per_identity", "norm=group", "loss/adversarial=lsgan"]
SYSTEMS = {
    "autoencoder": ["norm=group"],
    "joint": JUDGED,
    "learned mask": [*JUDGED, "mask=learned", "loss/mask_size=l1", "joint_pass=false"],
    "four adams": [*JUDGED, "updates=four_adams"],
    "n_critic": ["discriminator=per_identity", "loss/adversarial=wgan_gp", "updates.generator_every=2"],
    "mixup of judged faces": ["discriminator=per_identity", "loss/adversarial=mixup_lsgan"],
    "spectral norm": [*JUDGED, "spectral=both"],
    "dropout": ["generator=unet", "norm=instance"],
}
Compose = Callable[[list[str]], dict[str, Any]]
Drive = Callable[[SwapModule], list[torch.optim.Optimizer]]
Batch = Callable[..., dict[str, Any]]
Result = tuple[dict[str, Tensor], dict[str, float], int]


def trained(config: dict[str, Any], drive: Drive, random_batch: Batch) -> Result:
    """After four steps in float64: weights and moments, mean losses, and the most faces a layer saw at once."""
    module = build_module(config, ("A", "B"), 64, total_images=1000).double()
    layer = next(m for m in module.networks["generator"].modules() if isinstance(m, torch.nn.Conv2d))
    seen = [0]
    layer.register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))
    optimizers = drive(module)
    for index in range(4):
        module.step(random_batch(("A", "B"), module.parts * 5, seed=index))
    moments = {
        f"{i}.{name}.{kind}": value
        for i, optimizer in enumerate(optimizers)
        for name, state in optimizer.state_dict()["state"].items()
        for kind, value in state.items()
    }
    return {**module.networks.state_dict(), **moments}, module.meter.report()[0], max(seen)


@pytest.mark.parametrize("system", SYSTEMS)
def test_parts_of_a_batch_make_the_step_of_the_whole(
    compose: Compose, driven: Drive, random_batch: Batch, system: str
) -> None:
    config = compose([*TINY, *SYSTEMS[system]])
    whole, losses, faces = trained(config, driven, random_batch)
    for parts in (2, 5):
        others, other_losses, fewer = trained(config | {"accumulate": parts}, driven, random_batch)
        assert fewer == -(-5 // parts) * faces // 5
        assert others.keys() == whole.keys()
        assert other_losses == pytest.approx(losses, abs=1e-9)
        for name, value in whole.items():
            torch.testing.assert_close(others[name], value, rtol=0, atol=1e-9, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["norm=batch"], "BatchNorm depends on the faces"),
        (["norm=sync_batch"], "SyncBatchNorm depends on the faces"),
        (["noise/mixup=codes"], "mixup depends on"),
        (
            ["discriminator=per_identity", "loss/adversarial=relativistic_lsgan"],
            "loss.real_or_fake needs the whole",
        ),
        (
            ["discriminator=per_identity", "loss/adversarial=wgan_gp_2018"],
            "loss.gradient_penalty needs the whole",
        ),
        ([*JUDGED, "loss/real_or_fake/history=image_pool"], "loss.real_or_fake needs the whole"),
        (["loss/identity=embedding"], "loss.identity needs the whole batch"),
        (["accumulate=6"], "accumulate=6 must be at most 5"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ",
)
def test_what_is_of_the_whole_batch_is_refused(
    compose: Compose, driven: Drive, random_batch: Batch, words: list[str], said: str
) -> None:
    config = compose([*TINY, "accumulate=2", *words])
    with pytest.raises(UserError, match=said):  # noqa: PT012 - some at the build, some at the first step
        module = build_module(config, ("A", "B"), 64, total_images=1000)
        module.on_fit_start()
        driven(module)
        module.step(random_batch(("A", "B"), module.parts * 5))
