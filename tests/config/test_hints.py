"""Every KEY=VALUE that a message, a help text, a comment or a page recommends exists in conf/ or in a command."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typing_extensions import is_typeddict

from swaplab.config import commands, tree
from swaplab.config.border import readable
from swaplab.config.keys import leaves

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("scripts/*.*")]
OWN = "extending.md"  # a page about options that a user adds; tests/cli/test_extending.py runs it
FILLED_IN = "*"  # stands for what an f-string fills in
WORD = re.compile(r"(?<![\w./=$?&<>{\"-])[+~]{0,2}([A-Za-z][\w/@.*]*)=([\w*,-]*)")


@cache
def known() -> frozenset[str]:
    """Dotted keys: those that the files of conf/ set, with the groups above them, and those of all commands."""
    found = {"resolved", "evaluate", "slots"}  # of a job of a sweep; of an ablation
    for file in tree.root().rglob("*.yaml"):
        group = file.parent.relative_to(tree.root()).as_posix()
        package = tree.PACKAGE.search(text := file.read_text())
        owner = package[1].removeprefix("_global_") if package else group.replace("/", ".").strip(".")
        owner = f"noise.{file.stem}" if group == "noise/op" else owner
        found |= {f"{owner}.{name}".strip(".") for name in names_in(yaml.load(text, tree.LOADER))}
    keys = [keys for keys in vars(commands).values() if is_typeddict(keys)]
    return frozenset(found | {name for of_one in keys for name, _ in leaves(of_one)})


def names_in(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        yield str(key)
        yield from (f"{key}.{name}" for name in names_in(value))


@cache
def exists(key: str, value: str) -> bool:
    """Whether a command takes KEY=VALUE, as far as its form tells. Capitals stand for anything."""
    group = key.partition("@")[0]
    if group in tree.groups():
        options = (*tree.groups()[group], "null", "")
        return all(name in options or name[:1].isupper() or FILLED_IN in name for name in value.split(","))
    free = "data.identities.", "data.profile.identities.", "callbacks.", "logger."
    return (
        key.isupper()
        or key.startswith(("hydra/", "hydra."))
        or (key.startswith(free) and readable(key))
        or any(fnmatchcase(name, key) for name in known())
    )


def wrong(text: str) -> list[str]:
    """The words of a text that no command takes: of `swaplab train` all are read, elsewhere those that name a group, a
    part of one, or a key below another."""
    parts = {group.rpartition("/")[2] for group in tree.groups()}
    return [
        word[0]
        for line in text.splitlines()
        for word in WORD.finditer(line)
        if ("swaplab train" in line or word[1] in parts or "/" in word[1] or "." in word[1])
        and not exists(word[1], word[2])
    ]


def strings(file: Path) -> Iterator[str]:
    """The strings of a module."""
    parts = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else FILLED_IN for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def test_messages_and_help_texts_name_what_exists() -> None:
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("scripts/*.py")]
    assert len(files) > 100
    assert [(file.name, word) for file in files for text in strings(file) for word in wrong(text)] == []


def test_pages_and_comments_name_what_exists() -> None:
    files = [file for file in (*PAGES, *tree.root().rglob("*.yaml")) if file.name != OWN and file.suffix != ".py"]
    assert [(file.name, word) for file in files for word in wrong(file.read_text())] == []


@pytest.mark.parametrize(
    "text",
    [
        "choose bottleneck=fc",
        "set loss/adversarial=lsgann or loss/mask_loss=none",
        "set losses.adversarial.weight=1",
        "set size.scale=2",
        "swaplab train plan=joint",
        "swaplab train -m norm=none,sync seed=1",
    ],
)
def test_what_does_not_exist_is_found(text: str) -> None:
    assert wrong(text)


def test_what_exists_is_not_complained_of() -> None:
    assert not wrong(
        "swaplab train -m norm=none,group seed=1 '+data.identities.C={seed: 7}' +noise/op@noise.blur=blur ~noise.warp\n"
        "loss/adversarial=OPTION generator.bottleneck.side=4 detector.min_face=20 output=x identity=A hydra.sweep.dir=x"
    )
