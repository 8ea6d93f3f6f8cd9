"""The config tree for readers: groups, options, and the description, source and keys of each option.

All is read from the files, without composing or importing. A group is described by its comment in a defaults list, an
option by the comment at the top of its file or the docstring of its class, a key by the comment on its line.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from swaplab.config.slots import GROUPS
from swaplab.errors import UserError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SYSTEM = re.compile(r"\b(?:faceswap-GAN(?: v[\d.]+\d)?|CycleGAN|pix2pix)\b")
CITATION = re.compile(r"\(([^()]*(?:\([^()]*\)[^()]*)?\b(?:19|20)\d\d\b[^()]*)\)|([A-Z][\w&. ]*\b(?:19|20)\d\d[^.;:]*)")
NO_CITATION = re.compile(r"\d{4}$|The ")  # a bare year, and a sentence that names one
DEFAULT = re.compile(r"^\s*- (?P<group>/?[\w/]+): (?P<option>[\w-]+)(?:\s*# (?P<comment>.*))?$")
BASE = re.compile(r"^\s*- (?!_self_$)([\w-]+)$", re.MULTILINE)  # an option of the same group that this one changes
COMMENT = re.compile(r"(?:^|\s)#\s*(.*)$")
PACKAGE = re.compile(r"#\s*@package\s+(\S+)")
OFF = "Off."


@dataclass(frozen=True)
class Key:
    """One key of a config file: its dotted name on the command line, its value and its comment."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Option:
    """One option of a group. ``what``: one sentence; ``source``: citations, or "ours"; ``text``: the whole text."""

    group: str
    name: str
    what: str
    source: str
    text: str
    keys: tuple[Key, ...]


def root() -> Path:
    """The folder of the config tree."""
    import swaplab.conf

    return Path(next(iter(swaplab.conf.__path__)))


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """The options of every group, sorted, with none first; groups in the order of `GROUPS`, each before those below."""
    found: dict[str, list[str]] = {}
    for file in root().rglob("*.yaml"):
        group = file.parent.relative_to(root()).as_posix()
        if group != ".":
            found.setdefault(group, []).append(file.stem)
    return {
        group: tuple(sorted(found[group], key=lambda name: (name != "none", name)))
        for group in sorted(found, key=lambda group: (*_rank(group.split("/")[0]), group))
    }


def _rank(top: str) -> tuple[int, str]:
    return GROUPS.index(top) if top in GROUPS else len(GROUPS), top


@cache
def defaults_of(file: Path) -> dict[str, tuple[str, str]]:
    """The groups in the defaults list of a config file, each with its option and its comment."""
    folder = file.parent.relative_to(root())
    found = {}
    for entry in map(DEFAULT.match, file.read_text().splitlines()):
        if entry:
            named = entry["group"] if entry["group"].startswith("/") else f"/{(folder / entry['group']).as_posix()}"
            found[named.lstrip("/")] = (entry["option"], entry["comment"] or "")
    return {group: default for group, default in found.items() if group in groups()}


@cache
def chosen() -> dict[str, tuple[str, str]]:
    """The default option of each group and its comment, from the defaults list of train.yaml, else of an option."""
    found: dict[str, tuple[str, str]] = {}
    for file in sorted(root().rglob("*.yaml"), key=lambda file: (file.parent != root(), file)):
        found = defaults_of(file) | found
    return found


def described(group: str) -> tuple[str, str]:
    """The default option of a group and its description, with the options that alone have the group; may be empty."""
    default, what = chosen().get(group, ("", ""))
    return default, f"{what} ({', '.join(owners(group))})" if owners(group) else what


def below(group: str) -> tuple[str, ...]:
    """The groups below a group."""
    return tuple(name for name in groups() if name.startswith(f"{group}/"))


def owners(group: str) -> tuple[str, ...]:
    """The options that alone have a nested group, such as generator=autoencoder; empty if every run has it."""
    above = group.rpartition("/")[0]
    if above not in groups() or group in defaults_of(root() / "train.yaml"):
        return ()
    files = {name: root() / above / f"{name}.yaml" for name in groups()[above]}
    return tuple(f"{above}={name}" for name, file in files.items() if group in defaults_of(file))


