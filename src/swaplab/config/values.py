"""The types of config values, and their descriptions in messages and help.

A type holds its range, unit and meaning: ``Annotated[Whole, Field(ge=1, description="in images")]``.
"""

import json
import re
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from typing_extensions import is_typeddict


@dataclass(frozen=True)
class Default:
    """The default of a key: ``Annotated[Whole, Default(1)]``. A key without one is required."""

    value: Any


STRICT = ConfigDict(extra="forbid", strict=True)  # no unknown keys; no strings or booleans as numbers
DURATION = re.compile(r"\d+(?::[0-5]?\d){3}")
FILE_NAME = 200  # bytes; file systems allow 255, and names of temporary files are longer


def _integral(value: Any) -> Any:
    """Accept floats such as 1e5 and 8.0 as whole numbers."""
    return int(value) if type(value) is float and value.is_integer() else value


def _typed(value: Any) -> Any:
    """Accept a name such as 2024, which parsers read as a number."""
    return str(value) if type(value) is int else value


def _filled(value: Any) -> Any:
    value = _typed(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise PydanticCustomError("text", "not a string")
    return value


def _file_name(value: Any) -> Any:
    value = _typed(value)
    if not isinstance(value, str) or not value.strip() or value.startswith(".") or "/" in value:
        raise PydanticCustomError("file_name", "not a file name")
    if not value.isprintable() or len(value.encode(errors="replace")) > FILE_NAME:
        raise PydanticCustomError("file_name", "not a file name")
    return value


def _duration(value: Any) -> Any:
    if not isinstance(value, str) or not DURATION.fullmatch(value):
        raise PydanticCustomError("duration", "not a duration")
    return value


def _component(node: Any) -> Any:
    if not isinstance(node, dict):
        raise PydanticCustomError("component", "not a component")
    if "_target_" not in node:
        raise PydanticCustomError("off", "keys of a component that is off")
    return node


Whole = Annotated[int, BeforeValidator(_integral)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, BeforeValidator(_filled)]
FileName = Annotated[str, BeforeValidator(_file_name)]
Duration = Annotated[str, BeforeValidator(_duration)]
# A node with _target_. `swaplab.config.components` knows its keys.
Component = Annotated[dict[str, Any], BeforeValidator(_component)]

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a string",
    type(None): "null",
    _filled: "a non-empty string",
    _file_name: f"a folder name of at most {FILE_NAME} bytes, without '/' and not starting with '.'",
    _duration: "a time in days, hours, minutes and seconds, such as 00:08:30:00",
    _component: "a component (a mapping with _target_)",
}
_BOUNDS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length")


def parts_of(annotation: Any) -> tuple[Any, list[Any]]:
    """A type without `Annotated`, and its annotations, inner ones first."""
    if get_origin(annotation) is not Annotated:
        return annotation, []
    base, *outer = get_args(annotation)
    inner, metadata = parts_of(base)
    return inner, [*metadata, *outer]


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    base, _ = parts_of(annotation)
    return get_args(base) if get_origin(base) in (Union, UnionType) else (annotation,)


def meaning_of(annotation: Any) -> str:
    """The description of a key, or an empty string."""
    said = [item.description for item in parts_of(annotation)[1] if isinstance(item, FieldInfo)]
    return next((text for text in reversed(said) if text), "")


def described(annotation: Any) -> str:
    """The allowed values of a type in words, such as "a whole number of at least 1"."""
    base, metadata = parts_of(annotation)
    members = members_of(annotation)
    if len(members) > 1:
        return listed([described(m) for m in members if m is not type(None)] + ["null"] * (type(None) in members))
    if get_origin(base) is Literal:
        return listed([shown(option) for option in get_args(base)])
    if get_origin(base) is list:
        return f"a list{_bounds(metadata) or ' of items'}, each {described(get_args(base)[0])}"
    if is_typeddict(base):
        return f"a mapping with {listed(list(base.__annotations__), 'and')}"
    functions = [item.func for item in metadata if isinstance(item, BeforeValidator)]
    named = next((_WORDS[function] for function in functions if function in _WORDS), None)
    return f"{named or _WORDS.get(base, 'a mapping' if get_origin(base) is dict else 'a value')}{_bounds(metadata)}"


def listed(words: list[str], last: str = "or") -> str:
    """Join words as in "a, b or c"; without duplicates."""
    words = list(dict.fromkeys(words))
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def _bounds(metadata: list[Any]) -> str:
    """The bounds among annotations in words; outer ones override inner ones."""
    found: dict[str, Any] = {}
    for item in metadata:
        for bound in item.metadata if isinstance(item, FieldInfo) else [item]:
            found |= {name: getattr(bound, name) for name in _BOUNDS if getattr(bound, name, None) is not None}
    texts = {name: shown(bound) for name, bound in found.items()}
    words = []
    if {"ge", "le"} <= texts.keys():
        words.append(f"from {texts['ge']} to {texts['le']}")
    elif "ge" in texts:
        words.append(f"of at least {texts['ge']}")
    elif "gt" in texts:
        words.append(f"above {texts['gt']}")
    if "lt" in texts or ("le" in texts and "ge" not in texts):
        words.append(f"below {texts['lt']}" if "lt" in texts else f"{'' if words else 'of '}at most {texts['le']}")
    if "min_length" in texts:
        items = "1 item" if texts["min_length"] == "1" else f"{texts['min_length']} items"
        words.append(f"of {items}" if "max_length" in texts else f"of at least {items}")
    divided = f" that is divisible by {texts['multiple_of']}" if "multiple_of" in texts else ""
    return f" {' and '.join(words)}{divided}" if words else divided


def shown(value: Any) -> str:
    """A value as a user would type it, shortened to 60 characters, without control characters."""
    text = value if isinstance(value, str) and value.strip() else json.dumps(value, default=str)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 60 else f"{text[:57]}..."
