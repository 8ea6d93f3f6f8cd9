"""From checked config nodes to components, with errors in one sentence."""

import inspect
from typing import Any

from swaplab.config.trust import check_origin, check_targets, lookups_only, targets_in
from swaplab.errors import UserError


def build(node: Any, place: str, **given: Any) -> Any:
    """Instantiate a config node that stands at ``place`` (such as "generator"); None stays None.

    ``given`` are arguments that the program supplies. Raises UserError for a target that may not stand there, for an
    argument that the class does not know or lacks, and for what its constructor refuses.
    """
    if node is None:
        return None
    from hydra.errors import InstantiationException
    from hydra.utils import get_object, instantiate

    if not isinstance(node, dict) or "_target_" not in node:
        raise UserError(f"{place} is {node!r}, which names no class to build; choose an option of its group, or none")
    check_targets(_placed(node, place))
    for path, name in targets_in(node):
        where = ".".join((place, *path))
        try:
            check_origin(name, get_object(name), where)
        except (ImportError, AttributeError, ValueError) as error:
            raise UserError(
                f"{where}._target_ {name!r} cannot be imported ({error}); check its name; a package of "
                f"your own is installed, or lies in the current folder"
            ) from None
    _check_arguments(get_object(node["_target_"]), node, place, given)
    try:
        with lookups_only():
            return instantiate(node, **given, _convert_="all")
    except InstantiationException as error:
        cause = _root(error)
        if isinstance(cause, UserError):
            raise cause from None
        if isinstance(cause, TypeError | ValueError | KeyError):
            raise UserError(f"{place} cannot be built: {cause}; check the values under {place}") from None
        raise


def _placed(node: Any, place: str) -> Any:
    for part in reversed(place.split(".")):
        node = {part: node}
    return node


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _check_arguments(target: Any, node: dict[str, Any], place: str, given: dict[str, Any]) -> None:
    named = {k for k in node if k not in ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")}
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    unknown = sorted(named - set(signature.parameters))
    if unknown and not takes_any:
        options = ", ".join(p for p in signature.parameters if p not in given)
        raise UserError(f"{place}.{unknown[0]} is not an option of {node['_target_']}; it knows {options}")
