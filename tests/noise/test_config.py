"""The noise files: order, one override for one thing; and the import that must stay off the network."""

import os
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from swaplab.noise.adapter import Albumentations
from swaplab.noise.blur import MotionBlur


def composed(*overrides: str) -> DictConfig:
    with initialize_config_module("swaplab.conf", version_base="1.3"):
        return compose(overrides=list(overrides)).noise


def test_default_noise_in_the_order_of_the_original() -> None:
    operations = instantiate(composed("+noise=default"))
    assert list(operations) == ["colour_match", "affine", "flip", "warp"]
    assert {name: op.scope for name, op in operations.items() if op.scope == "input"} == {"warp": "input"}


@pytest.mark.parametrize("name", ["default", "deepfakes_2017"])
def test_defaults_of_the_classes_are_those_of_the_files(name: str) -> None:
    for key, node in composed("+noise=default", "+noise/op@noise.motion_blur=motion_blur").items():
        built, plain = instantiate(node), type(instantiate(node))()
        assert {k: getattr(built, k) for k in node if k != "_target_"} == {
            k: getattr(plain, k) for k in node if k != "_target_"
        }, key


def test_one_override_changes_adds_or_removes_one_thing() -> None:
    assert instantiate(composed("+noise=default", "noise.warp.sigma=[0.01,0.02]")).warp.sigma == (0.01, 0.02)
    assert list(composed("+noise=default", "~noise.flip")) == ["colour_match", "affine", "warp"]
    added = instantiate(composed("+noise=default", "+noise/op@noise.motion_blur=motion_blur"))
    assert list(added)[-1] == "motion_blur"
    assert isinstance(added.motion_blur, MotionBlur)
    assert composed("+noise=none") == {}


def test_a_library_transform_from_a_config() -> None:
    overrides = ["+noise=none", "+noise/op@noise.grain=grain", "+noise/op@noise.jpeg=jpeg"]
    for name, operation in instantiate(composed(*overrides)).items():
        assert isinstance(operation, Albumentations), name
        assert operation.transform.p == 0.5
    grain = instantiate(composed(*overrides, "noise.grain.scope=both", "noise.grain.transform.p=0.1")).grain
    assert (grain.scope, grain.transform.p) == ("both", 0.1)
    with pytest.raises(InstantiationException, match="no option std_rnge"), pytest.warns(UserWarning, match="std_rnge"):
        instantiate(composed(*overrides, "+noise.grain.transform.std_rnge=1"))


def test_2017_noise() -> None:
    noise = composed("+noise=deepfakes_2017")
    assert list(noise) == ["colour_shift", "affine", "flip", "warp"]
    assert (noise.affine.zoom, noise.flip.p, noise.warp.coverage) == (0.05, 0.4, [0.6667, 0.6667])
    assert noise.affine.degrees == 10


def test_importing_opens_no_socket() -> None:
    watch = """
import socket, sys
tried = []
def refuse(*args, **kwargs):
    tried.append(args)
    raise OSError("no network here")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
import swaplab.noise.adapter
assert not tried, tried
import albumentations.check_version, warnings
warnings.simplefilter("ignore")
albumentations.check_version.check_for_updates()
assert tried, "the watch does not see the library's own check"
"""
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE" and "proxy" not in k.lower()}
    subprocess.run([sys.executable, "-c", watch], check=True, env=environment)
