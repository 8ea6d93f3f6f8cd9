"""Validation of every composed config: unknown keys, missing keys, types and ranges.

The type of a plain key is declared in `swaplab.config.train`, that of a component's key in the component's constructor.
To add a key, declare it there and give it a default in conf/.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NotRequired, Required, get_args, get_origin

from pydantic import ValidationError
from typing_extensions import is_typeddict

from swaplab.catalogue import check_choice
from swaplab.config import tree
from swaplab.config.build import located
from swaplab.config.components import options_of, validator_of
from swaplab.config.owned import instead
from swaplab.config.slots import KINDS, Kind, kind_of
from swaplab.config.train import Train
from swaplab.config.trust import check_targets
from swaplab.config.values import described, listed, meaning_of, members_of, parts_of, shown
from swaplab.errors import UserError

Place = tuple[str | int, ...]

LISTED = 16  # at most so many known keys in a message


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the resolved config of a run and convert values to the declared types (1 becomes 1.0 for a float).

    Raises UserError for an unknown or missing key, a value of the wrong type or outside its range, a component that is
    not allowed in its place, and a metric that training cannot select weights by.
    """
    check_targets(config)
    result = validated(Train, config)
    _check_components(result, ())
    data = result["data"]
    check_choice(result["checkpoint"]["best"], data["identities"] or (), data["kind"] == "synthetic")
    return result


