"""Initial parameters as a pure function of (seed, site): equal sites start equal whatever else a network contains."""

from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from swaplab.randomness import key_of


def initialise(network: nn.Module, seed: int, site: str) -> None:
    """Redraw every layer of ``network`` that has ``reset_parameters``, each from its own generator, keyed by (seed,
    site path).

    Two networks with sites of equal shape start bit-equal there, and adding a layer or an identity changes no other
    layer. A site's name leaves out the wrapper that an attention adds to the path; a parametrised layer draws its
    original tensors.
    """
    for path, module in network.named_modules(prefix=site):
        reset = getattr(module, "reset_parameters", None)
        if reset is None:
            continue
        name = ".".join(part for part in path.split(".") if part != "attended")
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            # torch's CPU generator uses only 32 bits of a seed
            torch.manual_seed(key_of(seed, "initialisation", name) & 0xFFFFFFFF)
            if parametrize.is_parametrized(module):
                _reset_originals(module)
            else:
                reset()


def _reset_originals(module: nn.Module) -> None:
    """Draw a parametrised layer's original tensors as the plain layer would."""
    bare = type(module).__mro__[1]
    plain: Any = object.__new__(bare)
    plain.__dict__ = {
        k: v for k, v in module.__dict__.items() if k not in ("_parameters", "_modules", "parametrizations")
    }
    plain._modules, plain._parameters = {}, dict(module._parameters)
    for name, chain in module.parametrizations.items():  # type: ignore[union-attr, operator]
        plain._parameters[name] = chain.original
    plain.reset_parameters()
