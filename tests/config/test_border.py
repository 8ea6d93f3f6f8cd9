"""The border of the config: every key with every kind of bad value, and keys that nothing reads."""

import math
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from swaplab.config.border import checked
from swaplab.config.build import build
from swaplab.errors import UserError
from swaplab.experiment.data import build_noise
from swaplab.networks.building import build_networks, check_parts
from swaplab.synthetic.dataset import people_of
from swaplab.synthetic.profile import profiles
from swaplab.training.assemble import build_actions, build_terms, check_composition
from swaplab.training.optimizers import build_optimizers

Compose = Callable[[list[str]], dict[str, Any]]
Command = Callable[..., tuple[int, str, str]]
Place = tuple[str | int, ...]

CONF = Path(__file__).parents[2] / "conf"
BAD = (None, "", "abc", True, 0, -1, 0.5, 10**9, math.nan, math.inf, -math.inf, [], [-1], {}, "runs/last.ckpt")
NETWORKS = ("generator", "discriminator", "mask_network", "spectral", "size")
SYSTEMS = (
    ["experiment=quick"],
    [
        "experiment=cyclegan",
        "generator.blocks=1",
        "noise/mixup=codes",
        "mask=learned_separate",
        "init_from={run: x, parts: [a], frozen: true}",
    ],
)


def places(node: Any, place: Place = ()) -> Iterator[Place]:
    """Every mapping, list and leaf of a config."""
    if place:
        yield place
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield from places(value, (*place, key))