def validated(keys: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Validate a config against the TypedDict ``keys`` and convert its values. Raises UserError like `checked`."""
    result: dict[str, Any] = _validated(keys, dict(config), ())
    return result


def _check_components(node: Any, place: Place) -> None:
    """Replace all nodes with ``_target_`` by validated ones, outer nodes first."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(value, dict) and "_target_" in value:
            node[key] = _validated(*_options(value, (*place, key)), (*place, key))
        if isinstance(value, dict | list):
            _check_components(node[key], (*place, key))


def _options(node: dict[str, Any], place: Place) -> tuple[Any, dict[str, Any]]:
    target = located(node["_target_"], _dotted(place))
    return options_of(target, _name_of_kind(place), node.get("_partial_") is True), node


def _name_of_kind(place: Place) -> str:
    return kind_of(tuple(part for part in place if isinstance(part, str))) or ""


def _kind(place: Place) -> Kind:
    return KINDS.get(_name_of_kind(place), Kind())


def _validated(keys: Any, node: dict[str, Any], place: Place) -> Any:
    try:
        return _in_order(node, validator_of(keys).validate_python(node))
    except ValidationError as error:
        first = min(error.errors(include_url=False), key=lambda found: _rank(keys, node, found))
    where, found = _located(node, first["loc"], missing=first["type"] == "missing")
    sentence = _SENTENCES.get(first["type"], _impossible)
    raise UserError(sentence(keys, node, place, where, found)) from None


def _rank(keys: Any, node: Any, found: Any) -> int:
    """Rank of an error; the lowest is reported. An unknown key, maybe a typo of a missing one, comes first; last if
    another member of the union has it."""
    if found["type"] == "extra_forbidden":
        where, _ = _located(node, found["loc"], missing=False)
        return 3 if str(where[-1]) in _names_at(keys, node, where[:-1]) else 0
    return 2 if found["type"] == "missing" else 1


def _in_order(given: Any, typed: Any) -> Any:
    """Validated values with keys in the given order, because noise operations run in it."""
    if isinstance(given, dict) and isinstance(typed, dict):
        return {key: _in_order(value, typed[key]) for key, value in given.items()}
    if isinstance(given, list) and isinstance(typed, list):
        return [_in_order(value, its) for value, its in zip(given, typed, strict=True)]
    return typed


def _located(node: Any, loc: tuple[int | str, ...], missing: bool) -> tuple[Place, Any]:
    """The config path of a pydantic location (which also holds type tags), and the value there."""
    place: Place = ()
    for part in loc:
        inside = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(inside, dict) and part in inside:
            node, place = inside[part], (*place, part)
    return ((*place, loc[-1]), None) if missing else (place, node)


def _unknown(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    name, key = _dotted((*place, *where)), str(where[-1])
    if key in _kind(place).supplied:
        return f"{name} is set by the program; remove it"
    if found_elsewhere := instead(name):
        return found_elsewhere
    if tree.owners(name.replace(".", "/")):
        return tree.misplaced(name.replace(".", "/"))
    known = list(_names_at(keys, node, where[:-1]))
    close = get_close_matches(key, known, n=1)
    owner = _dotted((*place, *where[:-1])) or "the config"
    if close:
        return f"unknown key {name}; did you mean {_dotted((*place, *where[:-1], close[0]))}?"
    if len(where) == 1 and not place and isinstance(found, dict):
        return f"unknown key {name}; remove it, or if a config file sets it, begin that file with `# @package _global_`"
    hint = f"{owner} has {listed(known, 'and') or 'no keys'}" if len(known) <= LISTED else "remove it"
    return f"unknown key {name}; {hint}"


def _missing(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    if place and _kind((*place, *where[:-1])).first and node.get("_partial_") is not True:
        return f"{_dotted((*place, '_partial_'))} is missing; set it to true, because the network adds arguments"
    return missing(_dotted((*place, *where)))


def missing(name: str) -> str:
    """The message for a missing key."""
    return f"{name} is missing; {choice_of(name)}"


def choice_of(name: str) -> str:
    """The hint that lists the options of a group, or asks for a key's value."""
    group = name.replace(".", "/")
    options = sorted(file.stem for file in (tree.root() / group).glob("*.yaml"))
    return f"choose {group}={listed(options)}" if options else f"set {name}=VALUE"


def readable(name: str) -> bool:
    """Whether ``name`` can be a key of a run; keys inside components are not checked."""
    return _leads(Train, name.split("."))


def _leads(annotation: Any, parts: list[str]) -> bool:
    bases = [parts_of(member)[0] for member in members_of(annotation)]
    return (
        not parts
        or any(
            _leads(_bare(base.__annotations__[parts[0]]), parts[1:])
            if is_typeddict(base) and parts[0] in base.__annotations__
            else get_origin(base) is dict and _leads(get_args(base)[1], parts[1:])
            for base in bases
        )
        or any(base is Any for base in bases)
    )


def _off(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    name = _dotted((*place, *where))
    unused = listed(list(map(str, found)), "and")
    return f"{name} is off, so setting its {unused} has no effect; turn it on or remove {unused}"


def _impossible(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    annotation = _annotation_at(keys, node, where)
    meaning = meaning_of(annotation)
    inside = f" ({meaning})" if meaning else ""
    return f"{_dotted((*place, *where))}={shown(found)} must be {described(annotation)}{inside}"


def _kind_of_data(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    name = _dotted((*place, *where))
    kinds = [get_args(m.__annotations__["kind"])[0] for m in members_of(_annotation_at(keys, node, where))]
    if "kind" not in found:
        return f"{name}.kind is missing; set it to {listed(kinds)}"
    return f"{name}.kind={shown(found['kind'])} must be {listed(kinds)}"


_SENTENCES = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "off": _off,
    "union_tag_invalid": _kind_of_data,
    "union_tag_not_found": _kind_of_data,
}


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _names_at(keys: Any, node: Any, place: Place) -> Iterator[str]:
    """The allowed keys of a mapping."""
    for member in _members(_annotation_at(keys, node, place), _at(node, place)):
        yield from (name for name in member.__annotations__ if name not in ("_target_", "_partial_"))


def _at(node: Any, place: Place) -> Any:
    for part in place:
        node = node[part]
    return node


def _members(annotation: Any, node: Any) -> Iterator[Any]:
    """The TypedDicts among the types of a place; of a union discriminated by ``kind`` only the matching one."""
    for member in members_of(annotation):
        base, _ = parts_of(member)
        if is_typeddict(base):
            kinds = get_args(base.__annotations__.get("kind"))
            if not kinds or not isinstance(node, dict) or node.get("kind") in kinds:
                yield base


def _annotation_at(keys: Any, node: Any, place: Place) -> Any:
    """The declared type of a place below ``keys``, or Any."""
    annotation = keys
    for part in place:
        annotation, node = _child(annotation, node, part), node[part]
    return annotation


def _child(annotation: Any, node: Any, part: str | int) -> Any:
    for member in _members(annotation, node):
        if part in member.__annotations__:
            return _bare(member.__annotations__[part])
    for member in members_of(annotation):
        base, _ = parts_of(member)
        if get_origin(base) in (dict, list):
            return get_args(base)[-1]
    return Any


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) in (Required, NotRequired) else annotation
