"""The four-optimiser order of faceswap-GAN v2.2 against a loop written out by hand."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from swaplab.losses.adversarial import LSGANDiscriminator, LSGANGenerator
from swaplab.losses.reconstruction import L1
from swaplab.losses.settings import StepSettings
from swaplab.networks.attention import SelfAttention
from swaplab.networks.faceswap_gan import FaceswapGAN, FaceswapGANDiscriminator
from swaplab.networks.initialisation import initialise
from swaplab.networks.mask import LearnedMask
from swaplab.networks.norm import ScalarLayerNorm
from swaplab.networks.regularisation import regularised_kernels
from swaplab.schedule import Steps
from swaplab.training.module import SwapModule
from swaplab.training.updates import FourAdams, parts

IDENTITIES = ("A", "B")
FACES = 2
ADAM = {"betas": (0.5, 0.999), "eps": 1e-7}
RATES = {"generator": 1e-3, "discriminator": 2e-3}


def networks() -> nn.ModuleDict:
    sites = ["encoder.down3", "discriminator.down3"]
    layers = {"norm": ScalarLayerNorm, "attention": SelfAttention, "attention_sites": sites, "width": 0.125, "l2": 1e-2}
    pair = nn.ModuleDict(
        {
            "generator": FaceswapGAN(IDENTITIES, resolution=64, latent=8, mask=LearnedMask, **layers),
            "discriminator": FaceswapGANDiscriminator(IDENTITIES, resolution=64, **layers),
        }
    ).double()
    for name, network in pair.items():
        initialise(network, 0, name)
    return pair


def penalty(*modules: nn.Module) -> Tensor:
    return 1e-2 * sum(k.square().sum() for m in modules for k in regularised_kernels(m))


class ByHand:
    """Every loss, backward and step of the original's iteration, one after the other."""

    def __init__(self, pair: nn.ModuleDict) -> None:
        self.g, self.d = pair["generator"], pair["discriminator"]
        self.of_d = {n: self.adam("discriminator", self.d.patches[n]) for n in IDENTITIES}
        self.of_g = {n: self.adam("generator", self.g.encoder, self.g.decoders[n]) for n in IDENTITIES}

    def adam(self, side: str, *modules: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam([p for m in modules for p in m.parameters()], lr=RATES[side], **ADAM)

    def fakes(self, x: Tensor, name: str) -> tuple[Tensor, Tensor]:
        out = self.g.decode(self.g.encode(x, name), name)
        return out.raw, out.mask * out.raw + (1 - out.mask) * x

    def score(self, z: Tensor, x: Tensor, name: str) -> Tensor:
        return self.d.patches[name](torch.cat([z, x], 1) * 2 - 1)

    def iteration(self, first: dict[str, Any], second: dict[str, Any], factor: float) -> None:
        for name in IDENTITIES:
            x, y = first[name]["input"], first[name]["target"]
            raw, composed = (image.detach() for image in self.fakes(x, name))
            loss = (self.score(y, x, name) - 1).square().mean()
            loss = loss + self.score(raw, x, name).square().mean() + self.score(composed, x, name).square().mean()
            self.step(self.of_d[name], loss + penalty(self.d.patches[name]), RATES["discriminator"] * factor)
        for name in IDENTITIES:
            x, y = second[name]["input"], second[name]["target"]
            raw, composed = self.fakes(x, name)
            loss = 2 * (raw - y).abs().mean()
            for image in (raw, composed):
                loss = loss + 0.1 * (self.score(image, x, name) - 1).square().mean()
            loss = loss + penalty(self.g.encoder, self.g.decoders[name])
            self.step(self.of_g[name], loss, RATES["generator"] * factor)

    def step(self, optimizer: torch.optim.Adam, loss: Tensor, rate: float) -> None:
        self.g.zero_grad()
        self.d.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()


def test_three_iterations_are_those_of_a_loop_written_by_hand(
    driven: Callable[..., Any], random_batch: Callable[..., Any]
) -> None:
    pair = networks()
    module = SwapModule(
        copy.deepcopy(pair),
        {"l1": L1(2.0), "adversarial": LSGANGenerator(0.1), "real_or_fake": LSGANDiscriminator(1.0)},
        FourAdams(),
        {side: partial(torch.optim.Adam, lr=rate, **ADAM) for side, rate in RATES.items()},
        identities=IDENTITIES,
        settings=StepSettings(FACES, joint=False),
        total_images=3 * FACES * 2 * 2,
        learning_rate=Steps([0, 2], [1.0, 0.3], of=3),
    )
    start = copy.deepcopy(pair.state_dict())
    driven(module)
    reference = ByHand(pair)
    for i in range(3):
        batch = random_batch(IDENTITIES, 2 * FACES, seed=i)
        faces = {n: {k: v.double() / 255 for k, v in of.items()} for n, of in batch["faces"].items()}
        first = {n: {k: v[:FACES] for k, v in of.items()} for n, of in faces.items()}
        second = {n: {k: v[FACES:] for k, v in of.items()} for n, of in faces.items()}
        reference.iteration(first, second, 0.3 if i == 2 else 1.0)
        module.step(batch)
    trained, expected = module.networks.state_dict(), pair.state_dict()
    moved = max(float((expected[k] - start[k]).abs().max()) for k in expected)
    assert moved > 1e-3
    assert max(float((trained[k] - expected[k]).abs().max()) for k in expected) < 1e-10
    assert module.counters.images_seen == 3 * FACES * 4
    assert module.made == {"discriminator_A": 3, "discriminator_B": 3, "generator_A": 3, "generator_B": 3}


def test_the_shared_encoder_has_moments_of_its_own_in_each_generators_optimiser(driven: Callable[..., Any]) -> None:
    module = SwapModule(
        {"generator": networks()["generator"]},
        {"l1": L1()},
        FourAdams(),
        {"generator": torch.optim.Adam},
        identities=IDENTITIES,
        settings=StepSettings(FACES),
        total_images=100,
    )
    assert parts(module.updates) == 1
    names = {id(p): name for name, p in module.networks["generator"].named_parameters()}
    held = [{names[id(p)] for group in o.param_groups for p in group["params"]} for o in driven(module)]
    encoder = {name for name in names.values() if name.startswith("encoder.")}
    for own, name in zip(held, IDENTITIES, strict=True):
        assert own == encoder | {n for n in names.values() if n.startswith(f"decoders.{name}.")}


def test_a_losss_value_is_the_sum_over_the_updates_of_a_step(
    driven: Callable[..., Any], random_batch: Callable[..., Any]
) -> None:
    batch = random_batch(IDENTITIES, FACES)
    module = SwapModule(
        {"generator": networks()["generator"]},
        {"l1": L1()},
        FourAdams(),
        {"generator": partial(torch.optim.Adam, lr=0.0)},
        identities=IDENTITIES,
        settings=StepSettings(FACES),
        total_images=100,
    )
    driven(module)
    for _ in range(2):
        module.step(batch)
    losses, _ = module.meter.report()
    generator = module.networks["generator"]
    expected = 0.0
    for name in IDENTITIES:
        x, y = (batch["faces"][name][k].double() / 255 for k in ("input", "target"))
        expected += float((generator.decode(generator.encode(x, name), name).raw - y).abs().mean().detach())
    assert abs(losses["loss/generator/l1"] - expected) < 1e-12
