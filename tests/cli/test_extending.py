"""docs/extending.md, followed word for word in an empty folder."""

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import pytest
import torch
import yaml

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.networks.contract import check_discriminator, check_generator, check_layer
from swaplab.noise.adapter import Albumentations
from swaplab.noise.pipeline import NoisePipeline
from swaplab.runs.record import RunRecord

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
LINES = [line for language, text in BLOCKS if language == "bash" for line in text.replace("\\\n", "").splitlines()]
TESTING, *TRAINING = LINES
PARTS = ("generator", "discriminator", "mask", "attention", "loss")


@pytest.fixture
def followed(tmp_path: Path) -> Path:
    """A folder with the page's files."""
    for language, text in BLOCKS:
        if language in ("python", "yaml"):
            head, _, body = text.partition("\n")
            place = tmp_path / head.removeprefix("# ")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(body)
    (tmp_path / "json.py").write_text("raise SystemExit('the current folder was imported')\n")
    return tmp_path


@pytest.fixture
def small(tiny: list[str]) -> list[str]:
    """Overrides of a run of one step, for any generator."""
    return [word for word in tiny if not word.startswith("generator.")] + ["budget.images=16", "every.sample=16"]


def test_a_component_is_one_source_one_config_and_one_test_file(followed: Path) -> None:
    for part in PARTS:
        config = "conf/loss/tint/mine.yaml" if part == "loss" else f"conf/{part}/mine.yaml"
        assert all((followed / file).is_file() for file in (f"mylab/{part}.py", config, f"tests/test_{part}.py"))
    sources = {file.stem for file in followed.glob("mylab/*")} - {"noise"}  # an operation is tested below
    assert len([*sources, *followed.glob("tests/*")]) == 2 * len(PARTS)


@pytest.fixture
def importing(followed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The author's package can be imported and is declared; afterwards it is forgotten."""
    monkeypatch.syspath_prepend(followed)
    monkeypatch.setenv("SWAPLAB_PACKAGES", "mylab")
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "mylab"]:
        del sys.modules[name]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.usefixtures("importing")
def test_the_tests_of_the_author_pass(followed: Path, part: str) -> None:
    tests = runpy.run_path(str(followed / "tests" / f"test_{part}.py"))
    called = [test for name, test in tests.items() if name.startswith("test_")]
    assert called
    for test in called:
        test()


@pytest.mark.parametrize(
    ("line", "channels"), [(TRAINING[0], 8), pytest.param(TRAINING[1], 16, marks=pytest.mark.slow)]
)
def test_the_page_trains_as_it_is_written(
    followed: Path, small: list[str], process: Callable[..., Any], line: str, channels: int
) -> None:
    setting, program, name_of, *words = shlex.split(line)
    assert program == "swaplab"
    name, _, value = setting.partition("=")
    started = process(name_of, *words, *small, env={name: value}, cwd=followed)
    assert started.wait() == 0, started.err
    (file,) = (followed / "runs").glob("*/*/run.json")
    record = RunRecord.load(file.parent)
    config, last = record.config(), record.metrics()[-1]
    assert config["generator"]["channels"] == channels
    assert all(config[part]["_target_"].startswith(f"mylab.{part}.") for part in PARTS if part != "loss")
    terms = ("generator/tint", "generator/composed", "generator/mask_size", "discriminator/real_or_fake")
    assert all(f"loss/{term}" in last for term in terms)


