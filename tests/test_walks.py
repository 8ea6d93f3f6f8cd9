"""docs/architecture.md: every name exists, and the walks are taken in the order of the page; docs/reference.md."""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import swaplab
from swaplab.conversion.side_by_side import write_side_by_side
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import render
from swaplab.synthetic.states import FrameState

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "swaplab"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
NAME = re.compile(r"`([a-z_]+(?:\.\w+)+)`")
FIRST = {path.stem for path in SOURCE.iterdir()}  # what a name begins with


def names_in(text: str) -> list[str]:
    """The dotted names of swaplab in a text, in order."""
    return [name for name in NAME.findall(text) if name.split(".")[0] in FIRST]


def found(name: str) -> Any:
    """What a name stands for. Raises AttributeError if it does not exist."""
    parts = name.split(".")
    for count in range(len(parts), -1, -1):
        try:
            thing = importlib.import_module(".".join(["swaplab", *parts[:count]]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            thing = getattr(thing, part)
        return thing
    raise AttributeError(name)


def namesakes(name: str) -> list[str]:
    """Where functions and classes of the same last name are: what the page may mean."""
    written = re.compile(rf"^ *(?:async )?(?:def|class) {name.split('.')[-1]}\b", re.MULTILINE)
    files = {".".join(f.relative_to(SOURCE).with_suffix("").parts): f.read_text() for f in SOURCE.rglob("*.py")}
    return [module for module, text in files.items() if written.search(text)]


def missing(text: str) -> list[str]:
    """The names in a text that do not exist, each with the modules that have a namesake."""
    wrong = []
    for name in dict.fromkeys(names_in(text)):
        try:
            found(name)
        except AttributeError:
            wrong.append(f"{name}: maybe in {', '.join(namesakes(name)) or 'no module'}")
    return wrong


def test_every_name_exists() -> None:
    assert missing(PAGE) == []


def test_the_reference_names_what_exists_and_says_what_it_is() -> None:
    names = re.findall(r"^::: swaplab\.([\w.]+)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE)
    assert len(names) > 40
    assert missing(" ".join(f"`{name}`" for name in names if "." in name)) == []
    assert [name for name in names if not inspect.getdoc(found(name))] == []


def test_a_name_that_does_not_exist_is_found_with_its_namesake() -> None:
    page = "`errors.UserError` `moved.UserError` `data.UserError` `data.no.thing` `os.path` `key=value`"
    assert missing(page) == ["data.UserError: maybe in errors", "data.no.thing: maybe in no module"]


WALKS = ("An override", "A batch", "A metric", "A frame")


def called_by(name: str) -> str:
    """The function that runs when what a name stands for is called, of a class its constructor; maybe an inherited one.

    Empty for what has no such function, as the types of a config.
    """
    thing = found(name)
    code = getattr(inspect.unwrap(thing.__init__ if isinstance(thing, type) else thing), "__code__", None)
    module = inspect.getmodule(code)
    return f"{module.__name__.removeprefix('swaplab.')}.{code.co_qualname}" if code and module else ""


WATCHED = {called_by(name) for walk in WALKS for name in names_in(SECTIONS[walk])}


@contextmanager
def traced(calls: list[str]) -> Iterator[None]:
    """A context that adds to ``calls`` every call of a function that a walk names."""

    def note(frame: FrameType, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("swaplab."):
            name = f"{module.removeprefix('swaplab.')}.{frame.f_code.co_qualname}"
            if name in WATCHED:
                calls.append(name)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def out_of_step(walk: str, calls: list[str]) -> list[str]:
    """The names of a walk that were not called, or not after the name that the page has before them."""
    at, before, wrong = 0, "the beginning", []
    for name in names_in(SECTIONS[walk]):
        called = called_by(name)
        if called in calls[at:]:
            at, before = calls.index(called, at) + 1, name
        elif called:
            wrong.append(f"{name} was not called after {before}")
    return wrong


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("walked")


@pytest.fixture(scope="module")
def trained(place: Path, facesets: dict[str, Path]) -> list[str]:
    """The calls of a small training by the command."""
    from swaplab.cli.main import main

    words = [
        *("norm=group", "norm.groups=4", "data=facesets", f"runs={place}", "run_id=r", "generator.width=0.07"),
        *(f"data.identities.{name}={facesets[name]}" for name in "AB"),
        *("generator.latent=16", "batch_size=4", "workers=0", "budget.images=16", "every.report=8", "logger=none"),
        *("trainer.progress=false", "trainer.threads=1"),
    ]
    calls: list[str] = []
    for name in names_in(SECTIONS["An override"]):  # what an earlier test left in a cache would not be called
        getattr(found(name), "cache_clear", lambda: None)()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWAPLAB_PACKAGES", "")
        patch.setattr(sys, "argv", ["swaplab", "train", *words])
        with traced(calls), pytest.raises(SystemExit, match="0"):
            main()
    return calls


@pytest.fixture(scope="module")
def used(place: Path, trained: list[str]) -> list[str]:
    """The calls of training, then of an evaluation and its page, then of a conversion."""
    calls, run = [*trained], swaplab.Run.open("r", place)
    with traced(calls):
        run.evaluate(split="val")
        report: Callable[..., Any] = importlib.import_module("swaplab.report.page").write_report
        report([run.folder], place / "page.html")
    return calls


@pytest.fixture(scope="module")
def converted(place: Path, trained: list[str]) -> list[str]:
    """The calls of the conversion of a short film."""
    calls, film = list[str](), np.stack([render(person("A"), FrameState(), 192).image] * 4)
    write_side_by_side(place / "film.mp4", {"A": film}, 4)
    with traced(calls):
        swaplab.Run.open("r", place).convert(place / "film.mp4", place / "swapped.mp4", label="AI-altered")
    return calls


@pytest.mark.parametrize("walk", ["An override", "A batch"])
def test_training_takes_the_walks_of_the_page(walk: str, trained: list[str]) -> None:
    assert out_of_step(walk, trained) == []


@pytest.mark.slow
def test_a_metric_takes_the_walk_of_the_page(used: list[str]) -> None:
    assert out_of_step("A metric", used) == []


@pytest.mark.slow
def test_a_frame_takes_the_walk_of_the_page(converted: list[str]) -> None:
    assert out_of_step("A frame", converted) == []


def test_a_walk_in_another_order_is_found() -> None:
    calls = [called_by(name) for name in names_in(SECTIONS["A frame"])]
    assert out_of_step("A frame", calls) == []
    assert out_of_step("A frame", calls[::-1])
    assert out_of_step("A frame", calls[1:]) == ["experiment.run.Run.convert was not called after the beginning"]
