"""The loader reads our own configs once per process; what it composes is what Hydra composes."""

from collections.abc import Sequence
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.types import RunMode
from omegaconf import OmegaConf

from swaplab.config.loader import Loader, search_path

WORDS: list[list[str]] = [
    [],
    ["experiment=faceswap_gan", "seed=9"],
    ["experiment=quick", "generator.latent=7", "+noise.blur=null"],
    ["experiment=quick", "norm=batch", "~loss/reconstruction"],
]


def composed(loader: ConfigLoaderImpl, words: Sequence[str]) -> Any:
    config = loader.load_configuration("train", list(words), RunMode.RUN, from_shell=False)
    return OmegaConf.to_container(config, resolve=False)


@pytest.mark.parametrize("words", WORDS)
def test_it_composes_as_hydra_and_no_composition_changes_the_next(words: list[str]) -> None:
    loader = Loader()  # first, because it also names the application
    expected = composed(ConfigLoaderImpl(search_path()), words)
    for before in WORDS:
        composed(loader, before)
        assert composed(loader, words) == expected
