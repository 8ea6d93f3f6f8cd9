"""Checks of a module's parts against each other, before training."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.reconstruction import Auxiliary
from swaplab.losses.term import SIDES
from swaplab.networks.names import GENERATOR
from swaplab.networks.statistics import tracking

if TYPE_CHECKING:
    from swaplab.training.updating import UpdatingModule


def check_parts(module: "UpdatingModule") -> None:
    """Raise UserError if a network, loss or action could not be trained or would have no effect."""
    for name, term in module.terms.items():
        if term.side not in SIDES:
            raise UserError(f"loss.{name}.side={term.side} must be {' or '.join(SIDES)}")
    for update in module.updates:
        if update.network not in module.networks:
            raise UserError(f"updates needs a {update.network}, but there is none; add one or choose another order")
        if not module.terms_of(update):
            raise UserError(
                f"no loss trains the {update.side}; add one, such as loss/adversarial=lsgan, or remove the network"
            )
    heads = getattr(module.networks[GENERATOR], "aux_heads", ())
    if heads and not any(isinstance(term, Auxiliary) for term in module.terms.values()):
        raise UserError(f"no loss trains the generator's outputs {', '.join(heads)}; set loss/auxiliary=faceswap_gan")
    for action in module.actions.values():
        action.check(module.networks)
    idle = {t.side for t in module.terms.values()} - {u.side for u in module.updates}
    if idle:
        names = [name for name, term in module.terms.items() if term.side in idle]
        side = idle.pop()
        raise UserError(
            f"losses {', '.join(names)} have no effect, because no {side} is trained; add a {side} or turn them off"
        )


def share_of(name: str, value: object) -> Tensor:
    """The ``value`` of the loss ``name``. Raises UserError unless it is a scalar."""
    if isinstance(value, Tensor) and value.ndim == 0:
        return value
    got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
    raise UserError(f"loss.{name} must return a scalar tensor, such as a sum of step.mean(...); it returned {got}")


def check_accumulation(module: "UpdatingModule") -> None:
    """Raise UserError if micro-batches would not give the same step as the whole batch."""
    count = module.accumulate
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UserError(f"accumulate={count} must be a whole number of at least 1")
    if count == 1:
        return
    layers = [m for m in module.networks.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    unlike = [type(m).__name__ for m in (*layers, *tracking(module.networks).values())]
    unlike += ["mixup"] if module.settings.mixup else []
    if unlike:
        raise UserError(
            f"accumulate={count} would change the step, because {unlike[0]} depends on the faces in a micro-batch; "
            f"set accumulate=1, or norm=group and noise/mixup=none"
        )
