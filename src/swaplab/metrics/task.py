"""The data of an evaluation: one direction A to B of one held-out split, as tensors."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.faces.faceset import MASKS, Faceset
from swaplab.metrics.trivial import MaskedFaces


@dataclass(frozen=True)
class RetrievalSet:
    """Frames of A and their true swaps (n, 3, R, R), with face masks (n, 1, R, R), clips and times in seconds."""

    query: Tensor
    query_mask: Tensor | None
    truth: Tensor
    truth_mask: Tensor
    clips: list[str]
    times: list[float]


@dataclass(frozen=True)
class SwapTask:
    """One direction ``source`` to ``target`` of a split. Faces (N, 3, R, R), masks (N, 1, R, R), in [0, 1].

    ``query``: the source's frames with their ``clips`` and ``times`` (seconds). ``query_mask``: their face masks.
    ``truth``, ``truth_mask``: the true swaps and their face masks, for rendered people only, else None.
    ``query_occluder``, ``truth_occluder``: occluders in front of the faces, which face masks leave out. ``retrieval``:
    further sets, by what their frames differ in. Unknown masks are None. Raises ValueError if shapes disagree.
    """

    source: str
    target: str
    split: str
    query: Tensor
    clips: list[str]
    times: list[float]
    query_mask: Tensor | None = None
    truth: Tensor | None = None
    truth_mask: Tensor | None = None
    query_occluder: Tensor | None = None
    truth_occluder: Tensor | None = None
    retrieval: Mapping[str, RetrievalSet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, _, side, _ = self.query.shape
        if not len(self.clips) == len(self.times) == n:
            raise ValueError(
                f"each query needs a clip and a time; got {n} queries, {len(self.clips)} clips, {len(self.times)} times"
            )
        if (self.truth is None) != (self.truth_mask is None):
            raise ValueError("give both truth and truth_mask, or neither")
        masks = ("query_mask", "truth_mask", "query_occluder", "truth_occluder")
        for name, channels in (("truth", 3), *((mask, 1) for mask in masks)):
            given = getattr(self, name)
            if given is not None and given.shape != (n, channels, side, side):
                raise ValueError(f"{name} must have shape {(n, channels, side, side)}; got {tuple(given.shape)}")

    @property
    def direction(self) -> str:
        """The direction as shown in tables: source->target."""
        return f"{self.source}->{self.target}"

    @property
    def digest(self) -> str:
        """16 hex digits over the frames, their true swaps if known, and the mask: the data measured on."""
        shown = [each for each in (self.query, self.truth, self.mask) if each is not None]
        return hashlib.sha256(b"".join(each.numpy().tobytes() for each in shown)).hexdigest()[:16]

    @property
    def mask(self) -> Tensor:
        """The mask (N, 1, R, R) inside which swaps are measured: the true swap's face, else the query's, else all."""
        if self.truth_mask is not None:
            return self.truth_mask
        return self.query_mask if self.query_mask is not None else torch.ones_like(self.query[:, :1])

    @property
    def regions(self) -> dict[str, Tensor]:
        """Regions (N, 1, R, R) of the true swap: ``face`` (without occluders), ``occluder`` and ``surroundings``."""
        if self.truth_mask is None:
            return {}
        return _regions(self.truth_mask, self.truth_occluder)

    @property
    def kept_regions(self) -> dict[str, Tensor]:
        """Regions that a swap must not change: the query's ``occluder``, and the ``surroundings`` of both faces."""
        if self.query_mask is None:
            return {}
        both = self.query_mask if self.truth_mask is None else self.query_mask.maximum(self.truth_mask)
        return {name: mask for name, mask in _regions(both, self.query_occluder).items() if name != "face"}

    def only(self, frames: list[int]) -> "SwapTask":
        """The task restricted to ``frames`` (indices)."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self)}
        parts: dict[str, Any] = {name: value[frames] for name, value in chosen.items() if isinstance(value, Tensor)}
        parts |= {"clips": [self.clips[i] for i in frames], "times": [self.times[i] for i in frames]}
        return replace(self, **parts)

    @property
    def retrieval_sets(self) -> dict[str, RetrievalSet]:
        """``mixed``, the split's own frames, and the sets in ``retrieval``; empty without true swaps."""
        if self.truth is None or self.truth_mask is None:
            return {}
        mixed = RetrievalSet(self.query, self.query_mask, self.truth, self.truth_mask, self.clips, self.times)
        return {"mixed": mixed, **self.retrieval}


