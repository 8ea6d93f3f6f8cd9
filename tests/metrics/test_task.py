from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import Faceset, FacesetWriter
from swaplab.faces.ground import Ground
from swaplab.metrics.task import swap_task
from swaplab.metrics.yardstick import Yardstick

ALIGNMENT = Alignment(8)
PLAN = [("train", "t0", 3), ("train", "t1", 3), ("val", "v0", 2), ("test", "e0", 2), ("test", "e1", 2)]
HELD_OUT = [part for part in PLAN if part[0] != "train"]


def write(folder: Path, name: str, plan: list[tuple[str, str, int]], red: int, masked: bool = True) -> Faceset:
    """A faceset whose k-th face is (red, k, 0) in the region and white around it; its face mask is k."""
    side, border = ALIGNMENT.stored, ALIGNMENT.border
    with FacesetWriter(folder, name, Ground("synthetic"), ALIGNMENT) as writer:
        k = 0
        for split, clip, count in plan:
            for frame in range(count):
                face = np.full((side, side, 3), 255, np.uint8)
                face[border:-border, border:-border] = (red, k, 0)
                masks = np.full((side, side, 4), k, np.uint8)
                masks[..., 1:] = 200
                known = {"source": "", "box": [], "landmarks": [], "matrix": [], "time": frame / 5}
                writer.add(face, masks if masked else None, clip=clip, frame=frame, split=split, **known)
                k += 1
    return Faceset.load(folder)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Faceset]:
    folder = tmp_path_factory.mktemp("task")
    return {
        "A": write(folder / "A", "A", PLAN, 10),
        "B": write(folder / "B", "B", PLAN, 20),
        "truth": write(folder / "truth", "B", HELD_OUT, 30),
        "kept A": write(folder / "kept A", "A", [("test", "r", 3)], 40),
        "kept B": write(folder / "kept B", "B", [("test", "r", 3)], 50),
    }


def test_each_array_comes_from_its_split_and_person(people: dict[str, Faceset]) -> None:
    retrieval = {"expression": {"A": people["kept A"], "B": people["kept B"]}}
    task = swap_task(people, "A", "B", "test", {("A", "B"): people["truth"]}, retrieval)
    yardstick = Yardstick.of(people, "A", "B", "test")
    real = yardstick.read()
    assert task.direction == "A->B"

    def levels(faces: torch.Tensor | None) -> list[list[int]]:
        assert faces is not None
        assert faces.shape[1:] == (3, 8, 8)
        assert (faces == faces[:, :, :1, :1]).all()  # nothing of the white margin
        return (faces[:, :2, 0, 0] * 255).round().int().tolist()

    assert levels(task.query) == [[10, k] for k in (8, 9, 10, 11)]
    assert levels(task.truth) == [[30, k] for k in (2, 3, 4, 5)]
    assert levels(real.genuine) == [[20, k] for k in (8, 9, 10, 11)]
    assert levels(real.train_source.faces) == [[10, k] for k in range(6)]
    assert levels(real.train_target.faces) == [[20, k] for k in range(6)]
    assert levels(task.retrieval["expression"].query) == [[40, k] for k in range(3)]
    assert levels(task.retrieval["expression"].truth) == [[50, k] for k in range(3)]
    assert (task.mask[:, 0, 0, 0] * 255).round().int().tolist() == [2, 3, 4, 5]  # the true swap's
    assert task.query_mask is not None
    assert (task.query_mask[:, 0, 0, 0] * 255).round().int().tolist() == [8, 9, 10, 11]
    assert (real.train_target.mask[:, 0, 0, 0] * 255).round().int().tolist() == list(range(6))
    assert levels(real.impostor) == [[10, k] for k in (8, 9, 10, 11)]
    assert levels(real.val_source.faces) == [[10, k] for k in (6, 7)]
    assert real.val_truth is None
    assert task.clips == ["e0", "e0", "e1", "e1"]
    assert task.times == [0, 0.2, 0, 0.2]
    assert list(task.retrieval_sets) == ["mixed", "expression"]


