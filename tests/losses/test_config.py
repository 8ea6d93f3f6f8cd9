"""The conf files of losses, discriminators, mixup and spectral norm: built, trained for two steps, refused."""

from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest
import torch

from swaplab.errors import UserError
from swaplab.experiment.data import load_data
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
    batches = iter(data.train_dataloader())
    for _ in range(steps):
        module.step(next(batches))
    losses, first_bad = module.meter.report()
    assert first_bad is None, losses
    silent = {name for name, p in module.networks.named_parameters() if p.requires_grad} - reached
    assert not silent, f"no gradient reaches {sorted(silent)[:4]}"
    return losses


@pytest.mark.parametrize(
    "words",
    [
        *([f"loss/adversarial={o}", *ADVERSARIAL] for o in ("standard", "lsgan", "mixup_lsgan", "hinge")),
        *([f"loss/adversarial={o}", *ADVERSARIAL] for o in ("wgan_gp", "wgan_gp_2018", "relativistic_lsgan")),
        ["loss/adversarial=relativistic_lsgan", "mask=learned", *ADVERSARIAL],
        *(
            [f"discriminator={o}", "discriminator.width=0.125", "loss/adversarial=lsgan"]
            for o in ("shared", "shared_projection", "patch70", "multiscale")
        ),
        *([f"loss/reconstruction={o}"] for o in ("mse", "ssim", "ms_ssim", "gradient", "focal_frequency")),
        ["loss/edge=l1", "loss/eyes=l1"],
        ["loss/cycle=l1", "loss/identity=l1", "generator/code_match=none"],
        ["loss/cycle=l1", "loss.cycle.alpha=0.1", "mask=learned", "generator/code_match=none"],
        ["loss/identity=embedding", "generator/code_match=none"],
        ["loss/perceptual=identity_network"],
        ["mask=learned", "loss/mask_size=hinge", "loss/mask_variation=total_variation"],
        ["mask=learned", "loss/mask_size=none"],
        ["noise/mixup=images"],
        ["noise/mixup=codes"],
        ["spectral=generator"],
        ["spectral=both", "loss/adversarial=hinge", *ADVERSARIAL],
        ["spectral=both", "loss/adversarial=wgan_gp", *ADVERSARIAL],
        ["attention=sagan", "attention_sites=[discriminator.down2]", "loss/adversarial=wgan_gp", *ADVERSARIAL],
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
        (["loss/adversarial=lsgan"], "have no effect"),
        (["loss/mask_size=l1"], "needs a mask"),
        (["loss/mask_size=hinge"], "needs a mask"),
        (["mask=given", "loss/mask_size=l1"], "given, not learned"),
        (["loss/mask_variation=total_variation"], "needs a mask"),
        (["loss/auxiliary=l1"], "outputs at lower resolutions"),
        *(
            (["discriminator=faceswap_gan_v1", f"loss/adversarial={o}"], "discriminator.sigmoid=false")
            for o in ("standard", "hinge", "wgan_gp")
        ),
        (["loss/cycle=l1", "~data.identities.B"], "a swap needs two"),
        (["loss/identity=embedding", "~data.identities.B"], "a swap needs two"),
        (["loss/adversarial=wgan_gp", "norm=batch", *ADVERSARIAL], "cannot be used with batch norm"),
        (["spectral=both"], "there is none"),
        (["loss/perceptual=torchvision"], "do not exist"),
        (["loss/perceptual=efficientnet_lite"], "not installed"),
        (["loss.reconstruction.image=composed"], "needs a mask"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_would_do_nothing_is_refused(compose: Compose, tiny: list[str], words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        trained(compose([*tiny, *words]))
