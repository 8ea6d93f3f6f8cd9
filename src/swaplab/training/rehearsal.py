"""A step is rehearsed on two made-up faces before a run begins: what its losses ask for is known only when they ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.context import GENERATOR
from swaplab.networks.statistics import tracking
from swaplab.training.module import SwapModule

FACES = 2  # of each identity: batch statistics need more than one
SWAPS = frozenset({"swap", "clean swap", "cycle", "clean cycle"})


def rehearse(module: SwapModule, resolution: int) -> None:
    """UserError where a generator would be used in another way than it is trained; ``module`` stays as it was.

    That is where it would be evaluated with running statistics that no step moves, and where a loss looks at swaps of
    codes that are matched only outside training.
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
            f"losses.{swapping[0]} looks at swaps, whose codes are matched when they are used but not in training, so "
            f"it would train what nobody sees; set code_match=none, or drop the loss"
        )
    untouched = [path for path in layers if path not in moved]
    if untouched:
        kinds = sorted({kind for of in asked.values() for kind in of} & {"encode", "reconstruction", "swap"})
        raise UserError(
            f"{GENERATOR}.{untouched[0]} would be evaluated with running statistics that no step moves: "
            f"tracked_forwards={_listed(sorted(module.settings.tracked))} names nothing that passes it; the losses ask "
            f"for {_listed(kinds)}, so name one of these, or choose norm=group"
        )


def _step(module: SwapModule, resolution: int) -> dict[str, set[str]]:
    """Ask every loss once, update after update; the kinds of forward that were made for each."""
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
    """Faces of noise, as a loader hands them over."""
    random, count = torch.Generator().manual_seed(0), FACES * module.parts

    def images(channels: int) -> Tensor:
        size = (count, channels, resolution, resolution)
        return torch.randint(0, 256, size, dtype=torch.uint8, generator=random)

    kinds = {"input": 3, "target": 3, "masks": len(module.settings.masks)}
    faces = {n: {kind: images(channels) for kind, channels in kinds.items() if channels} for n in module.identities}
    return {"position": torch.arange(count), "faces": faces}


@contextmanager
def _kept(module: SwapModule) -> Iterator[None]:
    """Buffers of networks and memories of losses are afterwards what they were."""
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
    """The paths of those layers whose running statistics some forward was allowed to move."""
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
