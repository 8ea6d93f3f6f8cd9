"""Choices that no network of a config can follow are refused before anything is built."""

from collections.abc import Callable
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.training.assemble import build_networks

SMALL = ["data=facesets", "generator.width=0.05", "generator.latent=8"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generator=faceswap_gan_v1", "norm=layer"], "norm would do nothing: FaceswapGANV1 has no place for it"),
        (["generator=faceswap_gan_v1", "norm=none", "attention=sagan"], "attention would do nothing"),
        (["attention_sites=[encoder.down2]"], "there is no attention; choose one, such as attention=sagan"),
        (
            ["generator=faceswap_gan", "attention=sagan", "attention_sites=[discriminator.down3]"],
            "no discriminator of this config has attention there",
        ),
        (
            ["generator=faceswap_gan", "attention=sagan", "attention_sites=[middle.down3]"],
            "attention_sites names 'middle.down3'",
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
        build_networks(config, ("A", "B"), 64)
