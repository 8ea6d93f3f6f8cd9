"""What a config may make this program run: nothing but the components that swaplab ships or the user declared.

A config can come from a stranger: a run folder, a file from a paper. Three rules hold for it:
`_target_` names an exact class that one of our own config files names for the same kind of place; a user's own packages
are declared outside the config (``SWAPLAB_PACKAGES`` or the settings file); and it looks up nothing but itself. What a
config folder from outside may not do to Hydra is in `swaplab.config.loader`.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from swaplab.errors import UserError

# Kinds of place: a config's top-level keys that hold components, and the slots inside them that hold another kind.
KINDS = (
    "generator",
    "decoder",
    "bottleneck",
    "upsampling",
    "output",
    "discriminator",
    "judge",
    "norm",
    "attention",
    "mask",
    "mask_network",
    "code_match",
    "losses",
    "backbone",
    "history",
    "mixup",
    "noise",
    "transform",
    "optimizer",
    "plan",
    "schedule",
    "phases",
    "actions",
)
SLOTS = {
    "generator": {
        "decoder": "decoder",
        "bottleneck": "bottleneck",
        "upsampling": "upsampling",
        "output": "output",
        "norm": "norm",
        "attention": "attention",
        "mask": "mask",
    },
    "discriminator": {"norm": "norm", "attention": "attention", "network": "judge"},
    "attention": {"norm": "norm"},
    "losses": {"weight": "schedule", "margin": "schedule", "history": "history", "backbone": "backbone"},
    "noise": {"transform": "transform", "transforms": "transform"},
}
SETTINGS_FILE = Path("~/.config/swaplab/settings.yaml")
LOOKUPS = ("oc.select",)  # the resolvers that a config may use: they read the config itself
_PLAIN = (str, int, float, bool, type(None))


def kind_of(path: tuple[str, ...]) -> str | None:
    """The kind of component that may stand at a config path, or None where none may."""
    if not path or path[0] not in KINDS:
        return None
    return SLOTS.get(path[0], {}).get(path[-1], path[0])


@contextmanager
def lookups_only() -> Iterator[None]:
    """Inside the block no config can call anything: of OmegaConf's resolvers none is registered besides `LOOKUPS`.

    What reads the environment, files or the time is not refused by its name but is not there, however it is named.
    """
    from omegaconf.basecontainer import BaseContainer

    registered = BaseContainer._resolvers  # OmegaConf can forget resolvers, but cannot give them back
    BaseContainer._resolvers = {name: registered[name] for name in LOOKUPS}
    try:
        yield
    finally:
        BaseContainer._resolvers = registered


def targets_in(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every ``_target_`` in a tree of dicts and lists, with the path of its node."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield path, node["_target_"]
        for key, value in node.items():
            yield from targets_in(value, (*path, str(key)))
    elif isinstance(node, list):
        for value in node:
            yield from targets_in(value, path)


def _check_plain(node: Any, path: tuple[str, ...] = ()) -> None:
    """UserError for anything in which a ``_target_`` could stand unseen, such as YAML's pairs, which are tuples."""
    if isinstance(node, dict):
        for key, value in node.items():
            _check_plain(value, (*path, str(key)))
    elif isinstance(node, list):
        for value in node:
            _check_plain(value, path)
    elif not isinstance(node, _PLAIN):
        raise UserError(f"{'.'.join(path)} is a {type(node).__name__}, which no config has; write text or a number")


@cache
def shipped_targets() -> dict[str, frozenset[str]]:
    """For each kind, the exact classes that our own config files name there."""
    import swaplab.conf

    folder = Path(next(iter(swaplab.conf.__path__)))
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for file in sorted(folder.rglob("*.yaml")):
        group = file.relative_to(folder).parent.parts
        text = file.read_text()
        package = re.match(r"#\s*@package\s+(\S+)", text)
        place = tuple(package.group(1).split(".")) if package else group
        place = () if place == ("_global_",) else place
        for path, target in targets_in(yaml.safe_load(text)):
            kind = kind_of((*place, *path))
            if kind is not None:
                found[kind].add(target)
    return {kind: frozenset(targets) for kind, targets in found.items()}


def declared_packages() -> tuple[str, ...]:
    """The user's own packages: names in ``SWAPLAB_PACKAGES``, else ``packages`` of the settings file.

    UserError for a settings file that cannot be read, or whose ``packages`` are not a list of names.
    """
    named = os.environ.get("SWAPLAB_PACKAGES")
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip())
    try:
        content = yaml.safe_load(SETTINGS_FILE.expanduser().read_text()) or {}
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # RuntimeError: there is no home folder
        return ()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{SETTINGS_FILE} cannot be read ({' '.join(str(error).split())}); correct it") from None
    packages = content.get("packages", []) if isinstance(content, dict) else None
    if not isinstance(packages, list) or not all(isinstance(name, str) and name for name in packages):
        raise UserError(f"{SETTINGS_FILE} has no list of names under packages; write packages: [mylab]")
    return tuple(packages)


def named_packages(config: Any) -> tuple[str, ...]:
    """The declared packages if a config names a class of one of them (which may import the others), else none."""
    declared = declared_packages()
    starts = tuple(f"{package}." for package in declared)
    return declared if any(str(target).startswith(starts) for _, target in targets_in(config)) else ()


class _CurrentFolder(MetaPathFinder):
    """Finds declared packages in the current folder, and nothing else there."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is None and name in {package.split(".")[0] for package in declared_packages()}:
            return PathFinder.find_spec(name, [str(Path.cwd())])
        return None


def find_declared_packages() -> None:
    """From now on a declared package that is not installed is found in the current folder."""
    if not any(isinstance(finder, _CurrentFolder) for finder in sys.meta_path):
        sys.meta_path.append(_CurrentFolder())  # after all others: what is installed is never shadowed


def check_targets(config: Any) -> None:
    """Raise UserError unless a config is plain data, and every ``_target_`` in it may stand where it stands."""
    _check_plain(config)
    for path, target in targets_in(config):
        kind, place = kind_of(path), ".".join(path)
        allowed = shipped_targets()[kind] if kind else frozenset()
        own = any(str(target).startswith(f"{package}.") for package in declared_packages())
        if isinstance(target, str) and (target in allowed or (kind and own)):
            continue
        hint = f"choose one of {', '.join(sorted(allowed))}" if allowed else "no component belongs there"
        raise UserError(
            f"the config wants to run {target!r} at {place or 'its top'}, which is not allowed: {hint}; "
            f"for a package of your own, name it in SWAPLAB_PACKAGES"
        )


def check_origin(name: str, found: Any, place: str) -> None:
    """UserError unless what a declared package's ``_target_`` led to is that package's own.

    ``mylab.nets.os.system`` begins with mylab, too, where that module imports os.
    """
    if any(name in targets for targets in shipped_targets().values()):
        return
    home = f"{getattr(found, '__module__', None)}."
    if not any(home.startswith(f"{package}.") for package in declared_packages()):
        raise UserError(
            f"{place} wants to run {name!r}, which is not {name.split('.')[0]}'s own; name the class where it is "
            f"written, and its package in SWAPLAB_PACKAGES"
        )