def test_without_true_swaps_the_querys_own_mask_counts(people: dict[str, Faceset], tmp_path: Path) -> None:
    task = swap_task(people, "A", "B", "val")
    assert task.truth is None
    assert task.retrieval_sets == {}
    assert torch.equal(task.mask, task.query_mask)
    bare = write(tmp_path / "bare", "A", PLAN, 10, masked=False)
    assert (swap_task(people | {"A": bare}, "A", "B", "val").mask == 1).all()


def test_true_swaps_of_other_frames_are_refused(people: dict[str, Faceset]) -> None:
    wrong = replace(people["truth"], records=people["truth"].records[::-1])
    with pytest.raises(UserError, match=r"true swaps in .*truth do not match the frames in .*A; render both again"):
        swap_task(people, "A", "B", "test", {("A", "B"): wrong})


def test_split_without_faces_is_named(people: dict[str, Faceset]) -> None:
    empty = people["A"].select(range(8))
    with pytest.raises(UserError, match=r"A has no faces in split 'test'; add clips of A"):
        swap_task(people | {"A": empty}, "A", "B", "test")


def test_unequal_shapes_are_a_mistake_of_the_caller(people: dict[str, Faceset]) -> None:
    task = swap_task(people, "A", "B", "val")
    with pytest.raises(ValueError, match="truth must have shape"):
        replace(task, truth=task.query[:1], truth_mask=task.query_mask)
    with pytest.raises(ValueError, match="both truth and truth_mask"):
        replace(task, truth=task.query)


def test_frames_whose_face_is_hidden_are_left_out(tmp_path: Path) -> None:
    hidden = write(tmp_path / "A", "A", [("test", "e", 3), ("train", "t", 1)], 10)  # the first face mask is 0
    other = write(tmp_path / "B", "B", PLAN, 20)
    task = swap_task({"A": hidden, "B": other}, "A", "B", "test")
    assert task.times == [0.2, 0.4]
    assert (task.query[:, 1, 0, 0] * 255).round().tolist() == [1, 2]
    with pytest.raises(UserError, match=r"no frame of split 'test' in .*A shows a face"):
        swap_task({"A": hidden.select([0, 3]), "B": other}, "A", "B", "test")


def test_regions_share_the_picture(people: dict[str, Faceset]) -> None:
    task = swap_task(people, "A", "B", "test", {("A", "B"): people["truth"]})
    truth = [(round(float(mask[1, 0, 0, 0]) * 255), name) for name, mask in task.regions.items()]
    assert truth == [(3, "face"), (200, "occluder"), (52, "surroundings")]
    kept = [(round(float(mask[1, 0, 0, 0]) * 255), name) for name, mask in task.kept_regions.items()]
    assert kept == [(200, "occluder"), (46, "surroundings")]  # of both faces the larger one, 9


def test_a_yardstick_is_named_by_its_faces_and_their_splits(people: dict[str, Faceset]) -> None:
    truth = {("A", "B"): people["truth"]}
    known = Yardstick.of(people, "A", "B", "val", truth)
    real = known.read()
    assert real.val_truth is not None
    assert (real.val_truth.faces[:, 0, 0, 0] * 255).round().tolist() == [30, 30]
    moved = replace(people["B"], records=tuple(replace(record, split="train") for record in people["B"].records))
    others = [
        Yardstick.of(people, "A", "B", "val"),
        Yardstick.of(people, "B", "A", "val"),
        Yardstick.of(people, "A", "B", "test", truth),
        Yardstick.of(people | {"B": moved}, "A", "B", "val", truth),
    ]
    assert len({known.digest, *(other.digest for other in others)}) == 5
    assert Yardstick.of(people, "A", "B", "val", truth).digest == known.digest
