"""Checks of networks against their protocols (`swaplab.networks.protocols`), by forward passes of random faces.

Every run makes them before it trains; tests of your own components can call them, too. All raise UserError with one
sentence that says what a component must return. A network's weights, statistics and mode are not changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from swaplab.errors import UserError, first_line
from swaplab.networks.generator import decoded
from swaplab.networks.protocols import Discriminator, Generator, SwapOutput

FACES = 2
MEMBERS: dict[type, tuple[str, ...]] = {
    Generator: ("identities", "shared_encoder", "encode", "decode"),
    Discriminator: ("judge",),
}
Layer = Literal["norm", "attention", "mask"]
LAYERS: tuple[Layer, ...] = ("norm", "attention", "mask")


def check_members(network: object, protocol: type, role: str) -> None:
    """Raise UserError unless a ``network`` is an ``nn.Module`` with the members of its protocol.

    ``role``: what it is in the config, such as generator; so in all these checks.
    """
    missing = [member for member in MEMBERS[protocol] if not hasattr(network, member)]
    name = type(network).__name__
    if not isinstance(network, nn.Module):
        raise UserError(f"{role}: {name} is not an nn.Module; derive it from torch.nn.Module")
    if missing:
        raise UserError(
            f"{role}: {name} has no {' and no '.join(missing)}; swaplab.networks.protocols.{protocol.__name__} says "
            f"what it must offer"
        )


def check_generator(generator: nn.Module, identities: Sequence[str], resolution: int) -> None:
    """Raise UserError unless a generator keeps its protocol for faces of ``resolution`` pixels of each identity."""
    check_members(generator, Generator, "generator")
    assert isinstance(generator, Generator)
    name = type(generator).__name__
    if tuple(generator.identities) != tuple(identities):
        raise UserError(f"generator: {name}.identities must be {tuple(identities)}; got {generator.identities!r}")
    faces = _faces(resolution)
    with _trial(generator):
        for identity in identities:
            code = _code(generator, faces, identity)
            asked = f"decode a code of shape {tuple(code.shape)}"
            output = _asked(partial(decoded, generator, code, identity), "generator", generator, asked)
            if not isinstance(output, SwapOutput):
                raise UserError(f"generator: {name}.decode must return a SwapOutput; got a {type(output).__name__}")
            _check_image(output.raw, (FACES, 3, resolution, resolution), f"generator: colours of {name}.decode")
            if output.mask is not None:
                _check_image(output.mask, (FACES, 1, resolution, resolution), "mask: the alpha")


def check_discriminator(discriminator: nn.Module, identities: Sequence[str], resolution: int) -> None:
    """Raise UserError unless a discriminator keeps its protocol for faces of ``resolution`` pixels."""
    check_members(discriminator, Discriminator, "discriminator")
    assert isinstance(discriminator, Discriminator)
    faces, name = _faces(resolution), type(discriminator).__name__
    with _trial(discriminator):
        for identity in identities:
            judge = partial(discriminator.judge, faces, identity, faces)
            scores = _asked(judge, "discriminator", discriminator, f"judge faces of shape {tuple(faces.shape)}")
            if not isinstance(scores, Tensor) or scores.ndim != 4 or len(scores) != FACES:
                raise UserError(
                    f"discriminator: {name}.judge must return scores (n, k, h, w) for n faces; for {FACES} faces it "
                    f"returned {_described(scores)}"
                )


def check_layer(layer: nn.Module, kind: Layer, features: Tensor) -> None:
    """Raise UserError unless a norm, an attention or a mask head keeps its protocol for ``features`` (n, c, h, w)."""
    with _trial(layer):
        output = _asked(partial(layer, features), kind, layer, f"take features of shape {tuple(features.shape)}")
    _check_layer_output(layer, kind, features, output)


@contextmanager
def checked_layers(network: nn.Module, classes: Mapping[Layer, Sequence[type]]) -> Iterator[None]:
    """A context in which `check_layer`'s rules hold for every output of the layers of ``network`` of these classes."""
    with ExitStack() as hooks:
        for kind, types in classes.items():
            for layer in (layer for layer in network.modules() if isinstance(layer, tuple(types))):

                def check(layer: nn.Module, given: Any, output: Any, kind: Layer = kind) -> None:
                    _check_layer_output(layer, kind, given[0], output)

                hooks.callback(layer.register_forward_hook(check).remove)
        yield


def code_shape(generator: nn.Module, resolution: int) -> torch.Size:
    """The shape of one code, without the batch dimension."""
    assert isinstance(generator, Generator)
    with _trial(generator):
        return _code(generator, _faces(resolution), generator.identities[0]).shape[1:]


def _code(generator: Generator, faces: Tensor, identity: str) -> Tensor:
    name, asked = type(generator).__name__, f"encode faces of shape {tuple(faces.shape)}"
    code = _asked(partial(generator.encode, faces, identity), "generator", generator, asked)
    if not isinstance(code, Tensor) or not code.ndim or len(code) != FACES:
        raise UserError(
            f"generator: {name}.encode must return a tensor (n, ...) for n faces; for {FACES} faces it returned "
            f"{_described(code)}"
        )
    return code


def _check_layer_output(layer: nn.Module, kind: Layer, features: Tensor, output: Any) -> None:
    name, shape = type(layer).__name__, tuple(features.shape)
    if kind == "mask":
        _check_image(output, (shape[0], 1, *shape[2:]), f"mask: the alpha of {name}")
    elif not isinstance(output, Tensor) or tuple(output.shape) != shape:
        raise UserError(
            f"{kind}: {name} must return features of the shape that it gets, {shape}; it returned {_described(output)}"
        )


def _check_image(values: Any, shape: tuple[int, ...], what: str) -> None:
    if not isinstance(values, Tensor) or tuple(values.shape) != shape:
        raise UserError(f"{what} must have shape {shape}; got {_described(values)}")
    if values.numel() and not bool(((values >= 0) & (values <= 1)).all()):  # also finds NaN
        low, high = values.min().item(), values.max().item()
        raise UserError(f"{what} must be in [0, 1]; got {low:.3g} to {high:.3g}; end with a sigmoid or clamp in eval")


def _asked(call: Callable[[], Any], role: str, part: object, asked: str) -> Any:
    """What ``call`` returns; an error of somebody's code becomes one sentence, with the error as its cause."""
    try:
        return call()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{role}: {type(part).__name__} cannot {asked}: {first_line(error)}; correct its code"
        ) from error


def _described(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _faces(resolution: int) -> Tensor:
    """Random faces (2, 3, R, R) in [0, 1], always the same."""
    return torch.rand(FACES, 3, resolution, resolution, generator=torch.Generator().manual_seed(0))


@contextmanager
def _trial(network: nn.Module | Generator | Discriminator) -> Iterator[None]:
    """A context without gradients in eval mode, in which running statistics stand still."""
    assert isinstance(network, nn.Module)
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, was in training.items():
            module.training = was