def swap_task(
    facesets: Mapping[str, Faceset],
    source: str,
    target: str,
    split: str,
    truth: Mapping[tuple[str, str], Faceset] | None = None,
    retrieval: Mapping[str, Mapping[str, Faceset]] | None = None,
) -> SwapTask:
    """The task of ``split`` (``val`` or ``test``) from facesets with a split for each record.

    ``truth[source, target]``: the true swaps of the source's held-out records, in their order.
    ``retrieval[kind][name]``: held-out frames whose states match one to one across names. Raises UserError if a split
    has no faces or the true swaps do not belong to the frames.
    """
    queries = of_split(facesets[source], split)
    true_swaps = truth.get((source, target)) if truth else None
    if true_swaps is not None:
        true_swaps = of_split(true_swaps, split)
        _check_pairs(queries, true_swaps)
    query_masks = _known_masks(queries)
    truth_masks = None if true_swaps is None else _masks(true_swaps)
    task = SwapTask(
        source=source,
        target=target,
        split=split,
        query=faces_of(queries),
        clips=[record.clip for record in queries.records],
        times=[record.time for record in queries.records],
        query_mask=None if query_masks is None else query_masks["face"],
        truth=None if true_swaps is None else faces_of(true_swaps),
        truth_mask=None if truth_masks is None else truth_masks["face"],
        query_occluder=None if query_masks is None else query_masks["occluder"],
        truth_occluder=None if truth_masks is None else truth_masks["occluder"],
        retrieval={
            kind: _retrieval_set(of_split(people[source], split), of_split(people[target], split))
            for kind, people in (retrieval or {}).items()
        },
    )
    return _seen(task, queries)


def _seen(task: SwapTask, queries: Faceset) -> SwapTask:
    """The task without frames whose face is hidden. Raises UserError if no frame is left."""
    visible = torch.ones(len(task.query), dtype=torch.bool)
    for mask in (task.query_mask, task.truth_mask):
        if mask is not None:
            visible &= mask.amax((1, 2, 3)) > 0
    if not visible.any():
        raise UserError(f"no frame of split '{task.split}' in {queries.folder} shows a face; use other clips")
    return task if visible.all() else task.only(visible.nonzero()[:, 0].tolist())


def _regions(face: Tensor, occluder: Tensor | None) -> dict[str, Tensor]:
    before = torch.zeros_like(face) if occluder is None else occluder
    return {"face": face, "occluder": before, "surroundings": (1 - face - before).clamp_min(0)}


def _retrieval_set(queries: Faceset, truths: Faceset) -> RetrievalSet:
    _check_pairs(queries, truths)
    return RetrievalSet(
        query=faces_of(queries),
        query_mask=None if (masks := _known_masks(queries)) is None else masks["face"],
        truth=faces_of(truths),
        truth_mask=_masks(truths)["face"],
        clips=[record.clip for record in queries.records],
        times=[record.time for record in queries.records],
    )


def of_split(faceset: Faceset, split: str) -> Faceset:
    """The records of a split. Raises UserError if there are none."""
    chosen = [i for i, record in enumerate(faceset.records) if record.split == split]
    if not chosen:
        raise UserError(
            f"faceset {faceset.folder} has no faces in split '{split}'; add clips of {faceset.identity} or change the "
            f"split"
        )
    return faceset.select(chosen)


def _check_pairs(queries: Faceset, truths: Faceset) -> None:
    ours, theirs = ([(r.clip, r.frame) for r in faceset.records] for faceset in (queries, truths))
    if ours != theirs:
        raise UserError(
            f"the true swaps in {truths.folder} do not match the frames in {queries.folder}; render both again"
        )


def faces_of(faceset: Faceset) -> Tensor:
    """The face regions (n, 3, R, R) in [0, 1]."""
    regions = faceset.alignment.region_of(faceset.faces())
    return torch.from_numpy(np.ascontiguousarray(regions.transpose(0, 3, 1, 2))).float() / 255


def masked_faces(faceset: Faceset) -> MaskedFaces:
    """The face regions, with their masks if all are known."""
    masks = _known_masks(faceset)
    return MaskedFaces.of(faces_of(faceset), None if masks is None else masks["face"])


def _known_masks(faceset: Faceset) -> dict[str, Tensor] | None:
    return _masks(faceset) if all(record.masks for record in faceset.records) else None


def _masks(faceset: Faceset) -> dict[str, Tensor]:
    """The masks of faces and occluders, each (n, 1, R, R) in [0, 1]."""
    regions = faceset.alignment.region_of(faceset.masks())
    return {
        name: torch.from_numpy(np.ascontiguousarray(regions[:, None, ..., MASKS.index(name)])).float() / 255
        for name in ("face", "occluder")
    }
