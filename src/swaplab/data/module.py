"""Facesets as training batches and as held-out faces."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader

from swaplab.data.dataset import Batch, NoisyFaces, collate, divided
from swaplab.data.sampler import PositionSampler
from swaplab.data.splits import of_split, split
from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import MASKS, SPLITS, FaceRecord, Faceset
from swaplab.faces.masks import check_masks, named_masks
from swaplab.noise.colour_shift import ColourShift
from swaplab.noise.operation import Operation, Picture
from swaplab.noise.pipeline import NoisePipeline
from swaplab.stopping import follow_parent, shielded

# Positions that a worker hands over at once, at least: to hand over a batch costs milliseconds, however small it is.
AHEAD = 64


class Faces(NamedTuple):
    """Face regions (n, R, R, 3), their masks (n, R, R, 4) in the order of MASKS or None, uint8; and their
    records."""

    images: Picture
    masks: Picture | None
    records: tuple[FaceRecord, ...]

    @property
    def face_masks(self) -> Picture | None:
        """The masks of the faces alone, (n, R, R, 1), or None."""
        face = MASKS.index("face")
        return None if self.masks is None else self.masks[..., face : face + 1]


class FaceData(pl.LightningDataModule):
    """Batches for training, and the faces of any split without noise.

    ``batch_size`` counts the positions of a step over all ranks; at a position each identity shows one
    face. ``parts``: fresh batches that a step consumes, one after the other in a batch. ``masks``: names of
    MASKS, or ``hull``, that batches carry. ``parts`` and ``start_position`` (where a resumed run goes on) may be set
    until training begins. Batches do not depend on ``workers``, on the number of ranks or on where a run
    was resumed.

    Raises UserError if identities are missing, the same or aligned unequally, if ``resolution`` is not that
    of the facesets, if a mask is not known, if a split is empty, or if an identity has fewer training faces
    than a batch.
    """

    def __init__(
        self,
        facesets: Mapping[str, Faceset],
        noise: Mapping[str, Operation],
        *,
        seed: int,
        batch_size: int,
        workers: int = 0,
        masks: Sequence[str] = (),
        resolution: int | None = None,
        test_clips: Sequence[str] = (),
        parts: int = 1,
        start_position: int = 0,
        total: int | None = None,
    ) -> None:
        super().__init__()
        self.alignment = _common_alignment(facesets, resolution)
        self.seed, self.batch_size, self.workers, self.mask_names = seed, batch_size, workers, tuple(masks)
        self.parts, self.start_position, self.total = parts, start_position, total
        _check_clips(facesets, test_clips)
        divided = {name: split(faceset, test_clips) for name, faceset in facesets.items()}
        self._facesets = {name: faceset for name, (faceset, _) in divided.items()}
        self.weak_splits = frozenset(name for _, weak in divided.values() for name in weak)
        self._noise = NoisePipeline(noise, self.alignment, seed)
        self._dataset: NoisyFaces | None = None
        check_masks(self.mask_names)
        for name, faceset in self._facesets.items():
            faces = len(of_split(faceset, "train").records)
            if faces < batch_size:
                raise UserError(
                    f"identity {name} has {faces} training faces in {faceset.folder}, fewer than "
                    f"batch_size={batch_size}; add faces or lower batch_size"
                )

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of the identities, in the order of the config."""
        return tuple(self._facesets)

    @property
    def resolution(self) -> int:
        """Side of the face region in pixels."""
        return self.alignment.region

    def split_facesets(self) -> dict[str, Faceset]:
        """The facesets, every record's ``split`` set; faces in the gaps of a weak split are left out."""
        return dict(self._facesets)

    def held_out(self, name: str, identity: str) -> Faces:
        """The faces of ``identity`` in the split ``name``, without noise, in the order of the records."""
        if name not in SPLITS:
            raise UserError(f"split '{name}' is not known; choose one of {', '.join(SPLITS)}")
        chosen = of_split(self._facesets[identity], name)
        images = np.ascontiguousarray(self.alignment.region_of(chosen.faces()))
        masks = None
        if all(record.masks for record in chosen.records):
            masks = np.ascontiguousarray(self.alignment.region_of(chosen.masks()))
        return Faces(images, masks, chosen.records)

    def colour_shifts(self) -> dict[str, dict[str, list[float]]]:
        """What training adds to every face of an identity, in [0, 1]: {identity: {"input": (3,), "target": (3,)}}.

        Identities whose colours are their own are left out. Raises UserError for a shift of an identity that there is
        not.
        """
        shifts: dict[str, dict[str, list[float]]] = {}
        for operation in self._noise.operations.values():
            if isinstance(operation, ColourShift):
                self.setup()
                assert self._dataset is not None
                added = operation.shift(self._dataset.means) / 255
                of = shifts.setdefault(operation.identity, {"input": [0.0] * 3, "target": [0.0] * 3})
                for kind in ("input", "target") if operation.scope == "both" else ("input",):
                    of[kind] = (added + of[kind]).tolist()
        return shifts

    def setup(self, stage: str | None = None) -> None:
        """Read all training faces into memory, once."""
        if self._dataset is not None:
            return
        train = {name: of_split(faceset, "train") for name, faceset in self._facesets.items()}
        names = self.mask_names
        masks = {name: named_masks(faceset, names) for name, faceset in train.items()} if names else None
        faces = {name: faceset.faces() for name, faceset in train.items()}
        self._dataset = NoisyFaces(faces, self._noise, self.seed, masks)

    def train_dataloader(self) -> DataLoader[Batch]:
        """This rank's batches from ``start_position`` on; they do not end unless ``total`` says so."""
        self.setup()
        assert self._dataset is not None
        # Also here, before workers are forked: threads that OpenCV has started would be missing in a worker, and it
        # would wait for them for ever. On faces of this size they only cost time.
        one_thread()
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        shard = -(-self.batch_size // world) * self.parts
        positions = PositionSampler(
            self.batch_size,
            rank,
            world,
            self.start_position,
            total=self.total,
            parts=self.parts,
            steps=max(1, AHEAD // shard) if self.workers else 1,
        )
        return _Loader(
            positions.per_step,
            self._dataset,
            batch_sampler=positions,
            num_workers=self.workers,
            collate_fn=collate,
            worker_init_fn=_begin_worker,
            persistent_workers=self.workers > 0,
            prefetch_factor=4 if self.workers else None,
            pin_memory=torch.cuda.is_available(),
            # The loader draws a seed for its workers; from the global generator it would change what a model draws.
            generator=torch.Generator(),
        )


def _check_clips(facesets: Mapping[str, Faceset], test_clips: Sequence[str]) -> None:
    known = {record.clip for faceset in facesets.values() for record in faceset.records}
    unknown = sorted(set(test_clips) - known)
    if unknown:
        raise UserError(
            f"data.test_clips names {unknown[0]!r}, which is no clip of the facesets; choose among "
            f"{', '.join(sorted(known)[:20])}"
        )


def one_thread() -> None:
    """OpenCV without threads of its own; a worker's PyTorch has one already."""
    cv2.setNumThreads(1)


class _Loader(DataLoader[Batch]):
    """Batches of ``size`` positions; what workers hand over at once is divided into them.

    Its workers hear no signal from their first moment on: one that dies of it takes the run along.
    """

    def __init__(self, size: int, *data: Any, **settings: Any) -> None:
        super().__init__(*data, **settings)
        self.size = size

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        with shielded():
            several = super().__iter__()
        return (batch for item in several for batch in divided(item, self.size))


def _begin_worker(number: int) -> None:
    follow_parent()
    one_thread()


def _common_alignment(facesets: Mapping[str, Faceset], resolution: int | None) -> Alignment:
    """The alignment that all facesets share."""
    if not facesets:
        raise UserError("there are no identities; name at least one, as in data.identities.A=DIR")
    (first, reference), *others = facesets.items()
    for name, faceset in others:
        if faceset.alignment != reference.alignment:
            raise UserError(
                f"identities {first} and {name} are aligned unequally ({reference.folder}: {reference.alignment}; "
                f"{faceset.folder}: {faceset.alignment}); extract or render both alike"
            )
    seen: dict[str, str] = {}
    for name, faceset in facesets.items():
        if faceset.identity in seen:
            raise UserError(
                f"identities {seen[faceset.identity]} and {name} are the same person '{faceset.identity}' "
                f"({faceset.folder}); give facesets of different identities"
            )
        seen[faceset.identity] = name
    if resolution is not None and resolution != reference.alignment.region:
        raise UserError(
            f"resolution {resolution} is asked for, but {reference.folder} holds faces of {reference.alignment.region} "
            f"pixels; set the resolution to {reference.alignment.region} or make the facesets again"
        )
    return reference.alignment
