"""The keys of an optimiser that are ours: gradient clipping and parameter groups; and the classes of torch.optim."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from swaplab.config.values import STRICT, Number, Text

CLIP, GROUPS = "clip", "groups"
Positive = Annotated[Number, Field(gt=0)]
TORCH = "torch.optim."
# Optimisers of torch that a training step cannot drive.
UNFIT = {
    "LBFGS": "it evaluates the loss several times per step",
    "SparseAdam": "it takes only sparse gradients",
}


@with_config(STRICT)
class Clipping(TypedDict):
    """Gradient clipping of a network's updates."""

    norm: NotRequired[Annotated[Positive | None, Field(description="largest norm of an update's gradient")]]
    value: NotRequired[Annotated[Positive | None, Field(description="largest absolute value of its elements")]]


def own_keys(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The types of our keys for an optimiser whose constructor takes ``arguments``, by name."""
    settings = {name: NotRequired[kind] for name, kind in arguments.items()}
    fields = {"match": Required[Annotated[list[Text], Field(min_length=1)]], **settings}
    group: Any = TypedDict("group", fields)  # type: ignore[misc]
    with_config(STRICT)(group)
    return {CLIP: NotRequired[Clipping | None], GROUPS: NotRequired[list[group] | None]}


def unfit(target: str) -> str | None:
    """Why a training step cannot drive an optimiser of torch, or None."""
    return UNFIT.get(target.removeprefix(TORCH)) if target.startswith(TORCH) else None


def of_torch(target: str) -> bool:
    """Whether a dotted name is an optimiser of torch that a training step can drive."""
    if not target.startswith(TORCH) or unfit(target):
        return False
    from torch import optim

    found = vars(optim).get(target.removeprefix(TORCH))
    return isinstance(found, type) and issubclass(found, optim.Optimizer) and found is not optim.Optimizer
