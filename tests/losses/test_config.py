"""The conf files of losses, discriminators, mixup and spectral norm: built, trained for two steps, refused."""

from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest
import torch

from swaplab.cli.experiment import load_data
from swaplab.errors import UserError
from swaplab.training.assemble import build_module

Compose = Callable[[list[str]], dict[str, Any]]
ADVERSARIAL = ["discriminator=per_identity", "discriminator.width=0.125"]


def trained(config: dict[str, Any], steps: int = 2) -> dict[str, float]:
    """Losses of a few steps without a trainer; every parameter that learns must get a gradient."""
    torch.manual_seed(0)
    _, data = load_data(config)
    module = build_module(config, data.identities, data.resolution, 100)
    optimizers = module.configure_optimizers()
    module.optimizers = MethodType(lambda self: optimizers, module)  # type: ignore[method-assign]
    module.manual_backward = MethodType(lambda self, loss: loss.backward(), module)  # type: ignore[method-assign]
    reached = set()
    for name, parameter in module.networks.named_parameters():
        parameter.register_post_accumulate_grad_hook(lambda p, name=name: reached.add(name))  # type: ignore[misc]
    data.parts = module.parts
    batches = iter(data.train_dataloader())
    for step in range(steps):
        module.training_step(next(batches), step)
    losses, first_bad = module.meter.report()
    assert first_bad is None, losses
    silent = {name for name, p in module.networks.named_parameters() if p.requires_grad} - reached
    assert not silent, f"no gradient reaches {sorted(silent)[:4]}"
    return losses


@pytest.mark.parametrize(
    "words",
    [
        *([f"adversarial={o}", *ADVERSARIAL] for o in ("standard", "lsgan", "mixup_lsgan", "hinge")),
        *([f"adversarial={o}", *ADVERSARIAL] for o in ("wgan_gp", "wgan_gp_2018", "relativistic_lsgan")),
        ["adversarial=relativistic_lsgan", "mask=learned", *ADVERSARIAL],
        *(
            [f"discriminator={o}", "discriminator.width=0.125", "adversarial=lsgan"]
            for o in ("shared", "shared_projection", "patch70", "multiscale")
        ),
        *([f"reconstruction={o}"] for o in ("mse", "ssim", "ms_ssim", "gradient", "focal_frequency")),
        ["edge=l1", "eyes=l1"],
        ["cycle=l1", "identity=l1", "code_match=none"],
        ["cycle=l1", "losses.cycle.alpha=0.1", "mask=learned", "code_match=none"],
        ["identity=embedding", "code_match=none"],
        ["perceptual=identity_network"],
        ["mask=learned", "mask_loss=hinge", "mask_smoothness=total_variation"],
        ["mask=learned", "mask_loss=none"],
        ["mixup=images"],
        ["mixup=codes"],
        ["spectral=generator"],
        ["spectral=both", "adversarial=hinge", *ADVERSARIAL],
        ["spectral=both", "adversarial=wgan_gp", *ADVERSARIAL],
        ["attention=sagan", "attention_sites=[discriminator.down2]", "adversarial=wgan_gp", *ADVERSARIAL],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_option_trains(compose: Compose, tiny: list[str], words: list[str]) -> None:
    assert trained(compose([*tiny, *words]))


@pytest.mark.parametrize("experiment", ["single_refiner", "sagan"])
def test_systems_train(compose: Compose, tiny: list[str], experiment: str) -> None:
    plain = [word for word in tiny if not word.startswith("experiment")]
    losses = trained(compose([*plain, f"experiment={experiment}", "size=tiny"]))
    assert {"loss/generator/adversarial", "loss/discriminator/real_or_fake"} <= set(losses)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["adversarial=lsgan"], "have no effect"),
        (["mask_loss=l1"], "needs a mask"),
        (["mask_loss=hinge"], "needs a mask"),
        (["mask=given", "mask_loss=l1"], "given, not learned"),
        (["mask_smoothness=total_variation"], "needs a mask"),
        (["auxiliary=l1"], "outputs at lower resolutions"),
        *(
            (["discriminator=faceswap_gan_v1", f"adversarial={o}"], "discriminator.sigmoid=false")
            for o in ("standard", "hinge", "wgan_gp")
        ),
        (["cycle=l1", "~data.identities.B"], "a swap needs two"),
        (["identity=embedding", "~data.identities.B"], "a swap needs two"),
        (["adversarial=wgan_gp", "norm=batch", *ADVERSARIAL], "cannot be used with batch norm"),
        (["spectral=both"], "there is none"),
        (["perceptual=torchvision"], "do not exist"),
        (["perceptual=efficientnet_lite"], "not installed"),
        (["losses.reconstruction.image=composed"], "needs a mask"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_would_do_nothing_is_refused(compose: Compose, tiny: list[str], words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        trained(compose([*tiny, *words]))
