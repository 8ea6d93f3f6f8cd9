"""Completion candidates for the current word of a command line.

They come from the key types, the config tree and the run folders. Nothing is composed and no heavy package is imported,
so that completion is fast.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from swaplab.config import tree

DIRECTORY = "/"


def of_keys(keys: Any, words: Sequence[str], runs: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """Candidates for the last of ``words``; the TypedDict ``keys`` has the command's keys. ``runs`` maps a folder to
    the names of its runs."""
    from swaplab.config.keys import leaves, options_of

    key, sign, value = words[-1].partition("=")
    known = dict(leaves(keys))
    if not sign:
        given = {word.partition("=")[0] for word in words[:-1]}
        yield from (f"{name}=" for name in known if name not in given or name in ("run", "group"))
        return
    if key not in known:
        return
    options = options_of(known[key])
    if key == "run":
        options += runs(_value_of(words, "runs", "runs"))
    yield from (f"{key}={option}" for option in options or files(value))


def of_train(words: Sequence[str]) -> Iterator[str]:
    """Candidates for the last of ``words`` on a command line that Hydra composes."""
    mark = words[-1][: len(words[-1]) - len(words[-1].lstrip("+~"))]
    key, sign, value = words[-1][len(mark) :].partition("=")
    if not sign:
        yield from (f"{mark}{group}=" for group in _groups(words[:-1]) if group != "ablation")
        yield from (f"{mark}{found.name}=" for found in _keys(words[:-1]))
    elif key in tree.groups():
        before, comma, _ = value.rpartition(",")
        yield from (f"{mark}{key}={before}{comma}{option}" for option in tree.groups()[key])
    else:
        yield from (f"{mark}{key}={option}" for option in _options(key) or files(value))


def _groups(words: Sequence[str]) -> Iterator[str]:
    """The groups that a run with these words has."""
    for group in tree.groups():
        above, owners = group.rpartition("/")[0], tree.owners(group)
        if not owners or f"{above}={_value_of(words, above, tree.chosen()[above][0])}" in owners:
            yield group


def _keys(words: Sequence[str]) -> Iterator[tree.Key]:
    """The keys of train.yaml and of the chosen option of each group."""
    yield from tree.keys_of(tree.root() / "train.yaml")
    for group in _groups(words):
        option = _value_of(words, group, tree.chosen().get(group, ("", ""))[0])
        if group not in ("ablation", "experiment") and option in tree.groups()[group]:
            yield from tree.option(group, option).keys


def _options(key: str) -> list[str]:
    from swaplab.config.keys import leaves, options_of
    from swaplab.config.train import Train

    known = dict(leaves(Train))
    return options_of(known[key]) if key in known else []


def files(start: str) -> list[str]:
    """Paths that begin with ``start``; folders end with a slash."""
    folder, _, name = start.rpartition("/")
    place = Path(os.path.expanduser(f"{folder}/" if "/" in start else "."))
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return []
    hidden = name.startswith(".")
    shown = [e for e in entries if e.name.startswith(name) and (hidden or not e.name.startswith("."))]
    before = start[: len(start) - len(name)]
    return [f"{before}{e.name}{DIRECTORY if e.is_dir() else ''}" for e in shown]


def _value_of(words: Sequence[str], key: str, default: str) -> str:
    return next((word.partition("=")[2] for word in reversed(words) if word.startswith(f"{key}=")), default)
