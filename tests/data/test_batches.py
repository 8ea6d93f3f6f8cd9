"""Batches: the same for any workers, ranks and restarts; every face once an epoch; errors in one sentence."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import cv2
import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from swaplab.data.dataset import Pool
from swaplab.data.module import FaceData
from swaplab.data.sampler import PositionSampler, face_at
from swaplab.errors import UserError
from swaplab.faces.faceset import MASKS
from swaplab.noise.blur import MotionBlur
from swaplab.noise.colour import ColourMatch
from swaplab.noise.geometry import Affine, Flip
from swaplab.noise.operation import Operation
from swaplab.noise.warp import Warp


def noise() -> dict[str, Operation]:
    return {"colour": ColourMatch(), "affine": Affine(), "flip": Flip(), "warp": Warp(), "blur": MotionBlur()}


class Rank:
    """The part of a trainer that the data module reads."""

    def __init__(self, global_rank: int, world_size: int) -> None:
        self.global_rank, self.world_size = global_rank, world_size


def batches(make: Any, steps: int, rank: int = 0, world: int = 1, names: str = "AB", **settings: Any) -> list[Any]:
    facesets = {name: make(name, masks=True) for name in names}
    data = FaceData(facesets, noise(), **{"seed": 4, "batch_size": 6, "masks": ("face", "eyes"), **settings})
    data.trainer = Rank(rank, world)  # type: ignore[assignment]
    return list(islice(data.train_dataloader(), steps))


def flat(batch: dict[str, Any]) -> Iterator[torch.Tensor]:
    yield batch["position"]
    for name in sorted(batch["faces"]):
        yield from (batch["faces"][name][kind] for kind in sorted(batch["faces"][name]))


def same(left: list[Any], right: list[Any]) -> bool:
    pairs = zip(left, right, strict=True)
    return all(torch.equal(a, b) for x, y in pairs for a, b in zip(flat(x), flat(y), strict=True))


def test_layout(make_faceset: Any) -> None:
    (batch,) = batches(make_faceset, 1)
    assert batch["position"].tolist() == list(range(6))
    assert batch["position"].dtype == torch.int64
    for faces in batch["faces"].values():
        assert {kind: tuple(t.shape) for kind, t in faces.items()} == {
            "input": (6, 3, 16, 16), "target": (6, 3, 16, 16), "masks": (6, 2, 16, 16),
        }  # fmt: skip
        assert all(t.dtype == torch.uint8 for t in faces.values())
        assert all(t.is_contiguous(memory_format=torch.channels_last) for t in faces.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_workers(make_faceset: Any, workers: int) -> None:
    straight, worked = batches(make_faceset, 8), batches(make_faceset, 8, workers=workers)
    assert same(straight, worked)
    assert worked[0]["faces"]["A"]["input"].is_contiguous(memory_format=torch.channels_last)


def test_workers_start_although_opencv_has_threads(make_faceset: Any) -> None:
    data = FaceData({"A": make_faceset()}, noise(), seed=4, batch_size=6, workers=1)
    cv2.setNumThreads(2)
    try:
        cv2.warpAffine(np.zeros((2000, 2000, 3), np.uint8), np.eye(2, 3), (2000, 2000))  # starts them
        loader = data.train_dataloader()
        loader.timeout = 60
        assert len(next(iter(loader))["position"]) == 6
    finally:
        cv2.setNumThreads(-1)


@pytest.mark.slow
def test_batches_do_not_depend_on_how_workers_start(make_faceset: Any) -> None:
    straight = batches(make_faceset, 3)
    facesets = {name: make_faceset(name, masks=True) for name in "AB"}
    data = FaceData(facesets, noise(), seed=4, batch_size=6, masks=("face", "eyes"), workers=1)
    loader = data.train_dataloader()
    loader.multiprocessing_context = "spawn"
    assert same(straight, list(islice(loader, 3)))


@pytest.mark.parametrize(("world", "parts"), [(2, 1), (3, 1), (4, 1), (2, 3), (4, 2)])
def test_ranks_together_see_what_one_sees(make_faceset: Any, world: int, parts: int) -> None:
    whole = batches(make_faceset, 3, parts=parts)
    ranks = [batches(make_faceset, 3, rank, world, parts=parts) for rank in range(world)]
    for step, expected in enumerate(whole):
        for tensors in zip(flat(expected), *(flat(rank[step]) for rank in ranks), strict=True):
            together, *shards = [tensor.chunk(parts) for tensor in tensors]
            for part in range(parts):
                assert torch.equal(together[part], torch.cat([shard[part] for shard in shards]))


def test_a_resumed_run_goes_on_where_it_was(make_faceset: Any) -> None:
    straight = batches(make_faceset, 20)  # several epochs of 32 faces
    assert same(straight[13:], batches(make_faceset, 7, position=13 * 6))
    assert same(straight[13:], batches(make_faceset, 7, position=13 * 6, workers=2))
    assert not same(straight[13:], straight[:7])


def test_an_identity_sees_the_same_whoever_else_is_there(make_faceset: Any) -> None:
    two, three = batches(make_faceset, 2), batches(make_faceset, 2, names="ABC")
    assert list(three[0]["faces"]) == ["A", "B", "C"]
    one = batches(make_faceset, 2, names="A")
    # The colour match draws from all identities; positions, geometry and masks are an identity's own.
    for left, right in zip(two, one, strict=True):
        assert torch.equal(left["faces"]["A"]["masks"], right["faces"]["A"]["masks"])
    for left, right in zip(two, three, strict=True):
        assert torch.equal(left["faces"]["B"]["masks"], right["faces"]["B"]["masks"])


def test_seeds_and_identities_differ(make_faceset: Any) -> None:
    (first,), (other,) = batches(make_faceset, 1), batches(make_faceset, 1, seed=5)
    assert not torch.equal(first["faces"]["A"]["input"], other["faces"]["A"]["input"])
    assert [face_at(p, 4, "A", 32) for p in range(32)] != [face_at(p, 4, "B", 32) for p in range(32)]


def test_every_face_once_an_epoch_in_another_order() -> None:
    epochs = [[face_at(p, 0, "A", 7) for p in range(7 * e, 7 * e + 7)] for e in range(50)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 40
    assert max(Counter(epoch[0] for epoch in epochs).values()) < 20


@pytest.mark.parametrize(("batch", "world"), [(6, 1), (7, 2), (7, 3), (5, 5)])
def test_shards_cover_each_part_once(batch: int, world: int) -> None:
    samplers = [
        PositionSampler(batch, rank, world, start_position=30, total=30 + 5 * batch, parts=2) for rank in range(world)
    ]
    steps = list(zip(*samplers, strict=True))
    assert len(steps) == 2  # a third would go beyond the total
    for k, shards in enumerate(steps):
        pieces = [np.split(np.array(shard), 2) for shard in shards]
        for part in range(2):
            start = 30 + (2 * k + part) * batch
            assert np.concatenate([piece[part] for piece in pieces]).tolist() == list(range(start, start + batch))
        sizes = [len(shard) for shard in shards]
        assert sizes == sorted(sizes, reverse=True)
        assert max(sizes) - min(sizes) <= 2


def test_several_steps_may_come_at_once() -> None:
    one, three = (PositionSampler(5, 1, 2, start_position=5, total=45, parts=2, steps=n) for n in (1, 3))
    assert one.per_step == 2 * 2
    assert [len(positions) for positions in three] == [3 * 4, 4]  # the last ones are what is left
    assert list(chain(*three)) == list(chain(*one))


def test_loading_leaves_the_global_generator_alone(make_faceset: Any) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    batches(make_faceset, 2, workers=1)
    assert torch.equal(before, torch.get_rng_state())


def test_lightning_walks_the_batches_once_each(make_faceset: Any) -> None:
    class Note(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.seen: list[int] = []

        def training_step(self, batch: Any, batch_idx: int) -> None:
            self.seen += batch["position"].tolist()
            self.trainer.should_stop = len(self.seen) >= 30

        def configure_optimizers(self) -> None:
            return None

    data = FaceData({"A": make_faceset()}, noise(), seed=0, batch_size=6, position=12)
    note = Note()
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(note, datamodule=data)
    assert note.seen == list(range(12, 42))


def test_held_out_faces_are_plain_regions(make_faceset: Any) -> None:
    faceset = make_faceset(masks=True)
    data = FaceData({"A": faceset}, noise(), seed=0, batch_size=6)
    held_out = data.held_out("val", "A")
    index = {record.file: i for i, record in enumerate(faceset.records)}
    chosen = [index[record.file] for record in held_out.records]
    assert np.array_equal(held_out.images, faceset.alignment.region_of(faceset.faces())[chosen])
    assert held_out.masks is not None
    assert np.array_equal(held_out.masks, faceset.alignment.region_of(faceset.masks())[chosen])
    assert {record.split for record in held_out.records} == {"val"}
    clips = [{r.clip for r in data.held_out(name, "A").records} for name in ("train", "val", "test")]
    assert sum(map(len, clips)) == 10 == len(set.union(*clips))
    assert not data.weak_splits
    assert data.split_facesets()["A"].records[0].split in ("train", "val", "test")


def test_masks_of_a_batch_are_the_named_ones_in_order(make_faceset: Any) -> None:
    data = FaceData({"A": make_faceset(masks=True)}, {}, seed=0, batch_size=6, masks=("occluder", "face"))
    batch = next(iter(data.train_dataloader()))
    train = data.held_out("train", "A")
    for i, position in enumerate(batch["position"].tolist()):
        face = face_at(position, 0, "A", len(train.records))
        assert train.masks is not None
        expected = train.masks[face][..., [MASKS.index("occluder"), MASKS.index("face")]]
        assert np.array_equal(batch["faces"]["A"]["masks"][i].permute(1, 2, 0).numpy(), expected)


def test_pool_is_all_faces_of_all_identities() -> None:
    stacks = [np.full((n, 2, 2, 3), n, np.uint8) for n in (3, 1, 5)]
    pool = Pool(stacks)
    assert [int(pool[i][0, 0, 0]) for i in range(len(pool))] == [3, 3, 3, 1, 5, 5, 5, 5, 5]


def test_wrong_data_is_named(make_faceset: Any) -> None:
    a, b = make_faceset("A"), make_faceset("B")

    def built(facesets: dict[str, Any], **settings: Any) -> FaceData:
        return FaceData(facesets, noise(), **{"seed": 0, "batch_size": 6, **settings})

    with pytest.raises(UserError, match=r"identity A has 32 training faces in .*A-16.* than batch_size=33"):
        built({"A": a, "B": b}, batch_size=33)
    with pytest.raises(UserError, match=r"data.resolution is 64, .* have 16 pixels"):
        built({"A": a}, resolution=64)
    with pytest.raises(UserError, match=r"A and B are aligned differently .*region=16.*region=32"):
        built({"A": a, "B": make_faceset("B", region=32)})
    with pytest.raises(UserError, match="A and B are the same person 'A'"):
        built({"A": a, "B": make_faceset("A")})
    with pytest.raises(UserError, match="no identities"):
        built({})
    with pytest.raises(UserError, match="unknown mask 'nose'"):
        built({"A": a}, masks=("nose",))
    with pytest.raises(UserError, match="has no masks"):
        built({"A": a}, masks=("face",)).train_dataloader()
    with pytest.raises(UserError, match="split must be one of train, val, test; got 'dev'"):
        built({"A": a}).held_out("dev", "A")
    with pytest.raises(UserError, match="batch_size must be at least 3, the number of processes; got 2"):
        PositionSampler(2, 0, 3)
