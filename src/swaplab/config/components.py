"""The allowed keys, types and ranges of config nodes with ``_target_``, read from the constructors that they name.

The annotations of a constructor are the only declaration. A range is ``Annotated[float, Field(gt=0)]``; an argument
without annotation takes any value.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, cast, get_args, get_origin

from pydantic import Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from swaplab.config.optimizers import own_keys
from swaplab.config.slots import KINDS, Kind
from swaplab.config.values import STRICT, Component, Number, Whole, members_of, parts_of

OWN = ("_target_", "_partial_")


@cache
def options_of(target: Callable[..., Any], kind: str, partial: bool) -> Any:
    """The type of a node with this ``target``: a TypedDict of the arguments that the config sets."""
    known = KINDS.get(kind, Kind())
    fields: dict[str, Any] = {"_target_": Required[str]}
    if known.first:
        fields["_partial_"] = Annotated[NotRequired[bool], Field(description="true: the network adds arguments")]
    parameters = _parameters(target)
    places = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    given = {*known.supplied, *(places[: known.first] if partial else ())}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or parameter.name in given:
            continue
        needed = Required if parameter.default is parameter.empty else NotRequired
        fields[parameter.name] = needed[typed(parameter.annotation)]
    fields |= dict.fromkeys(known.beside, NotRequired[Component | None])
    if known.own:
        fields |= own_keys({p.name: typed(p.annotation) for p in parameters if p.name in fields})
    options = TypedDict("options", fields)  # type: ignore[misc]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return with_config(STRICT | {"extra": "allow"} if takes_any else STRICT)(options)


@cache
def validator_of(options: Any) -> TypeAdapter[Any]:
    """The cached validator of a TypedDict."""
    return TypeAdapter(options)


def _parameters(target: Callable[..., Any]) -> Sequence[inspect.Parameter]:
    try:
        try:
            signature = inspect.signature(target, eval_str=True)
        except (NameError, AttributeError, SyntaxError, TypeError):  # a name imported only for type checkers
            signature = inspect.signature(target)
    except ValueError:  # a C function without a signature; accept any keyword
        return [inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)]
    return list(signature.parameters.values())


def typed(annotation: Any) -> Any:
    """The type of a config value for an argument's annotation; a class that is not plain data becomes a component."""
    base, metadata = parts_of(annotation)
    if metadata:
        plain = typed(base)
        return Annotated[(plain, *metadata)]
    if base in _PLAIN:
        return _PLAIN[base]
    members = members_of(base)
    if len(members) > 1:
        return Union[tuple(dict.fromkeys(typed(member) for member in members))]  # noqa: UP007
    origin, inner = get_origin(base), get_args(base)
    if origin is Literal:
        return base
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        each: Any = Union[tuple(dict.fromkeys(typed(member) for member in inner))]  # noqa: UP007
        return Annotated[list[each], Field(min_length=len(inner), max_length=len(inner))]
    if origin in _LISTS or base in _LISTS:
        return list[typed(inner[0])] if inner else list[Any]  # type: ignore[misc]
    if origin in _MAPPINGS or base in _MAPPINGS:
        return dict[str, Any]
    if isinstance(base, str) or base is inspect.Parameter.empty or base is object:
        return Any
    return Component


_PLAIN: dict[Any, Any] = {int: Whole, float: Number, bool: bool, str: str, type(None): None, None: None, Any: Any}
_LISTS = cast(tuple[Any, ...], (list, tuple, set, frozenset, Sequence, Iterable))
_MAPPINGS = cast(tuple[Any, ...], (dict, Mapping))
