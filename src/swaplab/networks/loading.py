"""Give a network the weights of another one of the same architecture."""

from torch import Tensor, nn

from swaplab.errors import UserError


def put_weights(network: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load a state strictly. Raises UserError with the first difference if the architecture is different."""
    check_state(network, state, where)
    network.load_state_dict(state)


def check_state(network: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Raise UserError, with the first difference, if a state is not one of ``network``."""
    own = network.state_dict()
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    unequal = [name for name in own if name in state and own[name].shape != state[name].shape]
    if missing or extra or unequal:
        first = (
            f"{unequal[0]} is {tuple(state[unequal[0]].shape)}, not {tuple(own[unequal[0]].shape)}"
            if unequal
            else f"{(missing or extra)[0]} is {'missing' if missing else 'not in this network'}"
        )
        raise UserError(
            f"{where} has another architecture: {first} "
            f"({len(missing) + len(extra) + len(unequal)} differences); use the config that it was trained with"
        )
