"""The LightningDataModule: training batches and held-out faces from facesets."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

# minimum number of positions that a worker sends at once; sending a batch takes milliseconds, whatever its size
AHEAD = 64


class Faces(NamedTuple):
    """Face regions (n, R, R, 3) and their masks (n, R, R, 4) in the order of MASKS, or None, uint8; and records."""

    images: Picture
    masks: Picture | None
    records: tuple[FaceRecord, ...]

    @property
    def face_masks(self) -> Picture | None:
        """The face masks (n, R, R, 1), or None."""
        face = MASKS.index("face")
        return None if self.masks is None else self.masks[..., face : face + 1]


class FaceData(pl.LightningDataModule):
    """Batches for training, and the faces of any split without noise.

    ``batch_size``: positions of a batch over all ranks; at each position there is one face per identity. ``parts``:
    number of batches that a step consumes, concatenated. ``masks``: names of MASKS, or ``hull``, to include in batches.
    Batches do not depend on ``workers``, the number of ranks, or where a run was resumed. ``held_out_faces``: the
    source of batches for ``val_dataloader`` and ``test_dataloader``, by split; set it before they are asked for.

    Training never ends by itself: batches follow each other over all epochs of a fit. ``position`` is where the next
    one begins; Lightning keeps it in checkpoints. With ``overfit_batches`` every epoch has the run's first batches.

    Raises UserError if identities are missing, identical or aligned differently, if ``resolution`` differs from the
    facesets', if a mask is unknown, if a split is empty, or if an identity has fewer training faces than a batch.
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
        position: int = 0,
    ) -> None:
        super().__init__()
        self.alignment = _common_alignment(facesets, resolution)
        self.seed, self.batch_size, self.workers, self.mask_names = seed, batch_size, workers, tuple(masks)
        self.parts, self.position = parts, position
        self.held_out_faces: dict[str, Any] = {}
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
        """Names of the identities in the order of the config."""
        return tuple(self._facesets)

    @property
    def resolution(self) -> int:
        """Side of the face region in pixels."""
        return self.alignment.region

    def split_facesets(self) -> dict[str, Faceset]:
        """The facesets with the ``split`` of every record set, without the faces in the gaps of weak splits."""
        return dict(self._facesets)

    def held_out(self, name: str, identity: str) -> Faces:
        """The faces of ``identity`` in the split ``name``, without noise, in the order of the records."""
        if name not in SPLITS:
            raise UserError(f"split must be one of {', '.join(SPLITS)}; got '{name}'")
        chosen = of_split(self._facesets[identity], name)
        images = np.ascontiguousarray(self.alignment.region_of(chosen.faces()))
        masks = None
        if all(record.masks for record in chosen.records):
            masks = np.ascontiguousarray(self.alignment.region_of(chosen.masks()))
        return Faces(images, masks, chosen.records)

    def colour_shifts(self) -> dict[str, dict[str, list[float]]]:
        """What training adds to every face of an identity, in units of [0, 1]: {identity: {"input": (3,), "target":
        (3,)}}, without identities that are not shifted.

        Raises UserError for a shift of an unknown identity.
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

    def train_dataloader(self) -> Iterable[Batch]:
        """This rank's batches from ``position`` on; they never end."""
        self.setup()
        assert self._dataset is not None
        # Also before workers are forked: a worker would lack OpenCV's threads and wait for them forever. On faces of
        # this size, threads only cost time.
        one_thread()
        rank, world = self._ranks()
        shard = -(-self.batch_size // world) * self.parts
        steps = max(1, AHEAD // shard) if self.workers else 1
        positions = PositionSampler(self.batch_size, rank, world, parts=self.parts, steps=steps)
        epoch = int(getattr(self.trainer, "overfit_batches", 0)) * self.batch_size * self.parts
        return Batches(
            self._dataset, positions, self.workers, lambda: self.position % epoch if epoch else self.position
        )

    def val_dataloader(self) -> Iterable[Any]:
        """This rank's share of the validation faces; none where ``held_out_faces`` has none."""
        return self._share("val")

    def test_dataloader(self) -> Iterable[Any]:
        """This rank's share of the test faces; none where ``held_out_faces`` has none."""
        return self._share("test")

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Count the batches that a Trainer trains on: a loader may be ahead of it."""
        if self.trainer is not None and self.trainer.training:
            self.position += self.batch_size * self.parts
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The position of the run."""
        return {"position": self.position}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume at a position."""
        self.position = int(state_dict["position"])

    def _share(self, split: str) -> Iterable[Any]:
        return Share(self.held_out_faces[split].batches(*self._ranks()) if split in self.held_out_faces else ())

    def _ranks(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


def _check_clips(facesets: Mapping[str, Faceset], test_clips: Sequence[str]) -> None:
    known = {record.clip for faceset in facesets.values() for record in faceset.records}
    unknown = sorted(set(test_clips) - known)
    if unknown:
        raise UserError(
            f"data.test_clips names {unknown[0]!r}, which is not a clip of the facesets; choose from "
            f"{', '.join(sorted(known)[:20])}"
        )


def one_thread() -> None:
    """Limit OpenCV to one thread; PyTorch in a worker already has only one."""
    cv2.setNumThreads(1)


class Share:
    """A rank's held-out batches. Lightning takes a list for several loaders, and would shard a ``DataLoader`` again."""

    def __init__(self, batches: Sequence[Any]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)


class Batches:
    """Endless batches from the position that ``start`` returns when an iteration begins.

    It is not a ``DataLoader``, so that Lightning leaves the order of faces alone: ranks share positions, not indices.
    Worker processes send several batches at once and block signals from the start, because a worker killed by a signal
    fails the run.
    """

    def __init__(self, dataset: NoisyFaces, positions: PositionSampler, workers: int, start: Callable[[], int]) -> None:
        self._positions, self._start = positions, start
        self._loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_sampler=positions,
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=_begin_worker,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            pin_memory=torch.cuda.is_available(),
            # the loader draws a seed for its workers; drawn from the global generator, it would change a model's draws
            generator=torch.Generator(),
        )

    def __iter__(self) -> Iterator[Batch]:
        self._positions.start_position = self._start()
        with shielded():
            several = iter(self._loader)
        for item in several:
            yield from divided(item, self._positions.per_step)


def _begin_worker(number: int) -> None:
    follow_parent()
    one_thread()


def _common_alignment(facesets: Mapping[str, Faceset], resolution: int | None) -> Alignment:
    """The common alignment of all facesets. Raises UserError if there is none, and for invalid identities."""
    if not facesets:
        raise UserError("there are no identities; set at least one, such as data.identities.A=DIR")
    (first, reference), *others = facesets.items()
    for name, faceset in others:
        if faceset.alignment != reference.alignment:
            raise UserError(
                f"identities {first} and {name} are aligned differently ({reference.folder}: {reference.alignment}; "
                f"{faceset.folder}: {faceset.alignment}); extract or render both with the same settings"
            )
    seen: dict[str, str] = {}
    for name, faceset in facesets.items():
        if faceset.identity in seen:
            raise UserError(
                f"identities {seen[faceset.identity]} and {name} are the same person '{faceset.identity}' "
                f"({faceset.folder}); use facesets of different people"
            )
        seen[faceset.identity] = name
    if resolution is not None and resolution != reference.alignment.region:
        raise UserError(
            f"data.resolution is {resolution}, but the faces in {reference.folder} have {reference.alignment.region} "
            f"pixels; set data.resolution={reference.alignment.region} or create the facesets again"
        )
    return reference.alignment
