"""One step's batch and everything computed from it, lazily and once.

Loss terms request what they need from this context; what no active term requests is not computed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.settings import StepSettings
from swaplab.losses.step_faces import StepFaces
from swaplab.networks.draws import Draws, drawing, draws_numbers
from swaplab.networks.generator import decoded, matched
from swaplab.networks.names import DISCRIMINATOR, GENERATOR
from swaplab.networks.protocols import Generator, SwapOutput
from swaplab.networks.statistics import tracks, untracked

T = TypeVar("T")


class StepContext(StepFaces):
    """The faces of one batch and the networks' outputs for them.

    ``progress``: in [0, 1]. ``gradients``: whether the generator is trained on this batch; if not, its forward passes
    keep no graph. All methods return tensors of this rank. See `StepFaces` for the other arguments.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module] | nn.ModuleDict,
        faces: Mapping[str, Mapping[str, Tensor]],
        position: Tensor,
        progress: float,
        settings: StepSettings,
        gradients: bool = True,
    ) -> None:
        super().__init__(faces, position, settings)
        self.networks, self.progress, self._gradients = networks, progress, gradients
        self.identities: tuple[str, ...] = tuple(faces)
        self._trained: str | None = None
        self._cache: dict[tuple[str, ...], object] = {}
        self.asked: set[str] = set()  # the kinds of forward pass made so far
        modules = list(networks[GENERATOR].modules())
        self._moves = any(tracks(module) for module in modules)
        self._draws = any(draws_numbers(module) for module in modules)

    @contextmanager
    def update(self, trains: str, identities: Sequence[str] | None) -> Iterator["StepContext"]:
        """A context for the update of the network ``trains``; terms sum over ``identities`` (None: all)."""
        everyone, self._trained = self.identities, trains
        self.identities = everyone if identities is None else tuple(identities)
        try:
            yield self
        finally:
            self.identities, self._trained = everyone, None

    def stepped(self, network: str) -> None:
        """Discard everything computed with ``network``: its parameters have changed."""
        if network == GENERATOR:
            self._cache.clear()

    def micro_batches(self, count: int, gradients: bool) -> Iterator["StepContext"]:
        """This context if ``count`` is 1, else ``count`` contexts of consecutive micro-batches, which share no
        computation. ``gradients``: as in the constructor."""
        if count == 1:
            yield self
            return
        for rows in torch.arange(len(self.position)).tensor_split(count):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            faces = {name: {kind: images[part] for kind, images in of.items()} for name, of in self.faces.items()}
            yield StepContext(self.networks, faces, self.position[part], self.progress, self.settings, gradients)

    def code(self, name: str, clean: bool = False) -> Tensor:
        """The code of the inputs of ``name``; ``clean``: of the targets instead."""
        if clean:
            return self._once(("clean encode", name), False, lambda: self._encode(self.target(name), name))
        if self.settings.joint and self.generator.shared_encoder:
            return self._joint_codes()[name]

        def made(name: str, tracked: bool) -> Tensor:
            return self._once(
                ("encode", name), tracked, lambda: self._code_of(name, self._encode(self._seen(name), name))
            )

        return self._in_order("encode", (name,), [(owner,) for owner in self._owners()], made)

    def _joint_codes(self) -> dict[str, Tensor]:
        names = tuple(self.faces)

        def encode() -> dict[str, Tensor]:
            inputs = [self._seen(name) for name in names]
            codes = self._encode(torch.cat(inputs).contiguous(memory_format=torch.channels_last), names[0])
            parts = codes.split([len(x) for x in inputs])
            return {name: self._code_of(name, part) for name, part in zip(names, parts, strict=True)}

        return self._once(("encode",), "encode" in self.settings.tracked, encode, names)

    def reconstruction(self, name: str) -> SwapOutput:
        """The faces of ``name`` decoded as themselves."""

        def made(name: str, tracked: bool) -> SwapOutput:
            code = self.code(name)
            return self._once(("reconstruction", name), tracked, lambda: self._decode(code, name, name))

        return self._in_order("reconstruction", (name,), [(owner,) for owner in self._owners()], made)

    def swap(self, source: str, target: str, clean: bool = False) -> SwapOutput:
        """The faces of ``source`` decoded as ``target``; ``clean``: from targets instead of inputs."""

        def made(source: str, target: str, tracked: bool) -> SwapOutput:
            code, key = self.code(source, clean), "clean swap" if clean else "swap"
            return self._once((key, source, target), tracked, lambda: self._swap(code, source, target, source))

        if clean:
            return made(source, target, False)
        pairs = [(other, owner) for owner in self._owners() for other in self.others(owner)]
        return self._in_order("swap", (source, target), pairs, made)

    def swapped(self, source: str, target: str) -> Tensor:
        """The final picture (n, 3, R, R) of the swap of ``source`` to ``target``, with the run's composition."""
        return self.settings.composition.picture(self.swap(source, target), self.input(source))

    def composed(self, name: str) -> Tensor:
        """The reconstruction of ``name`` (n, 3, R, R) blended with the input by its mask. Raises UserError without a
        mask."""
        output = self.reconstruction(name)
        if output.mask is None:
            raise UserError(
                "a loss uses the composed image, which needs a mask; set mask=learned or let it use the raw image"
            )
        return output.composed(self.input(name))

    def cycle(self, source: str, via: str, clean: bool = False) -> SwapOutput:
        """The swap of ``source`` to ``via``, re-encoded and decoded as ``source``."""
        swapped = self.swap(source, via, clean).raw
        key = ("clean cycle" if clean else "cycle", source, via)
        return self._once(key, False, lambda: self._swap(self._encode(swapped, via), via, source, source))

    def resemblance(self, name: str) -> SwapOutput:
        """The clean targets of ``name`` decoded as ``name``, for an identity loss."""
        code = self.code(name, clean=True)
        return self._once(("resemblance", name), False, lambda: self._decode(code, name, name))

    def _owners(self) -> tuple[str, ...]:
        """The identities whose forward passes update running statistics: those of a generator update, or all.

        A discriminator update does not change the generator, so its passes cover all identities.
        """
        return self.identities if self._trained == GENERATOR else tuple(self.faces)

    def _in_order(
        self, kind: str, wanted: tuple[str, ...], owned: Sequence[tuple[str, ...]], made: Callable[..., T]
    ) -> T:
        """The forward pass ``made`` of ``wanted``. If it updates running statistics, all passes of its kind that do
        (``owned``) run first, in their order, so that the result does not depend on which one is requested first."""
        tracked = self._moves and kind in self.settings.tracked and wanted in owned
        for other in owned if tracked else ():
            made(*other, True)
        return made(*wanted, tracked)

    def judge(self, faces: Tensor, name: str, condition: Tensor | None = None) -> Tensor:
        """The discriminator's scores (n, k, h, w) of ``faces`` as ``name``, given ``condition`` (None: the inputs of
        ``name``).

        Never cached, because the discriminator changes during a step.
        """
        judge = self.networks[DISCRIMINATOR]
        own = self._trained == DISCRIMINATOR and "judgement" in self.settings.tracked
        with nullcontext() if own else untracked(judge):
            scores: Tensor = judge.judge(faces, name, self.input(name) if condition is None else condition)  # type: ignore[operator]
        return _full(scores)

    @property
    def generator(self) -> Generator:
        """The generator, typed."""
        return cast(Generator, self.networks[GENERATOR])

    def _swap(self, code: Tensor, source: str, target: str, shown: str) -> SwapOutput:
        return self._decode(matched(self.generator, code, source, target), target, shown)

    def _decode(self, code: Tensor, name: str, shown: str) -> SwapOutput:
        """A code decoded as ``name``; ``shown``: the identity whose masks compose it."""
        composition = self.settings.composition
        given = None if composition.by is None else self.mask(shown, composition.by)
        output = composition.masked(decoded(self.generator, code, name), given)
        mask = None if output.mask is None else _full(output.mask)
        return SwapOutput(_full(output.raw), mask, {k: _full(v) for k, v in output.aux.items()})

    def _encode(self, faces: Tensor, name: str) -> Tensor:
        return self.generator.encode(faces, name)

    def _code_of(self, name: str, codes: Tensor) -> Tensor:
        mixup = self.settings.mixup
        return codes if mixup is None or mixup.where != "codes" else self._mixed(codes, name)

    def _seen(self, name: str) -> Tensor:
        """The encoder's input of ``name``; under mixup of codes, the unmixed faces."""
        mixup = self.settings.mixup
        return self.input(name) if mixup is None or mixup.where == "images" else self.faces[name]["input"]

    def _once(
        self, key: tuple[str, ...], tracked: bool, compute: Callable[[], T], sources: tuple[str, ...] | None = None
    ) -> T:
        """The value for ``key`` (purpose, identity, ...), computed once; ``sources``: the identities, if several.

        ``tracked``: whether it updates running statistics. Other cached values that ``compute`` needs must exist
        already, or they would be computed under the settings of this one.
        """
        if key not in self._cache:
            self.asked.add(key[0])
            network = self.networks[GENERATOR]
            faces = [(name, place) for name in sources or key[1:2] for place in self.position.tolist()]
            # ignores the caller's grad mode: a term that is only measured must not cache a value without its graph
            with (
                nullcontext() if tracked or not self._moves else untracked(network),
                drawing(network, Draws(self.settings.seed, key[0], faces)) if self._draws else nullcontext(),
                torch.set_grad_enabled(self._gradients),
            ):
                self._cache[key] = compute()
        return cast(T, self._cache[key])


def _full(x: Tensor) -> Tensor:
    """Half-precision outputs in float32, so that losses are summed in float32."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