def misplaced(group: str, by: str | None = None) -> str:
    """The message for a nested group that the chosen options do not have. ``by``: the option that asks for it."""
    from swaplab.config.values import listed

    name, found = group.replace("/", "."), owners(group)
    choice = f"choose {'it' if len(found) == 1 else 'one of them'}"
    if by:
        preset = by.startswith("experiment=")
        other = "another experiment, or ~experiment for none" if preset else f"something else than {by}"
        return f"{by} sets {name}, which exists only with {listed(list(found))}; {choice}, or {other}"
    return f"{name} exists only with {listed(list(found))}; {choice}, or remove {name}"


def check_group(group: str) -> None:
    """Raise UserError for a group that does not exist."""
    if group not in groups() and not below(group):
        raise UserError(f"there is no group {group}; {nearest(group, groups())}")


def option(group: str, name: str) -> Option:
    """An option of a group. Raises UserError if it does not exist."""
    check_group(group)
    options = groups().get(group, below(group))
    if name not in groups().get(group, ()):
        raise UserError(f"{group} has no option {name}; {nearest(name, options)}")
    file = root() / group / f"{name}.yaml"
    text = file.read_text()
    said = _head(text)
    names = dict.fromkeys(_targets(yaml.load(text, LOADER)))
    documents = [docstring_of(target) for target in names if target.startswith("swaplab.")]
    shown = said or (documents[0] if documents else OFF)
    cited = [" ".join((a or b).split()) for text in [*documents, said] for a, b in CITATION.findall(text)]
    named = [citation for citation in cited if not NO_CITATION.match(citation)] or SYSTEM.findall(shown)
    sources = list(dict.fromkeys(named))
    source = "; ".join(sources[:2]) or ("" if name == "none" else "ours")
    whole = "\n\n".join(filter(None, [said, *documents])) or OFF
    return Option(group, name, sentence(shown), source, whole, keys_of(file))


def keys_of(file: Path) -> tuple[Key, ...]:
    """The keys that a config file, and one that it builds on, sets, without interpolations and class names."""
    text = file.read_text()
    bases = BASE.findall(text.partition("\ndefaults:\n")[2].partition("\n\n")[0])
    package = PACKAGE.search(text)
    group = file.parent.relative_to(root()).as_posix().replace("/", ".")
    named = package[1].removeprefix("_global_").lstrip(".") if package else ("" if group == "." else group)
    lines = text.splitlines()
    found = {key.name: key for base in bases for key in keys_of(file.with_stem(base))}
    for place, node in _scalars(yaml.compose(text, LOADER)):
        if place[0] in ("defaults", "hydra") or place[-1] in ("_target_", "_partial_") or _refers(node):
            continue
        comment = COMMENT.search(lines[node.start_mark.line])
        name = ".".join(filter(None, [named, *place]))
        inherited = found[name].meaning if name in found else ""
        found[name] = Key(name, _value(node, text), comment[1].strip() if comment else inherited)
    return tuple(found.values())


def docstring_of(target: str) -> str:
    """The docstring of a class or function of swaplab, by dotted name; parsed, not imported. Empty if there is none."""
    module, _, name = target.rpartition(".")
    file = Path(__file__).parents[1].joinpath(*module.split(".")[1:]).with_suffix(".py")
    if not file.is_file():
        return ""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node) or ""
    return ""


def sentence(text: str) -> str:
    """The first sentence of a text, in one line."""
    flat = " ".join(text.split("\n\n")[0].split())
    found = re.match(r"(.+?\.)(?:\s+[A-Z(\"'`]|$)", flat)
    return (found.group(1) if found else flat).rstrip(";.") + "."


def nearest(name: str, known: "dict[str, Any] | tuple[str, ...]") -> str:
    """A hint for an unknown name: similar names, or all."""
    from difflib import get_close_matches

    last = get_close_matches(name, [full.rpartition("/")[2] for full in known], n=1)
    close = get_close_matches(name, list(known), n=3) or [full for full in known if full.rpartition("/")[2] in last]
    return f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(known)}"


def _head(text: str) -> str:
    """The comment at the top of a config file."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not PACKAGE.match(line):
            lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _targets(node: Any) -> Iterator[str]:
    """The values of ``_target_`` in a config, outer ones first."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _scalars(node: yaml.Node | None, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], yaml.Node]]:
    """All values that are not mappings, with their paths."""
    if isinstance(node, yaml.MappingNode) and node.value:
        for key, value in node.value:
            yield from _scalars(value, (*place, str(key.value)))
    elif node is not None and place:
        yield place, node


def _refers(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and str(node.value).startswith("${")


def _value(node: yaml.Node, text: str) -> str:
    return " ".join(text[node.start_mark.index : node.end_mark.index].split())
