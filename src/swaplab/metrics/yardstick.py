"""The yardstick: one set of real faces of both people, identified by its digest.

Trivial baselines and the two ends of the identity scale are fitted on these faces. For rendered people it is a fixed,
clean set, so that no data setting changes what a score is divided by; for real people it is their own facesets.
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

# enough for colour statistics, 32 principal components and a centroid, without loading a large faceset
TRAIN_FACES = 1000


@dataclass(frozen=True)
class RealFaces:
    """Faces of both people.

    ``train_source``, ``train_target``: faces to fit on, in any order. ``val_source`` and, if known, their true swaps
    ``val_truth``: to choose k of the shifted mean. ``impostor``, ``genuine``: held-out real faces (n, 3, R, R) of
    source and target, with identity 0 and 1.
    """

    train_source: MaskedFaces
    train_target: MaskedFaces
    val_source: MaskedFaces
    val_truth: MaskedFaces | None
    impostor: Tensor
    genuine: Tensor


@dataclass(frozen=True)
class Yardstick:
    """The facesets of ``source`` and ``target``, with a split for each record, and of the source's true swaps in split
    val, if known. ``held_out``: the split of the frames with identity 0 and 1."""

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
        """From facesets by identity and true swaps ``truth[source, target]``."""
        return cls(facesets[source], facesets[target], truth[source, target] if truth else None, held_out)

    @property
    def digest(self) -> str:
        """16 hex digits over every face, label and split."""
        parts = [each for each in (self.source, self.target, self.truth) if each is not None]
        known = [[faceset.digest(), [record.split for record in faceset.records]] for faceset in parts]
        return hashlib.sha256(json.dumps([known, self.held_out]).encode()).hexdigest()[:16]

    def read(self) -> RealFaces:
        """The faces. Raises UserError if a split has none."""
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
