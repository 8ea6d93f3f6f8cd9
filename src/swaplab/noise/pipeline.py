"""From a stored crop to input and target: operations in order, each with its own random stream."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.noise.generators import KeyedGenerators
from swaplab.noise.geometry import Movement, moved, moved_mask
from swaplab.noise.operation import Facts, Matrix, Operation, Picture, Scope
from swaplab.noise.warp import Warp


class Pair(NamedTuple):
    """The network's input and target, both (region, region, 3), and the target's masks (region, region, k), if any."""

    input: Picture
    target: Picture
    masks: Picture | None


class NoisePipeline:
    """Applies the operations to one face.

    A draw is a function of (seed, identity, position, name of the operation) only, so adding or removing an operation
    does not change the draws of the others. Operations before the warp act on stored crops, those after it on the face
    region; without a warp, the face region is cut out at the end. Raises UserError for two warps, and for an operation
    that changes the size or dtype of the images.
    """

    def __init__(self, operations: Mapping[str, Operation], alignment: Alignment, seed: int) -> None:
        self.operations, self.alignment, self.seed = dict(operations), alignment, seed
        self._generators = KeyedGenerators()
        warps = [name for name, operation in self.operations.items() if isinstance(operation, Warp)]
        if len(warps) > 1:
            raise UserError(f"noise must have at most one warp; got {', '.join(warps)}")

    def __call__(
        self,
        identity: str,
        position: int,
        face: Picture,
        masks: Picture | None = None,
        faces: Sequence[Picture] = (),
        means: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> Pair:
        """Input, target and masks of ``identity`` at ``position`` in the run.

        ``face``: stored crop (stored, stored, 3); ``masks``: (stored, stored, k); ``faces``: stored crops of all
        identities, for operations that need another face; ``means``: mean colours (3,) by identity.
        """
        work, draws = _Work(face, masks), self._generators
        facts = Facts(self.alignment.region, faces, identity, means or {})
        for name, operation in self.operations.items():
            draws.move_to(self.seed, identity, position, name)
            if isinstance(operation, Movement):
                if operation.happens(draws):
                    work.move(operation.matrix(draws.numpy, work.target.shape[0]), operation.scope)
            elif isinstance(operation, Warp):
                work.warp(operation, draws, facts)
            else:
                work.settle()
                work.change(operation, draws, facts)
                self._check(name, work)
        work.settle(None if work.target.shape[0] == self.alignment.region else self.alignment)
        return Pair(work.input, work.target, work.masks)

    def _check(self, name: str, work: "_Work") -> None:
        sides = (self.alignment.stored, self.alignment.region)
        for picture in (work.input, work.target):
            if picture.dtype != np.uint8 or picture.shape[0] not in sides or picture.shape[1] not in sides:
                raise UserError(
                    f"noise operation '{name}' returns {picture.dtype} images of shape {picture.shape}; use an "
                    f"operation that keeps uint8 and the size"
                )


class _Work:
    """Input, target and masks in progress, with the movements that were drawn but not yet applied.

    While input and target are equal they are one object, and every operation is applied once.
    """

    def __init__(self, face: Picture, masks: Picture | None) -> None:
        self.input, self.target, self.masks = face, face, masks
        self.input_place: Matrix | None = None
        self.target_place: Matrix | None = None

    @property
    def one(self) -> bool:
        return self.input is self.target and self.input_place is self.target_place

    def move(self, matrix: Matrix, scope: Scope) -> None:
        before = self.input_place
        self.input_place = _after(before, matrix)
        if scope == "both":
            self.target_place = self.input_place if self.target_place is before else _after(self.target_place, matrix)

    def settle(self, cut: Alignment | None = None) -> None:
        """Apply the pending movements; with ``cut``, compute only its face region."""
        one = self.one
        if self.masks is not None:
            self.masks = _carried_out(self.masks, self.target_place, moved_mask, cut)
        self.target = _carried_out(self.target, self.target_place, moved, cut)
        self.input = self.target if one else _carried_out(self.input, self.input_place, moved, cut)
        self.input_place = self.target_place = None

    def warp(self, operation: Warp, draws: KeyedGenerators, facts: Facts) -> None:
        facts = replace(facts, input_place=self.input_place, target_place=self.target_place)
        if self._both(operation, draws, facts, together=self.one and operation.scope == "both"):
            self.input_place = self.target_place = None

    def change(self, operation: Operation, draws: KeyedGenerators, facts: Facts) -> None:
        if operation.scope == "input":
            self.input = operation({"image": self.input}, draws, facts)["image"]
        else:
            self._both(operation, draws, facts, together=self.one)

    def _both(self, operation: Operation, draws: KeyedGenerators, facts: Facts, together: bool) -> bool:
        """Change input, target and masks; whether anything was changed."""
        pictures = {"image": self.target}
        if not together:
            pictures["input"] = self.input
        if self.masks is not None:
            pictures["mask"] = self.masks
        done = operation(pictures, draws, facts)
        self.target, self.masks = done["image"], done.get("mask")
        self.input = self.target if together else done["input"]
        return done is not pictures


def _carried_out(
    picture: Picture,
    place: Matrix | None,
    resample: Callable[[Picture, Matrix, int], Picture],
    cut: Alignment | None,
) -> Picture:
    if place is None:
        return picture if cut is None else cut.region_of(picture)
    if cut is None:
        return resample(picture, place, picture.shape[0])
    shift = np.eye(3)
    shift[:2, 2] = -cut.border
    return resample(picture, shift @ place, cut.region)


def _after(before: Matrix | None, matrix: Matrix) -> Matrix:
    return matrix if before is None else matrix @ before
