"""The config tree is small at the top, a group's name is the key it sets, and one table says what may stand where."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from swaplab.config import slots, train, tree
from swaplab.config.slots import GROUPS, KINDS, SHARED, SLOTS, Slot, kind_of

FILES = sorted(tree.root().rglob("*/*.yaml"))
# Whole systems and questions set any key; the name of a noise operation is chosen where it is used.
FREE = ("experiment", "ablation", "debug", "noise/op")


def misplaced(root: Path) -> list[str]:
    """Folders at the top of a config tree that are no group."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and path.name not in GROUPS)


def test_there_are_few_groups_at_the_top_and_no_others(tmp_path: Path) -> None:
    assert len(GROUPS) <= 19
    assert not [name for name in misplaced(tree.root()) if name != "__pycache__"]
    (tmp_path / "norm").mkdir()
    (tmp_path / "bottleneck").mkdir()
    assert misplaced(tmp_path) == ["bottleneck"]


def keys_set(file: Path) -> Iterator[str]:
    """The dotted keys of a config file, from the top of the config."""
    text = file.read_text()
    package = tree.PACKAGE.search(text)
    group = file.parent.relative_to(tree.root()).as_posix().replace("/", ".")
    above = package[1].removeprefix("_global_") if package else group
    for path in leaves(yaml.safe_load(text)):
        yield ".".join(filter(None, (above, *path)))


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, (*path, str(key)))
    elif path:
        yield path


@pytest.mark.parametrize("group", [group for group in tree.groups() if group.split("/")[0] not in FREE[:3]])
def test_the_name_of_a_group_is_the_key_it_sets(group: str) -> None:
    if group in FREE:
        return
    key = group.replace("/", ".")
    for name in tree.groups()[group]:
        found = list(keys_set(tree.root() / group / f"{name}.yaml"))
        if name == "none" and not found:
            continue  # the key exists only if something stands there
        assert any(place == key or place.startswith(f"{key}.") for place in found), f"{group}={name} sets {found}"


def test_every_nested_group_is_described_where_it_is_declared() -> None:
    for group in tree.groups():
        if group not in FREE:
            assert tree.chosen()[group][1], f"{group} has no comment in the defaults list that names it"


def test_parts_of_a_generator_exist_where_it_declares_them() -> None:
    assert tree.owners("generator/bottleneck") == ("generator=autoencoder",)
    assert "generator=unet" not in tree.owners("generator/code_match")
    assert tree.owners("data/profile") == ("data=panel", "data=synthetic")
    assert tree.owners("noise/mixup") == tree.owners("loss/edge") == tree.owners("norm") == ()


def test_what_a_place_takes_is_read_from_the_table() -> None:
    assert kind_of(("generator", "norm")) == "norm"
    assert kind_of(("generator", "code_match")) == "code_match"
    assert kind_of(("generator", "attention", "norm")) == "norm"
    assert kind_of(("discriminator", "network", "norm")) == "norm"
    assert kind_of(("generator", "bottleneck", "own")) == "bottleneck"  # a user's class may hold others
    assert kind_of(("optimizer", "generator")) == "optimizer"
    assert kind_of(("noise", "warp")) == "noise"
    assert kind_of(("noise", "mixup")) == "mixup"
    assert kind_of(("loss", "weight")) == "loss"  # a term may have any name
    assert kind_of(("loss", "mask", "weight")) == "schedule"
    for path in ((), ("seed",), ("loss",), ("noise",), ("optimizer",), ("optimizer", "critic"), ("data", "norm")):
        assert kind_of(path) is None, path
    assert SHARED == ("norm", "attention", "mask")


def test_the_table_is_complete_in_itself() -> None:
    inside = {name for kind in KINDS.values() for name in (*kind.inside.values(), *kind.beside.values())}
    assert inside | {slot.kind for slot in SLOTS.values()} == set(KINDS)


def test_a_new_slot_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(slots.SLOTS, "voice", Slot("norm", off=True, meaning="how it sounds"))
    assert kind_of(("voice",)) == "norm"
    assert "voice" in train._components()


def test_no_comment_lists_the_values_of_its_key() -> None:
    for file in [*FILES, tree.root() / "train.yaml"]:
        for line in file.read_text().splitlines():
            listed = re.search(r": ([\w-]+)\s+# \1(?:(?:,| \|) [\w-]+)+$", line)
            assert not listed, f"{file}: {line}; the type of the key says what it takes"
