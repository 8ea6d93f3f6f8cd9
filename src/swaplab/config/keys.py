"""Arguments KEY=VALUE of a command whose keys are a TypedDict: typed, with defaults.

Values are literal: a path or a name may hold any characters. Nested keys are dotted: ``detector.min_face``.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from textwrap import fill
from typing import Any, get_args, get_origin

from typing_extensions import is_typeddict

from swaplab.config.values import Default, meaning_of, members_of, parts_of, shown
from swaplab.errors import UserError

WIDTH = 120  # of a line of help
_TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)


def leaves(keys: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of a TypedDict with their annotations, in order."""
    for name, annotation in keys.__annotations__.items():
        base, _ = parts_of(annotation)
        if is_typeddict(base):
            yield from leaves(base, f"{prefix}{name}.")
        else:
            yield prefix + name, annotation


def default_of(annotation: Any) -> Default | None:
    """The default of a key; None if the key is required."""
    return next((item for item in reversed(parts_of(annotation)[1]) if isinstance(item, Default)), None)


def parsed(keys: Any, words: Sequence[str]) -> dict[str, Any]:
    """The validated config of arguments KEY=VALUE, with all defaults filled in.

    A key whose type is a list may be repeated. Raises UserError for an invalid argument.
    """
    known = dict(leaves(keys))
    given: dict[str, list[str]] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise UserError(f"{shown(word)} is not KEY=VALUE; see --help for the keys")
        if key not in known:
            raise UserError(_unknown(key, list(known)))
        if key in given and not _is_list(known[key]):
            raise UserError(f"{key} is given twice, {given[key][0]} and {value}; remove one of them")
        given.setdefault(key, []).append(value)
    values = {key: [_value(known[key], text) for text in texts] for key, texts in given.items()}
    return completed(keys, {key: found if _is_list(known[key]) else found[0] for key, found in values.items()})


def completed(keys: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The validated config of values by key, with all defaults filled in; ``given`` may be nested or dotted.

    Raises UserError for an unknown or missing key, and for an invalid value.
    """
    known, flat = dict(leaves(keys)), dict(_flat(given))
    for key in flat.keys() - known:
        raise UserError(_unknown(key, list(known)))
    config: dict[str, Any] = {}
    for key, annotation in known.items():
        default = default_of(annotation)
        if key not in flat and default is None:
            raise UserError(f"{key} is missing; set {key}=VALUE, see --help for examples")
        _put(config, key, flat[key] if default is None or key in flat else default.value)
    from swaplab.config.border import validated

    return validated(keys, config)


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def as_truth(key: str, text: str) -> bool:
    """Parse a boolean: true, yes, on, 1 or false, no, off, 0, in any case. Raises UserError for anything else."""
    found = _TRUTH.get(text.strip().lower())
    if found is None:
        raise UserError(f"{key}={shown(text)} must be true or false")
    return found


def _unknown(key: str, known: Sequence[str]) -> str:
    close = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(known)}"
    return f"unknown key {key}; {hint}"


def table(keys: Any) -> str:
    """The help table of a TypedDict: each key with its default (or "required") and its meaning."""
    rows = []
    for key, annotation in leaves(keys):
        default = default_of(annotation)
        rows.append((key, "required" if default is None else _written(default.value), _explained(annotation)))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    heads = [f"  {key:{widths[0]}}  {default:{widths[1]}}  " for key, default, _ in rows]
    return "\n".join(
        fill(what, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) if what else head.rstrip()
        for head, (_, _, what) in zip(heads, rows, strict=True)
    )


def _explained(annotation: Any) -> str:
    meaning = meaning_of(annotation) or next(filter(None, map(meaning_of, members_of(annotation))), "")
    return "; ".join(filter(None, [meaning, " | ".join(options_of(annotation))]))


def options_of(annotation: Any) -> list[str]:
    """The literal values of a key, such as true and false, for completion and help."""
    found: list[str] = []
    for member in members_of(annotation):
        base, _ = parts_of(member)
        if base is bool:
            found += ["true", "false"]
        elif str(get_origin(base)) == "typing.Literal":
            found += map(str, get_args(base))
    return found


def _written(value: Any) -> str:
    return "none" if value is None else shown(value)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(parts_of(member)[0]) is list for member in members_of(annotation))


def _value(annotation: Any, text: str) -> Any:
    """Parse a value by the type of its key; values that do not fit are left for the validation to reject."""
    bases = [parts_of(member)[0] for member in members_of(annotation)]
    bases += [parts_of(get_args(base)[0])[0] for base in bases if get_origin(base) is list]
    if str in bases or any(text in map(str, get_args(base)) for base in bases):
        return text
    if text.lower() in ("null", "none") and type(None) in bases:
        return None
    if bool in bases:
        return _TRUTH.get(text.strip().lower(), text)
    try:
        number = float(text)
    except ValueError:
        return text
    return int(text) if text.lstrip("+-").isdecimal() else number


def _put(config: dict[str, Any], key: str, value: Any) -> None:
    *folders, name = key.split(".")
    for folder in folders:
        config = config.setdefault(folder, {})
    config[name] = value
