"""What answers are measured against without a model: one set of real faces of both people, named by its digest.

Trivial answers and the ends of the identity scale are of these faces. Of rendered people they are a fixed, clean set,
so that no setting of the data moves what a score is divided by; of real people there is none but their own facesets.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from swaplab.faces.faceset import Faceset
from swaplab.metrics.task import faces_of, masked_faces, of_split
from swaplab.metrics.trivial import MaskedFaces
from swaplab.thinning import evenly

# Enough for colour statistics, 32 principal components and a centroid; keeps a large faceset out of memory.
TRAIN_FACES = 1000


@dataclass(frozen=True)
class RealFaces:
    """Faces of both people: those that everything is fitted on, ``train_source`` and ``train_target``, in any order;
    ``val_source`` and, if known, their true swaps ``val_truth``, by which the shifted mean is chosen; and the held-out
    real faces (n, 3, R, R) whose identity is 0 and 1, ``impostor`` and ``genuine``."""

    train_source: MaskedFaces
    train_target: MaskedFaces
    val_source: MaskedFaces
    val_truth: MaskedFaces | None
    impostor: Tensor
    genuine: Tensor


@dataclass(frozen=True)
class Yardstick:
    """The facesets of ``source`` and ``target``, whose records name their split, and of the true swaps of the source's
    val frames, where known. ``held_out``: the split of the frames whose identity is 0 and 1."""

    source: Faceset
    target: Faceset
    truth: Faceset | None
    held_out: str

    @classmethod
    def of(
        cls,
        facesets: Mapping[str, Faceset],
        source: str,
        target: str,
        held_out: str,
        truth: Mapping[tuple[str, str], Faceset] | None = None,
    ) -> "Yardstick":
        """Of facesets by name, and of the true swaps ``truth[source, target]``."""
        return cls(facesets[source], facesets[target], truth[source, target] if truth else None, held_out)

    @property
    def digest(self) -> str:
        """16 hex digits over every face, label and split."""
        parts = [each for each in (self.source, self.target, self.truth) if each is not None]
        known = [[faceset.digest(), [record.split for record in faceset.records]] for faceset in parts]
        return hashlib.sha256(json.dumps([known, self.held_out]).encode()).hexdigest()[:16]

    def read(self) -> RealFaces:
        """The faces. Raises UserError where a split has none."""
        train_source, train_target = (_thinned(of_split(each, "train")) for each in (self.source, self.target))
        truth = None if self.truth is None else masked_faces(of_split(self.truth, "val"))
        return RealFaces(
            train_source=masked_faces(train_source),
            train_target=masked_faces(train_target),
            val_source=masked_faces(of_split(self.source, "val")),
            val_truth=truth,
            impostor=faces_of(of_split(self.source, self.held_out)),
            genuine=faces_of(of_split(self.target, self.held_out)),
        )


def _thinned(faceset: Faceset) -> Faceset:
    return faceset.select(evenly(len(faceset.records), TRAIN_FACES))
