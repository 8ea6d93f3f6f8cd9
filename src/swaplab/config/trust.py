"""What a config may make this program run: nothing but the components that swaplab ships or the user declared.

A config can come from a stranger: a run folder, a file from a paper. Three rules hold for it:
`_target_` names an exact class that one of our own config files names for the same kind of place; a user's own packages
are declared outside the config (``SWAPLAB_PACKAGES`` or the settings file); a file from outside sets nothing of
Hydra's own and reads no environment, which is checked on the raw YAML, before Hydra composes it.
"""

import os
import re
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path
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
    "norm",
    "attention",
    "mask",
    "mask_network",
    "code_match",
    "losses",
    "history",
    "mixup",
    "noise",
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
    "discriminator": {"norm": "norm", "attention": "attention"},
    "attention": {"norm": "norm"},
    "losses": {"weight": "schedule", "margin": "schedule", "history": "history"},
}
SETTINGS_FILE = Path("~/.config/swaplab/settings.yaml")
_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")


def kind_of(path: tuple[str, ...]) -> str | None:
    """The kind of component that may stand at a config path, or None where none may."""
    if not path or path[0] not in KINDS:
        return None
    return SLOTS.get(path[0], {}).get(path[-1], path[0])


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
    """The user's own packages: names in ``SWAPLAB_PACKAGES``, else ``packages`` of the settings file."""
    named = os.environ.get("SWAPLAB_PACKAGES")
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip())
    settings = SETTINGS_FILE.expanduser()
    if not settings.exists():
        return ()
    content = yaml.safe_load(settings.read_text()) or {}
    return tuple(content.get("packages", ()))


def named_packages(config: Any) -> tuple[str, ...]:
    """The declared packages if a config names a class of one of them (which may import the others), else none."""
    declared = declared_packages()
    starts = tuple(f"{package}." for package in declared)
    return declared if any(str(target).startswith(starts) for _, target in targets_in(config)) else ()


def check_targets(config: Any) -> None:
    """Raise UserError unless every ``_target_`` of a composed config may stand where it stands."""
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


def check_stranger(file: Path) -> None:
    """Raise UserError if a config file from outside touches Hydra's own settings or reads the environment.

    Reads the raw YAML: by the time Hydra has composed a file, its logging settings could have run code.
    """
    try:
        text = file.read_text()
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"config file {file} cannot be read ({error}); correct or remove it") from None
    first_line = re.search(r"^#\s*@package\s+(\S+)", text, re.MULTILINE)
    if first_line and first_line.group(1).split(".")[0].startswith("hydra"):
        raise UserError(
            f"config file {file} sets hydra's own settings (package {first_line.group(1)}); remove that line"
        )
    for path, value in _leaves(content):
        own = [part for part in path if part == "hydra" or part.startswith("hydra.")]
        if own or (path[:1] == ("defaults",) and "hydra" in f"{path[1:]} {value}"):
            raise UserError(f"config file {file} sets hydra's own settings at {'.'.join(path)}; remove them")
        for resolver in _RESOLVER.findall(str(value)):
            raise UserError(
                f"config file {file} uses the resolver '{resolver}' at {'.'.join(path)}; write the value itself"
            )


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, str(key)), ""
            yield from _leaves(value, (*path, str(key)))
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, path)
    else:
        yield path, node


def check_outside_configs(arguments: list[str]) -> None:
    """Check every YAML that the command line brings in from outside the package, before Hydra sees any of it."""
    for folder in _outside_folders(arguments):
        if not folder.is_dir():
            raise UserError(f"config folder {folder} does not exist; check the command line")
        for file in sorted((*folder.rglob("*.yaml"), *folder.rglob("*.yml"))):
            check_stranger(file)


def _outside_folders(arguments: list[str]) -> Iterator[Path]:
    """The folders named by --config-dir, --config-path (also abbreviated) and hydra.searchpath."""
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, sign, value = argument.partition("=")
        if name in ("-cd", "-cp") or name.startswith(("--config-d", "--config-p")):
            places = [value if sign else following]
        elif name.lstrip("+") == "hydra.searchpath":
            places = [place.strip(" '\"") for place in value.strip("[]").split(",")]
        else:
            continue
        for place in places:
            scheme, separator, rest = place.partition("://")
            if not separator or scheme == "file":
                yield Path(rest if separator else place)
