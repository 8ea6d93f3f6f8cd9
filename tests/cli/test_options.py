"""What `swaplab options` says is what the config tree holds."""

import resource
import subprocess
import sys
from collections.abc import Callable

import pytest
import yaml
from omegaconf import OmegaConf

from swaplab.config import tree
from swaplab.config.compose import composer

Command = Callable[..., tuple[int, str, str]]


def test_every_group_of_a_run_is_listed_and_explained(command: Command) -> None:
    code, out, _ = command("options")
    assert code == 0
    for group in tree.groups():
        assert f"\n{group} " in out
    entries = yaml.safe_load((tree.root() / "train.yaml").read_text())["defaults"]
    groups = [next(iter(entry)) for entry in entries if isinstance(entry, dict)]
    for group in (group for group in groups if not group.startswith(("override", "optional"))):
        default, what = tree.chosen()[group]
        assert default in (*tree.groups()[group], "null"), group
        assert what, f"{group} has no comment in train.yaml"
    # groups of a group's option: its comment, not what an experiment overrides
    assert tree.chosen()["generator/bottleneck"] == ("fc", "layers between encoder and decoder")
    assert "layers between encoder and decoder (generator=autoencoder)" in out
    # a tree: what is nested stands below what it belongs to
    at = [out.index(f"\n{group} ") for group in ("noise", "generator", "generator/bottleneck", "discriminator")]
    assert at == sorted(at)


def test_a_group_shows_the_groups_below_it(command: Command) -> None:
    _, out, _ = command("options", "loss")
    assert "loss/adversarial" in out
    assert "loss/real_or_fake/history" in out
    _, out, _ = command("options", "generator")
    assert "unet" in out.split("below generator:")[0]
    assert "generator/bottleneck" in out.split("below generator:")[1]


def test_an_option_is_shown_with_its_keys_and_its_source(command: Command) -> None:
    _, out, _ = command("options", "loss/adversarial")
    assert "lsgan" in out
    assert "Mao et al. 2017" in out
    _, out, _ = command("options", "norm", "group")
    assert "norm.groups" in out
    _, with_sign, _ = command("options", "norm=group")
    assert out == with_sign
    _, out, _ = command("options", "keys")
    assert "budget.images" in out


SLOW = [
    pytest.param(group, marks=pytest.mark.slow)
    for group in ("norm", "generator", "loss/adversarial", "loss/mask_size", "trainer")
]


@pytest.mark.parametrize("group", ["schedule", *SLOW])
def test_every_key_is_one_that_a_run_with_its_option_has(group: str) -> None:
    compose = composer("train")
    for name in tree.groups()[group]:
        if name not in ("wgan_gp_2018", "faceswap_gan_v1"):  # of whole systems
            config = compose(["~experiment", f"{group}={name}"])
            for key in tree.option(group, name).keys:
                value = OmegaConf.select(config, key.name, throw_on_missing=False, default="absent")
                assert value != "absent", (group, name, key)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["loss/adversarail"], "there is no group loss/adversarail; did you mean loss/adversarial"),
        (["bottlenek"], "there is no group bottlenek; did you mean generator/bottleneck"),
        (["loss", "l1"], "loss has no option l1; "),
        (["norm", "grop"], "norm has no option grop; did you mean group"),
        (["norm", "group", "groups"], "3 words were given"),
    ],
)
def test_a_wrong_name_gets_the_nearest(words: list[str], says: str, command: Command) -> None:
    code, _, err = command("options", *words)
    assert (code, says in err, err.count("\n")) == (2, True, 1), err


def test_it_answers_at_once() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "swaplab", "options", "loss/adversarial"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0  # seconds of the processor
