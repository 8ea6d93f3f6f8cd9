"""Any transform of albumentations as a noise operation. No other module of swaplab imports albumentations."""

from typing import Any

import albumentations

from swaplab.errors import UserError
from swaplab.noise.generators import KeyedGenerators
from swaplab.noise.geometry import with_channels
from swaplab.noise.operation import Facts, Pictures, Scope, checked_scope


class Albumentations:
    """A transform of albumentations, or a composition of several, with a scope.

    It draws from the operation's own stream, like every operation, and moves masks along if it moves pixels. It must
    keep uint8 and the size. Raises UserError for an argument unknown to the transform; the library itself would only
    warn.
    """

    def __init__(self, transform: albumentations.BasicTransform | albumentations.BaseCompose, scope: Scope) -> None:
        self.transform, self.scope = transform, checked_scope(scope)
        unknown = unknown_arguments(transform)
        if unknown:
            raise UserError(f"noise transform {type(transform).__name__} has no option {unknown[0]}; check its name")
        transform.add_targets({"input": "image"})

    def __call__(self, pictures: Pictures, draws: KeyedGenerators, facts: Facts) -> Pictures:
        """Change all pictures alike."""
        self.transform.set_random_state(draws.numpy, draws.python)
        changed = self.transform(**pictures)
        return {name: with_channels(changed[name]) for name in pictures}


def unknown_arguments(transform: Any) -> list[str]:
    """Arguments that the transform, or one inside it, was given and ignored."""
    inner = [name for part in getattr(transform, "transforms", ()) for name in unknown_arguments(part)]
    return [*getattr(transform, "invalid_args", ()), *inner]
