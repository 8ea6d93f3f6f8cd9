"""Choices that no network of a config can follow are refused before anything is built."""

from collections.abc import Callable
from typing import Any

import pytest

from swaplab.config.compose import composer
from swaplab.errors import UserError
from swaplab.schedule import value_at
from swaplab.training.assemble import build_module, build_terms

SMALL = ["data=facesets", "generator.width=0.05", "generator.latent=8"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["generator=faceswap_gan_v1", "norm=layer"],
            "norm has no effect, because FaceswapGANV1 does not use it; set norm=none",
        ),
        (["generator=faceswap_gan_v1", "norm=none", "attention=sagan"], "attention has no effect"),
        (["attention_sites=[encoder.down2]"], "attention_sites has no effect without attention; choose one, such as"),
        (
            ["generator=faceswap_gan", "attention=sagan", "attention_sites=[discriminator.down3]"],
            "no discriminator of this config has attention there",
        ),
        (
            ["generator=faceswap_gan", "attention=sagan", "attention_sites=[middle.down3]"],
            "attention_sites has 'middle.down3'",
        ),
        (
            [
                "generator=faceswap_gan",
                "discriminator=faceswap_gan",
                "attention=sagan",
                "attention_sites=[discriminator.down9]",
            ],
            "discriminator faceswap_gan has no attention site 'discriminator.down9'",
        ),
    ],
)
def test_layers_and_sites_without_a_place_are_refused(
    compose: Callable[[list[str]], dict[str, Any]], words: list[str], message: str
) -> None:
    config = compose([*SMALL, *words])
    with pytest.raises(UserError, match=message):
        build_module(config, ("A", "B"), 64, 80)


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=cyclegan", "generator/bottleneck=spatial"],
        ["generator=faceswap_gan", "~experiment", "generator/decoder=style"],
        ["generator=faceswap_gan", "generator.output.range=symmetric"],
        ["generator=unet", "generator/upsampling=transposed"],
        ["generator=unet", "experiment=cyclegan", "generator/code_match=transport"],
        ["experiment=style_decoder", "generator=resnet"],
    ],
)
def test_parts_of_the_autoencoder_have_no_place_in_other_generators(words: list[str]) -> None:
    with pytest.raises(UserError, match=r"generator\.\w+,? .*exists only with generator=autoencoder[;, ]"):
        composer("train")(words)


def test_an_experiment_that_needs_another_generator_is_named() -> None:
    with pytest.raises(UserError, match=r"^experiment=style_decoder sets generator.decoder, which exists only"):
        composer("train")(["experiment=style_decoder", "generator=resnet"])
    with pytest.raises(UserError, match=r"^experiment=quick sets generator.code_match, .* or ~experiment for none$"):
        composer("train")(["generator=resnet"])
    assert composer("train")(["~experiment", "generator=resnet"]).generator.blocks == 6


def test_a_part_that_is_added_by_force_is_refused(compose: Callable[[list[str]], dict[str, Any]]) -> None:
    with pytest.raises(UserError, match=r"generator\.bottleneck exists only with generator=autoencoder; choose it, or"):
        compose([*SMALL[:1], "experiment=cyclegan", "+generator/bottleneck=spatial"])
    config = compose([*SMALL[:1], "experiment=cyclegan", "+generator/code_match=transport"])
    with pytest.raises(UserError, match="needs a shared encoder, which CycleGAN does not have"):
        build_module(config, ("A", "B"), 64, 80)


def test_each_generator_offers_its_own_sites(compose: Callable[[list[str]], dict[str, Any]]) -> None:
    config = compose([*SMALL[:1], "experiment=cyclegan", "attention=sagan"])
    with pytest.raises(UserError, match=r"'encoder.down3'; choose from .* attention_sites=null for encoder.do"):
        build_module(config, ("A", "B"), 64, 80)


def test_a_weight_follows_the_schedule_it_refers_to(compose: Callable[[list[str]], dict[str, Any]]) -> None:
    words = ["data=facesets", "mask=faceswap_gan", "loss/mask_size=scheduled", "schedule=faceswap_gan_v22"]
    terms = build_terms(compose(words))
    weight = terms["mask_size"].weight
    assert [value_at(weight, progress) for progress in (0.0, 0.29625, 0.6629)] == [0.01, 0.0, 0.01]
    assert [value_at(terms["mask_hinge"].margin, progress) for progress in (0.3, 0.4, 0.8)] == [0.5, 0.2, 0.1]
    assert build_terms(compose([*words, "schedule=constant"]))["mask_size"].weight == 0.01


def test_a_schedule_that_cannot_be_is_named(compose: Callable[[list[str]], dict[str, Any]]) -> None:
    weight = "{_target_: swaplab.schedule.Steps, at: [0], values: [1], until: 3}"
    with pytest.raises(UserError, match=r"unknown key loss.reconstruction.weight.until"):
        compose(["data=facesets", f"loss.reconstruction.weight={weight}"])


def test_settings_of_a_term_that_is_off_are_refused(compose: Callable[[list[str]], dict[str, Any]]) -> None:
    with pytest.raises(UserError, match=r"loss.edge is off, so setting its weight has no effect"):
        compose(["data=facesets", "experiment=faceswap_gan", "loss/edge=none", "loss.edge={weight: 2}"])


def test_a_gradient_penalty_wants_an_attention_with_a_second_derivative(
    compose: Callable[[list[str]], dict[str, Any]],
) -> None:
    words = [*SMALL, "generator=faceswap_gan", "discriminator=faceswap_gan", "discriminator.width=0.1"]
    words += ["norm=none", "loss/adversarial=wgan_gp", "attention_sites=[discriminator.down3]"]
    for attention in ("sagan_streaming", "multihead"):
        with pytest.raises(UserError, match="needs a second derivative"):
            build_module(compose([*words, f"attention={attention}"]), ("A", "B"), 64, 100)
    build_module(compose([*words, "attention=sagan"]), ("A", "B"), 64, 100)


def test_outputs_at_lower_resolutions_that_nothing_trains_are_refused(
    compose: Callable[[list[str]], dict[str, Any]],
) -> None:
    words = [*SMALL, "generator=faceswap_gan"]
    with pytest.raises(UserError, match="outputs raw64; set loss/auxiliary=faceswap_gan"):
        build_module(compose(words), ("A", "B"), 128, 100)
    build_module(compose([*words, "loss/auxiliary=faceswap_gan"]), ("A", "B"), 128, 100)
