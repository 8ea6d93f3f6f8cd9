"""Splits: whole clips where there are three, blocks a second apart where there are not."""

from typing import Any

import pytest

from swaplab.data.splits import GAP, of_split, split
from swaplab.errors import UserError
from swaplab.faces.faceset import SPLITS


@pytest.mark.parametrize("clips", [3, 4, 10, 25])
def test_whole_clips_in_about_the_wanted_shares(make_faceset: Any, clips: int) -> None:
    divided, weak = split(make_faceset(clips={f"{i}": [0.0, 1.0] for i in range(clips)}))
    assert not weak
    assert len(divided.records) == 2 * clips
    found = {name: {r.clip for r in of_split(divided, name).records} for name in SPLITS}
    assert sum(map(len, found.values())) == len(set.union(*found.values())) == clips  # disjoint, none lost
    assert len(found["val"]) == len(found["test"]) == max(1, round(clips / 10))


def test_the_split_is_of_the_data_not_of_the_order_of_records(make_faceset: Any) -> None:
    names = [f"clip{i}" for i in range(12)]
    splits = [
        {r.clip: r.split for r in split(make_faceset(clips={n: [0.0] for n in order}))[0].records}
        for order in (names, names[::-1])
    ]
    assert splits[0] == splits[1]
    other = {r.clip: r.split for r in split(make_faceset("B", clips={n: [0.0] for n in names}))[0].records}
    assert other != splits[0]


@pytest.mark.parametrize("clips", [1, 2])
def test_blocks_of_one_clip_keep_a_second_apart(make_faceset: Any, clips: int) -> None:
    times = [5 + i / 25 for i in range(25 * 40)]
    divided, weak = split(make_faceset(clips={f"{i}": times for i in range(clips)}))
    assert weak == {"val", "test"}
    for clip in range(clips):
        of_clip = {name: [r.time for r in of_split(divided, name).records if r.clip == f"{clip}"] for name in SPLITS}
        assert min(of_clip["val"]) - max(of_clip["train"]) >= GAP - 1e-9
        assert min(of_clip["test"]) - max(of_clip["val"]) >= GAP - 1e-9
        assert min(of_clip["val"]) - max(of_clip["train"]) < GAP + 0.1  # and no more than needed is dropped
        assert len(of_clip["train"]) == pytest.approx(0.8 * 38 * 25, abs=2)
        assert len(of_clip["val"]) == pytest.approx(0.1 * 38 * 25, abs=2)


def test_a_declared_split_is_kept(make_faceset: Any) -> None:
    declared = {"a": "test", "b": "train", "c": "val", "d": "train"}
    divided, weak = split(make_faceset(clips={n: [0.0] for n in declared}, splits=declared))
    assert not weak
    assert {r.clip: r.split for r in divided.records} == declared


def test_what_cannot_be_split_is_said(make_faceset: Any) -> None:
    short = make_faceset(clips={"only": [0.0, 0.5, 1.0]})
    with pytest.raises(UserError, match=r"no faces for split .*three") as caught:
        split(short)
    assert str(short.folder) in str(caught.value)
    clips = {"a": [0.0], "b": [0.0], "c": [0.0]}
    with pytest.raises(UserError, match="no faces for split test"):
        split(make_faceset(clips=clips, splits={"a": "train", "b": "val", "c": "train"}))
    with pytest.raises(UserError, match=r"faces/000001.png has split 'dev'"):
        split(make_faceset(clips=clips, splits={"a": "train", "b": "dev", "c": "test"}))
    with pytest.raises(UserError, match=r"faces/000002.png has split 'None'"):
        split(make_faceset(clips=clips, splits={"a": "train", "b": "val", "c": None}))


def test_named_clips_are_the_test_split(make_faceset: Any) -> None:
    times = [i / 25 for i in range(25 * 21)]
    divided, weak = split(make_faceset(clips={"a": times, "b": times}), ["b", "of another identity"])
    assert weak == {"val"}  # what is measured on whole clips is not weak
    assert {r.clip for r in of_split(divided, "test").records} == {"b"}
    assert len(of_split(divided, "test").records) == len(times)
    train, val = ([r.time for r in of_split(divided, name).records] for name in ("train", "val"))
    assert {r.clip for r in of_split(divided, "train").records} == {"a"}
    assert min(val) - max(train) >= GAP - 1e-9
    assert len(train) == pytest.approx(0.9 * 20 * 25, abs=2)
    assert len(val) == pytest.approx(0.1 * 20 * 25, abs=2)
    divided, weak = split(make_faceset(clips={n: [0.0] for n in "abcdef"}), ["b"])
    assert not weak
    assert {r.clip for r in of_split(divided, "test").records} == {"b"}
    with pytest.raises(UserError, match="declares its splits"):
        split(make_faceset(clips={n: [0.0] for n in "abc"}, splits={"a": "train", "b": "val", "c": "test"}), ["b"])