@pytest.mark.slow
def test_the_page_tests_as_it_is_written(followed: Path) -> None:
    python, *words = shlex.split(TESTING)
    assert python == "python"
    (followed / "json.py").unlink()  # the interpreter itself imports the current folder
    done = subprocess.run([sys.executable, *words], cwd=followed, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_noise_of_the_page_is_noise(followed: Path) -> None:
    scope: dict[str, Any] = {}
    exec((followed / "mylab/noise.py").read_text(), scope)
    fog = yaml.safe_load((followed / "conf/noise/op/fog.yaml").read_text())
    transform = fog.pop("transform")
    library = getattr(albumentations, transform.pop("_target_").rpartition(".")[2])
    operations = {"darker": scope["Darker"](), "fog": Albumentations(library(**transform | {"p": 1.0}), fog["scope"])}
    face = np.full((48, 48, 3), 90, np.uint8)
    for name, operation in operations.items():
        pair = NoisePipeline({name: operation}, Alignment(32), seed=0)("A", 0, face)
        assert np.array_equal(pair.target, face[8:40, 8:40])
        assert (pair.input < 90).any() if name == "darker" else (pair.input > 90).any()


# What an author may get wrong: a text of the page, what stands there instead, and what the sentence says.
WRONG = [
    ("generator", "def decode", "def decipher", "Small has no decode; swaplab.networks.protocols.Generator says"),
    ("generator", "(nn.Module)", "", "Small is not an nn.Module"),
    ("generator", "tuple(identities)", "('A',)", "Small.identities must be ('A', 'B'); got ('A',)"),
    ("generator", "return SwapOutput(", "return (", "Small.decode must return a SwapOutput; got a tuple"),
    ("generator", ".sigmoid()", "", "colours of Small.decode must be in [0, 1]; got -"),
    ("generator", "4, 2, 1)", "3, 1, 1)", "decode must have shape (2, 3, 64, 64); got shape (2, 3, 32, 32)"),
    ("generator", "self.encoder(faces)", "self.encoder(faces).mean()", "encode must return a tensor (n, ...)"),
    ("generator", "encoder(faces)", "missing(faces)", "cannot encode faces of shape (2, 3, 64, 64): 'Small'"),
    ("discriminator", "def judge", "def look", "Glance has no judge; swaplab.networks.protocols.Discriminator"),
    ("discriminator", "condition], 1))", "condition], 1)).mean()", "judge must return scores (n, k, h, w)"),
    ("discriminator", "[faces, condition]", "[faces]", "cannot judge faces of shape (2, 3, 64, 64): Given groups"),
    ("mask", "keepdim=True", "keepdim=False", "the alpha of Alpha must have shape (2, 1, 4, 4); got shape"),
    ("mask", "torch.sigmoid(", "2 * (", "the alpha of Alpha must be in [0, 1]; got 4.39 to 4.39"),
    ("attention", "features * gains", "1 * gains", "must return features of the shape that it gets, (2, 8, 4, 4)"),
    ("attention", "def forward", "def apply", "cannot take features of shape (2, 8, 4, 4): Module [Gate]"),
]
NETWORKS = {"generator": check_generator, "discriminator": check_discriminator}


@pytest.mark.parametrize(("part", "before", "after", "says"), WRONG)
def test_what_an_author_gets_wrong_is_one_sentence(
    followed: Path, part: str, before: str, after: str, says: str
) -> None:
    source = (followed / "mylab" / f"{part}.py").read_text()
    assert before in source
    made: dict[str, Any] = {"__name__": part}
    exec(source.replace(before, after), made)
    component = next(value for value in made.values() if getattr(value, "__module__", None) == part)
    torch.manual_seed(0)  # other first weights may happen to draw colours within the range
    if part in NETWORKS:
        check = partial(NETWORKS[part], component(("A", "B"), resolution=64), ("A", "B"), 64)
    else:
        options = {"start": 0.9} if part == "mask" else {}
        check = partial(check_layer, component(8, **options), part, torch.ones(2, 8, 4, 4))
    with pytest.raises(UserError) as error:
        check()
    assert str(error.value).startswith(f"{part}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("part", "before", "after", "says"),
    [
        ("mask", "torch.sigmoid(", "2 * (", "mask: the alpha of Alpha must be in [0, 1]; got 4.39"),
        ("loss", "step.mean(", "(", "loss.tint must return a scalar tensor, such as a sum of step.mean(...)"),
    ],
)
@pytest.mark.usefixtures("importing")
def test_a_run_says_so_before_its_first_step(
    followed: Path,
    small: list[str],
    command: Callable[..., tuple[int, str, str]],
    part: str,
    before: str,
    after: str,
    says: str,
) -> None:
    file = followed / "mylab" / f"{part}.py"
    file.write_text(file.read_text().replace(before, after))
    code, _, complaint = command("train", "--config-dir", str(followed / "conf"), "experiment=ours", *small)
    assert (code, complaint.count("\n")) == (2, 1), complaint
    assert says in complaint
    assert not [*(followed / "runs").glob("*/*/run.json")]


def test_a_package_that_is_not_declared_or_not_there_is_said(
    followed: Path, small: list[str], process: Callable[..., Any]
) -> None:
    for package, says in (("", "is not allowed"), ("mylab", "mylab")):
        folder = followed if not package else followed / "conf"
        words = ["--config-dir", followed / "conf", "experiment=ours", *small]
        started = process("train", *words, env={"SWAPLAB_PACKAGES": package}, cwd=folder)
        assert started.wait() == 2, started.err
        assert says in started.err
        assert started.err.count("\n") == 1


@pytest.mark.slow
def test_no_process_of_a_sweep_imports_what_lies_in_the_current_folder(
    followed: Path, tiny: list[str], process: Callable[..., Any]
) -> None:
    for name in ("yaml", "torch", "swaplab", "hydra_plugins"):
        (followed / f"{name}.py").write_text("raise SystemExit('the current folder was imported')\n")
    words = [*tiny, "budget.images=16", "every.sample=16", "-m", "seed=1", "trainer=ddp_cpu"]
    started = process("train", *words, cwd=followed)
    assert started.wait(600) == 0, started.out + started.err