def changed(config: Mapping[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """A config with another value in a place."""
    result = deepcopy(dict(config))
    node: Any = result
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    return result


def put_together(config: Mapping[str, Any], key: str) -> None:
    """Build what depends on a key at the top of the config."""
    if key == "data" and config["data"]["kind"] == "synthetic":
        profiles(config["data"]["profile"], people_of(config["data"]["identities"]))
    elif key == "noise":
        build_noise(config)
        build(config["noise"].get("mixup"), "noise.mixup")
    elif key in ("loss", "phases"):
        build_terms(config)
    elif key == "actions":
        build_actions(config)
    elif key == "optimizer":
        build_optimizers(config)
    elif key in NETWORKS:
        build_networks(config, ("A", "B"), 64)
    elif key in ("updates", "schedule", "norm", "attention", "mask"):
        build(config[key], key)
    elif key in ("attention_sites", "composed_by", "composition", "data_masks"):
        check_parts(config)
        check_composition(config)


def fault(config: Mapping[str, Any], place: Place, value: Any) -> str | None:
    """What is wrong with how a value is taken: it is neither refused in one sentence nor does all work with it."""
    name = ".".join(map(str, place))
    try:
        put_together(checked(changed(config, place, value)), str(place[0]))
    except UserError as error:
        said = str(error)
        if "\n" in said.strip() or "pydantic" in said or "Input should" in said:
            return f"{name}={value!r} is no sentence: {said}"
        if ";" not in said and " must " not in said:
            return f"{name}={value!r} is refused without what to do: {said}"
    except Exception as error:
        return f"{name}={value!r}: {type(error).__name__}: {error}"
    return None


def faults(config: Mapping[str, Any]) -> list[str]:
    found = (fault(config, place, value) for place in places(config) for value in BAD)
    return [text for text in found if text is not None]


@pytest.mark.parametrize("words", SYSTEMS, ids=lambda words: words[0])
def test_every_key_takes_a_value_or_says_in_one_sentence_why_not(compose: Compose, words: list[str]) -> None:
    assert not faults(compose([*words, "size=tiny"]))


@pytest.mark.slow
@pytest.mark.parametrize("experiment", sorted(file.stem for file in (CONF / "experiment").glob("*.yaml")))
def test_every_key_of_every_system(compose: Compose, experiment: str) -> None:
    assert not faults(compose([f"experiment={experiment}", "size=tiny"]))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("+bugdet.images=5", "unknown key bugdet; did you mean budget"),
        ("+trainer.max_tme=1", "unknown key trainer.max_tme; did you mean trainer.max_time"),
        ("+logger.wandb.entitty=me", "unknown key logger.wandb.entitty; did you mean logger.wandb.entity"),
        ("+watchers={early: {}}", "unknown key watchers; remove it, or if a config file sets it"),
        ("+callbacks={early: {}}", "callbacks.early"),
        ("trainer.gradient_clip_val=1", "trainer.gradient_clip_val is not a key: clip per network"),
        ("+generator.foo=1", "unknown key generator.foo; generator has width"),
        ("+generator.wdith=1", "unknown key generator.wdith; did you mean generator.width"),
        ("+generator.resolution=32", "generator.resolution is set by the program; remove it"),
        ("bottleneck=spatial", "unknown key bottleneck; did you mean generator/bottleneck?"),
        ("output.range=unit", "unknown key output.range; did you mean generator.output.range?"),
        ("generator/botleneck=fc", "unknown key generator/botleneck; did you mean generator/bottleneck?"),
        ("loss=l1", "loss has no options of its own; choose one of its groups, such as loss/adversarial=OPTION"),
        ("+norm.channels=3", "unknown key norm.channels"),
        ("+norm._args_=[3]", "unknown key norm._args_"),
        ("+updates._partial_=true", "unknown key updates._partial_"),
        ("+schedule.at=[0]", "unknown key schedule.at"),
        ("+optimizer.generator.lrr=1", "unknown key optimizer.generator.lrr"),
        ("+optimizer.critic={lr: 1}", "unknown key optimizer.critic"),
        ("+loss.reconstruction.wieght=1", "unknown key loss.reconstruction.wieght; did you mean"),
        ("+loss.cycle.weight=1", "loss.cycle is off, so setting its weight has no effect"),
        ("+noise.blur.p=0.5", "noise.blur is off, so setting its p has no effect"),
        ("+noise.warp.sgima=[0,1]", "unknown key noise.warp.sgima; did you mean noise.warp.sigma"),
        ("+data_masks.nose=true", "data_masks.nose"),
        ("+data.profile.default.p_hat=0.5", "unknown key data.profile.default.p_hat"),
        ("+data.profile.identities.A.p_hat=0.5", "unknown key data.profile.identities.A.p_hat"),
        ("+data.identities.C.sede=5", "data.identities.C"),
        ("~seed", "seed is missing; set seed=VALUE"),
        ("~budget.images", "budget.images is missing; set budget.images=VALUE"),
        ("~norm", "norm is missing; choose norm=affine_only"),
        ("~loss.reconstruction._target_", "loss.reconstruction is off"),
        ("generator.bottleneck={side: 8}", "generator.bottleneck"),
        ("~norm._partial_", "norm._partial_ is missing; set it to true"),
        ("~optimizer.generator", "optimizer.generator is missing"),
        ("norm=null", "norm=null is not an option of the group; choose norm=affine_only"),
        ("experiment=null", "experiment=null is not an option of the group; choose experiment=cyclegan"),
        ("data.resolution=96", "96"),
        ("optimizer.generator.lr=-1", "optimizer.generator cannot be built: Invalid learning rate: -1"),
        ("batch_size=8.5", "batch_size=8.5 must be a whole number of at least 1"),
        ("budget.images=1e400", "budget.images=Infinity must be a whole number"),
        ("ema.half_life=nan", "ema.half_life=NaN must be a number of at least 1"),
        ("seed=true", "seed=true must be a whole number"),
        ("joint_pass=1", "joint_pass=1 must be true or false"),
        ("init_from.parts=[generator]", "init_from.run=null must be a non-empty string (the run's folder)"),
        ("init_from=last.ckpt", "init_from=last.ckpt must be a mapping with run"),
        ("trainer.precision=fp16", "trainer.precision=fp16 must be"),
        ("trainer.threads=-2", "trainer.threads=-2 must be a whole number of at least 1 or null"),
        ("data.kind=films", "data.kind=films must be synthetic or facesets"),
        ("run_id=..", "run_id=.. must be a folder name"),
        ("name=/tmp/x", "name=/tmp/x must be"),
        ("name=..", "name=.. must be"),
        ("name=.hidden", "name=.hidden must be"),
        ("name=''", 'name="" must be'),
        (f"run_id={'x' * 201}", "must be a folder name"),
        ('name="a\tb"', "must be a folder name"),
    ],
)
def test_a_bad_word_is_one_sentence_and_nothing_is_written(
    command: Command, tmp_path: Path, word: str, said: str
) -> None:
    cache = tmp_path / "cache"
    code, _, complaint = command("train", f"runs={tmp_path / 'runs'}", f"data.cache={cache}", "size=tiny", word)
    assert code == 2
    assert said in complaint
    assert complaint.startswith("swaplab train: ")
    assert complaint.count("\n") == 1
    assert not [*tmp_path.iterdir()]


