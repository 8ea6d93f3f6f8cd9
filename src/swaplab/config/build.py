"""Build components from validated config nodes."""

from typing import Any

from swaplab.config.slots import KINDS, kind_of
from swaplab.config.trust import check_origin, check_targets, lookups_only, targets_in
from swaplab.errors import UserError


def build(node: Any, place: str, **given: Any) -> Any:
    """Instantiate the config node at ``place`` (such as "generator"); None stays None.

    What stands beside its arguments is left out (`Kind`). ``given``: arguments from the program. Raises UserError for a
    target that is not allowed there, and for arguments that its constructor rejects.
    """
    if node is None:
        return None
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    if not isinstance(node, dict) or "_target_" not in node:
        raise UserError(f"{place}={node!r} has no _target_; choose an option of its group, or none")
    check_targets(_placed(node, place))
    kind = kind_of(tuple(place.split(".")))
    beside = (*KINDS[kind].beside, *KINDS[kind].own) if kind else ()
    node = {key: value for key, value in node.items() if key not in beside}
    for path, name in targets_in(node):
        located(name, ".".join((place, *path)))
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


def located(name: str, where: str) -> Any:
    """Import the ``_target_`` at ``where``. Raises UserError if that fails or another package defines it."""
    from hydra._internal.utils import _locate  # `hydra.utils.get_object` also logs its errors

    try:
        target = _locate(name)
    except Exception as error:  # an imported module can raise anything
        raise UserError(
            f"{where}._target_={name} cannot be imported ({error}); check the name; your own package must be installed "
            f"or in the current folder"
        ) from None
    check_origin(name, target, where)
    return target


def _placed(node: Any, place: str) -> Any:
    for part in reversed(place.split(".")):
        node = {part: node}
    return node


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
