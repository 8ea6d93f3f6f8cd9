"""The code that a config may run: components that swaplab ships or that the user declared, nothing else.

A config may be untrusted, such as a run folder or a file from a paper. Three rules apply. `_target_` must be a class
that one of our config files uses in the same kind of place, an optimiser of torch where one belongs, or a class of a
package that the user declared. Packages are declared outside the config (``SWAPLAB_PACKAGES`` or the settings file).
Interpolations can only refer to the config itself. `swaplab.config.loader` restricts what external config folders can
do to Hydra.
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

from swaplab.config.optimizers import of_torch, unfit
from swaplab.config.slots import KINDS, kind_of
from swaplab.errors import UserError

SETTINGS_FILE = Path("~/.config/swaplab/settings.yaml")
LOOKUPS = ("oc.select",)  # allowed resolvers: they read only the config itself
OPTIMIZER = "optimizer"  # the kind whose components may be any of torch.optim
_PLAIN = (str, int, float, bool, type(None))


@contextmanager
def lookups_only() -> Iterator[None]:
    """A context in which only the resolvers in `LOOKUPS` are registered.

    Resolvers that read the environment, files or the time do not exist there, however a config spells their names.
    """
    from omegaconf.basecontainer import BaseContainer

    registered = BaseContainer._resolvers  # OmegaConf can clear resolvers, but cannot restore them
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
    """Raise UserError for types that could hide a ``_target_``, such as the tuples of YAML's !!pairs."""
    if isinstance(node, dict):
        for key, value in node.items():
            _check_plain(value, (*path, str(key)))
    elif isinstance(node, list):
        for value in node:
            _check_plain(value, path)
    elif not isinstance(node, _PLAIN):
        raise UserError(
            f"{'.'.join(path)} is a {type(node).__name__}, which is not allowed in a config; use text or a number"
        )


@cache
def shipped_targets() -> dict[str, frozenset[str]]:
    """The classes that our own config files use in each kind of place."""
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
    """The user's own packages: names in ``SWAPLAB_PACKAGES``, else ``packages`` in the settings file.

    Raises UserError if the settings file cannot be read or its ``packages`` is not a list of names.
    """
    named = os.environ.get("SWAPLAB_PACKAGES")
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip())
    try:
        content = yaml.safe_load(SETTINGS_FILE.expanduser().read_text()) or {}
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # RuntimeError: no home folder
        return ()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{SETTINGS_FILE} cannot be read ({' '.join(str(error).split())}); correct it") from None
    packages = content.get("packages", []) if isinstance(content, dict) else None
    if not isinstance(packages, list) or not all(isinstance(name, str) and name for name in packages):
        raise UserError(f"packages in {SETTINGS_FILE} must be a list of names, such as packages: [mylab]")
    return tuple(packages)


def named_packages(config: Any) -> tuple[str, ...]:
    """All declared packages if the config uses a class of one of them (which may import the others), else none."""
    declared = declared_packages()
    starts = tuple(f"{package}." for package in declared)
    return declared if any(str(target).startswith(starts) for _, target in targets_in(config)) else ()


class _CurrentFolder(MetaPathFinder):
    """Finds declared packages, and nothing else, in the current folder."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is None and name in {package.split(".")[0] for package in declared_packages()}:
            return PathFinder.find_spec(name, [str(Path.cwd())])
        return None


def find_declared_packages() -> None:
    """From now on, declared packages that are not installed are found in the current folder."""
    if not any(isinstance(finder, _CurrentFolder) for finder in sys.meta_path):
        sys.meta_path.append(_CurrentFolder())  # last, so that installed packages are never shadowed


def check_targets(config: Any) -> None:
    """Raise UserError unless a config is plain data and every ``_target_`` in it is allowed in its place."""
    _check_plain(config)
    for path, target in targets_in(config):
        kind, place = kind_of(path), ".".join(path)
        allowed = shipped_targets()[kind] if kind else frozenset()
        own = any(str(target).startswith(f"{package}.") for package in declared_packages())
        if isinstance(target, str) and (
            target in allowed or (kind and own) or (kind == OPTIMIZER and of_torch(target))
        ):
            continue
        if kind == OPTIMIZER and (reason := unfit(str(target))):
            raise UserError(f"{place}._target_={target} cannot train here: {reason}; choose another optimiser")
        hint = f"choose from {', '.join(sorted(allowed))}" if allowed else "no component belongs there"
        hint += ", or another optimiser of torch.optim" if kind == OPTIMIZER else ""
        raise UserError(
            f"_target_ {target!r} at {place or 'the top level'} of the config is not allowed: {hint}; "
            f"to use your own package, name it in SWAPLAB_PACKAGES"
        )


def check_origin(name: str, found: Any, place: str) -> None:
    """Raise UserError unless ``found``, imported by ``name``, is defined in a declared package.

    ``mylab.nets.os.system`` also begins with mylab if that module imports os.
    """
    if any(name in targets for targets in shipped_targets().values()) or of_torch(name):
        return
    home = f"{getattr(found, '__module__', None)}."
    if not any(home.startswith(f"{package}.") for package in declared_packages()):
        raise UserError(
            f"{place}: {name!r} is not defined in {name.split('.')[0]}; name the class by the module that defines it, "
            f"and declare its package in SWAPLAB_PACKAGES"
        )