def test_names_hold_whatever_a_folder_can(compose: Compose) -> None:
    for name in ("lr=1e-4", "two words", "a,b", "[x]", "2024", "ünï", "a.b"):
        assert compose([f"name='{name}'", f"run_id='{name}'"])["run_id"] == name
    assert compose(["name=2024"])["name"] == "2024"


def test_one_number_is_one_run_however_it_is_written(compose: Compose) -> None:
    plain = compose(["budget.images=100000", "generator.width=1", "loss.reconstruction.weight=2"])
    assert compose(["budget.images=1e5", "generator.width=1.0", "loss.reconstruction.weight=2.0"]) == plain
    assert type(plain["budget"]["images"]) is int
    assert type(plain["generator"]["width"]) is float


def test_the_border_keeps_what_is_right_as_it_is(compose: Compose) -> None:
    config = compose(["experiment=faceswap_gan", "+noise/op@noise.jpeg=jpeg"])
    assert checked(config) == config
    assert list(config["noise"]) == ["colour_match", "affine", "flip", "warp", "mixup", "jpeg"]


def test_a_file_for_another_place_is_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text("batch_size: 4\n")
    code, _, complaint = command("train", "--config-dir", str(tmp_path / "conf"), "experiment=mine")
    assert code == 2
    assert "unknown key experiment" in complaint
    assert "# @package _global_" in complaint


def test_runs_of_a_sweep_and_of_an_ablation_cross_it_before_any_starts(command: Command, tmp_path: Path) -> None:
    runs = f"runs={tmp_path / 'runs'}"
    for words in (["train", "-m", runs, "+trainer.foo=1,2"], ["ablation", "run", "norm", runs, "+trainer.foo=1"]):
        code, _, complaint = command(*words)
        assert code == 2
        assert "unknown key trainer.foo" in complaint
    assert not [*tmp_path.rglob("run.json")]


def test_other_commands_have_their_own_keys(command: Command, tmp_path: Path) -> None:
    for name, words, said in (
        ("evaluate", ["run=x", "split=tset"], "split=tset must be val or test"),
        ("evaluate", ["run=x", "wheights=best"], "unknown key wheights; did you mean weights"),
        ("convert", ["run=x", "input=a", "output=b", "feather=0.7"], "feather=0.7 must be a number from 0 to"),
        ("extract", ["input=x", "identity=A", "output=y", "resolution=63"], "resolution=63 must be"),
        ("extract", ["input=x", "identity=A", "output=y", "detector.batch=1"], "unknown key detector.batch"),
        ("render", [f"output={tmp_path / 'x'}", "video.rate=0"], "video.rate=0 must be a whole number"),
        ("report", ["run=x", "mixed_precision=2"], "mixed_precision=2 must be true or false"),
    ):
        code, _, complaint = command(name, *words)
        assert code == 2, (name, words)
        assert said in complaint
    assert not [*tmp_path.iterdir()]
