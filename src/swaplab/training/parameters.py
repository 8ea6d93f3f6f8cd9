"""The parameters that an update trains, and the penalty on their size."""

from collections.abc import Collection, Sequence

from torch import nn

from swaplab.networks.regularisation import regularised_kernels
from swaplab.training.groups import Named
from swaplab.training.updates import Update


def parameters_of(network: nn.Module, update: Update, identities: Sequence[str]) -> Named:
    """The trainable parameters of an update of ``network``, by name. ``identities``: all identities of the run."""
    foreign: tuple[str, ...] = ()
    if update.own and update.identities is not None:
        others = set(identities) - set(update.identities)
        foreign = tuple(
            f"{path}.{other}"
            for path, module in network.named_modules()
            if isinstance(module, nn.ModuleDict) and set(module) == set(identities)
            for other in others
        )
    return [
        (name, p)
        for name, p in network.named_parameters()
        if p.requires_grad and _within(name, update.trains) and not _within(name, foreign)
    ]


def penalise(network: nn.Module, parameters: Sequence[nn.Parameter]) -> None:
    """Add the gradient of ``l2 * sum(w ** 2)`` of the regularised kernels among ``parameters`` to any weight decay."""
    l2 = float(getattr(network, "l2", 0.0))
    if l2 == 0:
        return
    moved = {id(parameter) for parameter in parameters}
    for kernel in regularised_kernels(network):
        if id(kernel) in moved:
            pull = 2 * l2 * kernel.detach()
            kernel.grad = pull if kernel.grad is None else kernel.grad.add_(pull)


def _within(name: str, prefixes: Collection[str]) -> bool:
    """Whether a dotted name begins with one of the dotted prefixes; "" is a prefix of all names."""
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes if prefix) or "" in prefixes
