"""The types that config values have, and how a person is told of them.

A range, a unit and a meaning belong to the type: ``Annotated[Whole, Field(ge=1, description="in images")]``.
"""

import json
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from typing_extensions import is_typeddict


@dataclass(frozen=True)
class Default:
    """The value of a key that is not given: ``Annotated[Whole, Default(1)]``. A key without one must be given."""

    value: Any


# Of every mapping with known keys: nothing unknown in it, and no text or truth value in a number's place.
STRICT = ConfigDict(extra="forbid", strict=True)
FILE_NAME = 200  # bytes: file systems take 255, and temporary files beside a name are longer


def _integral(value: Any) -> Any:
    """1e5 and 8.0 are whole numbers, whatever a parser makes of them; 8.5 is none."""
    return int(value) if type(value) is float and value.is_integer() else value


def _typed(value: Any) -> Any:
    """A name such as 2024 is a text, though a parser takes it for a number."""
    return str(value) if type(value) is int else value


def _filled(value: Any) -> Any:
    value = _typed(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise PydanticCustomError("text", "no text")
    return value


def _file_name(value: Any) -> Any:
    value = _typed(value)
    if not isinstance(value, str) or not value.strip() or value.startswith(".") or "/" in value:
        raise PydanticCustomError("file_name", "no name of a file")
    if not value.isprintable() or len(value.encode(errors="replace")) > FILE_NAME:
        raise PydanticCustomError("file_name", "no name of a file")
    return value


def _component(node: Any) -> Any:
    if not isinstance(node, dict):
        raise PydanticCustomError("component", "no component")
    if "_target_" not in node:
        raise PydanticCustomError("off", "no component, but keys of one")
    return node


Whole = Annotated[int, BeforeValidator(_integral)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, BeforeValidator(_filled)]
FileName = Annotated[str, BeforeValidator(_file_name)]
# Something that is built: what may stand there and which keys it has, `swaplab.config.components` knows.
Component = Annotated[dict[str, Any], BeforeValidator(_component)]

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    _filled: "a text",
    _file_name: f"a name of a folder without '/', not beginning with '.', of at most {FILE_NAME} bytes",
    _component: "a component (a mapping with _target_)",
}
_BOUNDS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length")


def parts_of(annotation: Any) -> tuple[Any, list[Any]]:
    """A type without `Annotated`, and all that it was annotated with, from the inside out."""
    if get_origin(annotation) is not Annotated:
        return annotation, []
    base, *outer = get_args(annotation)
    inner, metadata = parts_of(base)
    return inner, [*metadata, *outer]


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The types of a union; of any other type itself."""
    base, _ = parts_of(annotation)
    return get_args(base) if get_origin(base) in (Union, UnionType) else (annotation,)


def meaning_of(annotation: Any) -> str:
    """What a key means, as its field says; empty where it does not."""
    said = [item.description for item in parts_of(annotation)[1] if isinstance(item, FieldInfo)]
    return next((text for text in reversed(said) if text), "")


def described(annotation: Any) -> str:
    """What values a type takes, in words, as in "a whole number of 1 or more"."""
    base, metadata = parts_of(annotation)
    members = members_of(annotation)
    if len(members) > 1:
        return listed([described(m) for m in members if m is not type(None)] + ["null"] * (type(None) in members))
    if get_origin(base) is Literal:
        return listed([shown(option) for option in get_args(base)])
    if get_origin(base) is list:
        return f"a list{_bounds(metadata)} in which each is {described(get_args(base)[0])}"
    if is_typeddict(base):
        return f"a mapping with {listed(list(base.__annotations__), 'and')}"
    functions = [item.func for item in metadata if isinstance(item, BeforeValidator)]
    named = next((_WORDS[function] for function in functions if function in _WORDS), None)
    return f"{named or _WORDS.get(base, 'a mapping' if get_origin(base) is dict else 'a value')}{_bounds(metadata)}"


def listed(words: list[str], last: str = "or") -> str:
    """Words in a row, as in "a, b or c"."""
    words = list(dict.fromkeys(words))
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def _bounds(metadata: list[Any]) -> str:
    """The bounds among annotations, in words; outer ones narrow inner ones."""
    found: dict[str, Any] = {}
    for item in metadata:
        for bound in item.metadata if isinstance(item, FieldInfo) else [item]:
            found |= {name: getattr(bound, name) for name in _BOUNDS if getattr(bound, name, None) is not None}
    texts = {name: shown(bound) for name, bound in found.items()}
    words = []
    if {"ge", "le"} <= texts.keys():
        words.append(f"from {texts['ge']} to {texts['le']}")
    elif "ge" in texts:
        words.append(f"of {texts['ge']} or more")
    elif "gt" in texts:
        words.append(f"above {texts['gt']}")
    if "lt" in texts or ("le" in texts and "ge" not in texts):
        words.append(f"below {texts['lt']}" if "lt" in texts else f"of at most {texts['le']}")
    if "min_length" in texts:
        words.append(f"of {texts['min_length']}{' or more' if 'max_length' not in texts else ''}")
    divided = f" that {texts['multiple_of']} divides" if "multiple_of" in texts else ""
    return f" {' and '.join(words)}{divided}" if words else divided


def shown(value: Any) -> str:
    """A value as it would be typed, cut to a length that a sentence bears, and without what steers a terminal."""
    text = value if isinstance(value, str) and value.strip() else json.dumps(value, default=str)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 60 else f"{text[:57]}..."
