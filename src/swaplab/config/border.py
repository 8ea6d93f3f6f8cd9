"""The border that every composed config crosses once: no key that nothing reads, no value that nothing can take.

What a plain key may be stands in `swaplab.config.train`; what a key of a component may be, in the component's own
constructor. A new key is added there, and with its default in conf/.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NotRequired, Required, get_args, get_origin

from pydantic import ValidationError
from typing_extensions import is_typeddict

from swaplab.catalogue import check_choice
from swaplab.config.build import located
from swaplab.config.components import options_of, supplied_to, validator_of
from swaplab.config.train import Train
from swaplab.config.trust import check_targets, kind_of
from swaplab.config.values import described, listed, meaning_of, members_of, parts_of, shown
from swaplab.errors import UserError

Place = tuple[str | int, ...]

LISTED = 16  # so many keys a sentence bears


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved config of a run, with the types that its keys have: where a width is 1.0, 1 becomes 1.0.

    Raises UserError for an unknown key, a missing one, a value that is none of its key's, a component that may not
    stand where it stands, and a metric that no training could choose weights by.
    """
    check_targets(config)
    result = validated(Train, config)
    _check_components(result, ())
    data = result["data"]
    check_choice(result["checkpoint"]["best"], data["identities"] or (), data["kind"] == "synthetic")
    return result


def validated(keys: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """A config whose keys are those of a TypedDict, with their types. UserError as `checked`, for plain keys."""
    result: dict[str, Any] = _validated(keys, dict(config), ())
    return result


def _check_components(node: Any, place: Place) -> None:
    """Put typed nodes in the place of all nodes with ``_target_``, outer ones first."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(value, dict) and "_target_" in value:
            node[key] = _validated(*_options(value, (*place, key)), (*place, key))
        if isinstance(value, dict | list):
            _check_components(node[key], (*place, key))


def _options(node: dict[str, Any], place: Place) -> tuple[Any, dict[str, Any]]:
    target = located(node["_target_"], _dotted(place))
    return options_of(target, _kind(place), node.get("_partial_") is True), node


def _kind(place: Place) -> str:
    return kind_of(tuple(part for part in place if isinstance(part, str))) or ""


def _validated(keys: Any, node: dict[str, Any], place: Place) -> Any:
    try:
        return _in_order(node, validator_of(keys).validate_python(node))
    except ValidationError as error:
        first = min(error.errors(include_url=False), key=lambda found: _rank(keys, node, found))
    where, found = _located(node, first["loc"], missing=first["type"] == "missing")
    sentence = _SENTENCES.get(first["type"], _impossible)
    raise UserError(sentence(keys, node, place, where, found)) from None


def _rank(keys: Any, node: Any, found: Any) -> int:
    """How little an error explains: an unknown key says why another is missing, unless another mapping here has it."""
    if found["type"] == "extra_forbidden":
        where, _ = _located(node, found["loc"], missing=False)
        return 3 if str(where[-1]) in _names_at(keys, node, where[:-1]) else 0
    return 2 if found["type"] == "missing" else 1


def _in_order(given: Any, typed: Any) -> Any:
    """Typed values with the keys in the order in which they were given: operations run in it."""
    if isinstance(given, dict) and isinstance(typed, dict):
        return {key: _in_order(value, typed[key]) for key, value in given.items()}
    if isinstance(given, list) and isinstance(typed, list):
        return [_in_order(value, its) for value, its in zip(given, typed, strict=True)]
    return typed


def _located(node: Any, loc: tuple[int | str, ...], missing: bool) -> tuple[Place, Any]:
    """The place that a location of pydantic's means, without its marks of types, and what stands there."""
    place: Place = ()
    for part in loc:
        inside = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(inside, dict) and part in inside:
            node, place = inside[part], (*place, part)
    return ((*place, loc[-1]), None) if missing else (place, node)


def _unknown(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    name, key = _dotted((*place, *where)), str(where[-1])
    if key in supplied_to(_kind(place)).names:
        return f"{name} is what the program itself supplies; drop it"
    known = list(_names_at(keys, node, where[:-1]))
    close = get_close_matches(key, known, n=1)
    owner = _dotted((*place, *where[:-1])) or "the config"
    said = f"{name} is a key that nothing reads"
    if close:
        return f"{said}; did you mean {_dotted((*place, *where[:-1], close[0]))}? correct or drop it"
    if len(where) == 1 and not place and isinstance(found, dict):
        return f"{said}; if a file of a config group sets it, let its first line be `# @package _global_`, else drop it"
    return f"{said}; {owner} has {listed(known or ['none'], 'and')}" if len(known) <= LISTED else f"{said}; drop it"


def _missing(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    supplied = supplied_to(_kind((*place, *where[:-1])))
    if place and supplied.first and node.get("_partial_") is not True:
        return f"{_dotted((*place, '_partial_'))} is missing; set it to true: the network supplies the rest"
    return missing(_dotted((*place, *where)))


def missing(name: str) -> str:
    """The sentence for a key that is needed and is not there."""
    return f"{name} is missing; {choice_of(name)}"


def choice_of(name: str) -> str:
    """What to give for a key or a group."""
    options = sorted(file.stem for file in (_conf() / name).glob("*.yaml"))
    return f"choose {name}={listed(options)}" if options else f"give {name}=VALUE"


def readable(name: str) -> bool:
    """Whether training may read a key, in a component where its constructor has it."""
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
    return f"{name} is off, so its {listed(list(map(str, found)), 'and')} would do nothing; turn it on or drop that"


def _impossible(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    annotation = _annotation_at(keys, node, where)
    meaning = meaning_of(annotation)
    inside = f" ({meaning})" if meaning else ""
    return f"{_dotted((*place, *where))}={shown(found)} cannot be; give {described(annotation)}{inside}"


def _kind_of_data(keys: Any, node: Any, place: Place, where: Place, found: Any) -> str:
    name = _dotted((*place, *where))
    kinds = [get_args(m.__annotations__["kind"])[0] for m in members_of(_annotation_at(keys, node, where))]
    given = shown(found["kind"]) if "kind" in found else "missing"
    return f"{name}.kind is {given}; give {listed(kinds)}"


_SENTENCES = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "off": _off,
    "union_tag_invalid": _kind_of_data,
    "union_tag_not_found": _kind_of_data,
}


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _conf() -> Path:
    import swaplab.conf

    return Path(next(iter(swaplab.conf.__path__)))


def _names_at(keys: Any, node: Any, place: Place) -> Iterator[str]:
    """The keys that a mapping may have."""
    for member in _members(_annotation_at(keys, node, place), _at(node, place)):
        yield from (name for name in member.__annotations__ if name not in ("_target_", "_partial_"))


def _at(node: Any, place: Place) -> Any:
    for part in place:
        node = node[part]
    return node


def _members(annotation: Any, node: Any) -> Iterator[Any]:
    """The TypedDicts among the types of a place; of those told apart by ``kind`` the one that is meant."""
    for member in members_of(annotation):
        base, _ = parts_of(member)
        if is_typeddict(base):
            kinds = get_args(base.__annotations__.get("kind"))
            if not kinds or not isinstance(node, dict) or node.get("kind") in kinds:
                yield base


def _annotation_at(keys: Any, node: Any, place: Place) -> Any:
    """The type of a place below ``keys``; Any where there is none."""
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
