"""A trial step on random faces before training, to find out which forward passes the losses use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.names import GENERATOR
from swaplab.networks.statistics import tracking
from swaplab.training.module import SwapModule

FACES = 2  # of each identity: batch statistics need more than one
SWAPS = frozenset({"swap", "clean swap", "cycle", "clean cycle"})


def rehearse(module: SwapModule, resolution: int) -> None:
    """Raise UserError if the generator would be trained in another way than it is used; ``module`` is not changed.

    This is so if it would be evaluated with running statistics that no step updates, or if a loss uses swaps although
    codes are matched only outside training.
    """
    generator = module.networks[GENERATOR]
    layers, matches = tracking(generator), getattr(generator, "code_match", None) is not None
    if not layers and not matches:
        return
    with _kept(module), _moved(layers) as moved:
        asked = _step(module, resolution)
    swapping = [name for name, kinds in asked.items() if kinds & SWAPS]
    if matches and swapping:
        raise UserError(
            f"loss.{swapping[0]} uses swaps, but code_match changes their codes outside training only, so the loss "
            f"would train other swaps than those that are evaluated; set generator/code_match=none or turn the loss off"
        )
    untouched = [path for path in layers if path not in moved]
    if untouched:
        kinds = sorted({kind for of in asked.values() for kind in of} & {"encode", "reconstruction", "swap"})
        raise UserError(
            f"{GENERATOR}.{untouched[0]} would be evaluated with running statistics that no step updates: no forward "
            f"pass in tracked_forwards={_listed(sorted(module.settings.tracked))} reaches it; the losses use "
            f"{_listed(kinds)}, so add one of these, or choose norm=group"
        )


def _step(module: SwapModule, resolution: int) -> dict[str, set[str]]:
    """Call every loss once, in the order of updates; returns the kinds of forward passes that each one used."""
    asked: dict[str, set[str]] = {}
    contexts = module.contexts(_batch(module, resolution), learning=set())
    for update in module.updates:
        step = contexts[update.part]
        with torch.no_grad(), step.update(update.network, update.identities):
            for name, term in module.terms_of(update).items():
                before = set(step.asked)
                term(step)
                asked.setdefault(name, set()).update(step.asked - before)
        step.stepped(update.network)
    return asked


def _batch(module: SwapModule, resolution: int) -> dict[str, Any]:
    """A batch of random faces."""
    random, count = torch.Generator().manual_seed(0), FACES * module.parts

    def images(channels: int) -> Tensor:
        size = (count, channels, resolution, resolution)
        return torch.randint(0, 256, size, dtype=torch.uint8, generator=random)

    kinds = {"input": 3, "target": 3, "masks": len(module.settings.masks)}
    faces = {n: {kind: images(channels) for kind, channels in kinds.items() if channels} for n in module.identities}
    return {"position": torch.arange(count), "faces": faces}


@contextmanager
def _kept(module: SwapModule) -> Iterator[None]:
    """A context that restores the buffers of networks and the histories of losses."""
    buffers = {name: buffer.clone() for name, buffer in module.networks.named_buffers()}
    memories = {name: history.state() for name, history in module.memories().items()}
    try:
        yield
    finally:
        for name, buffer in module.networks.named_buffers():
            buffer.copy_(buffers[name])
        for name, history in module.memories().items():
            history.restore(memories[name])


@contextmanager
def _moved(layers: dict[str, nn.Module]) -> Iterator[set[str]]:
    """A context that collects the paths of layers whose running statistics a forward pass may update."""
    moved: set[str] = set()

    def note(path: str) -> Any:
        return lambda layer, *_: moved.add(path) if layer.training and layer.track_running_stats else None

    hooks = [layer.register_forward_hook(note(path)) for path, layer in layers.items()]
    try:
        yield moved
    finally:
        for hook in hooks:
            hook.remove()


def _listed(words: list[str]) -> str:
    return f"[{','.join(words)}]"
