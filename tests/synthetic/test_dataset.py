import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment, five_points
from swaplab.synthetic import dataset as module
from swaplab.synthetic.dataset import SyntheticDataset, build, build_from_config, cache_folder, people_of
from swaplab.synthetic.people import person
from swaplab.synthetic.profile import Corruption, Count, IdentityProfile
from swaplab.synthetic.rendering import render
from swaplab.synthetic.states import FrameState, swapped

REGION = 32
PEOPLE = {"A": person("A"), "B": person("B"), "C": person(7)}
PROFILE = IdentityProfile(Count(3, 1, 2), Count(4, 2, 3), Count(2.5, 0.8, 0.8), p_beard=0.5)


@pytest.fixture(autouse=True, scope="module")
def few_candidates() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CANDIDATES", 5)
        yield


def make(cache: Path, workers: int = 1, profile: IdentityProfile = PROFILE, seed: int = 0, count: int = 3) -> Any:
    people = {name: PEOPLE[name] for name in list(PEOPLE)[:count]}
    return build(people, dict.fromkeys(people, profile), REGION, seed, cache, workers)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticDataset:
    dataset: SyntheticDataset = make(tmp_path_factory.mktemp("cache"))
    return dataset


def key(parameters: Mapping[str, Any] | None) -> str:
    return json.dumps(parameters, sort_keys=True)


def test_every_identity_has_its_splits(made: SyntheticDataset) -> None:
    assert list(made.facesets) == ["A", "B", "C"]
    for name, faceset in made.facesets.items():
        splits = [record.split for record in faceset.records]
        assert [splits.count(s) for s in ("train", "val", "test")] == [12, 2, 6]
        assert (faceset.identity, faceset.ground.kind, faceset.alignment) == (name, "synthetic", Alignment(REGION))
        clips = {split: {r.clip for r in faceset.records if r.split == split} for split in ("train", "val", "test")}
        assert [len(clips[s]) for s in clips] == [3, 1, 2]
        assert faceset.faces().shape == (20, 48, 48, 3)
        assert faceset.masks()[..., 0].mean() > 10


def test_no_true_swap_of_a_training_frame_is_in_any_training_set(made: SyntheticDataset) -> None:
    owner: dict[str, tuple[str, str | None]] = {}
    for name, faceset in made.facesets.items():
        for record in faceset.records:
            assert record.parameters is not None
            # the true swap of this frame would carry these parameters
            swap = key(swapped(FrameState.from_dict(record.parameters)).to_dict())
            assert owner.setdefault(swap, (name, record.split)) == (name, record.split)
    trained = {
        key(swapped(FrameState.from_dict(r.parameters or {})).to_dict())
        for faceset in made.facesets.values()
        for r in faceset.records
        if r.split == "train"
    }
    for truth in made.truth.values():
        assert not trained & {key(record.parameters) for record in truth.records}


def test_truth_is_the_other_person_in_the_same_state(made: SyntheticDataset) -> None:
    assert len(made.truth) == 6
    for (source, target), truth in made.truth.items():
        held_out = [r for r in made.facesets[source].records if r.split != "train"]
        assert truth.identity == target
        for frame, swap in zip(held_out, truth.records, strict=True):
            assert (frame.split, frame.clip, frame.frame, frame.time) == (swap.split, swap.clip, swap.frame, swap.time)
            state = swapped(FrameState.from_dict(frame.parameters or {}))
            assert key(swap.parameters) == key(state.to_dict())
        image = render(PEOPLE[target], state, 2 * REGION)
        alignment = Alignment(REGION)
        crop = alignment.cut(image.image, alignment.matrix(five_points(image.landmarks)))
        assert np.array_equal(truth.faces()[-1], crop)


def test_retrieval_sets_differ_in_one_thing_and_are_shared(made: SyntheticDataset) -> None:
    for kind, differing in (("expression", {"expression"}), ("pose", {"yaw", "pitch", "roll"})):
        sets = made.retrieval[kind]
        states = {name: [r.parameters for r in sets[name].records] for name in sets}
        assert states["A"] == states["B"] == states["C"]
        assert len({r.clip for r in sets["A"].records}) == len(sets["A"].records) == 2 * 5
        for parameters in states["A"][1:]:
            first = states["A"][0]
            assert first is not None
            assert parameters is not None
            assert {name for name in first if first[name] != parameters[name]} == differing
        assert np.abs(sets["A"].faces()[0].astype(int) - sets["A"].faces()[1]).max() > 30


def test_no_frame_of_val_is_one_of_test(made: SyntheticDataset) -> None:
    """Choosing on val must not be choosing on test: queries, true swaps, and the sets of retrieval."""
    facesets = [
        *made.facesets.values(),
        *made.truth.values(),
        *(f for sets in made.retrieval.values() for f in sets.values()),
    ]
    pictures: dict[str, set[str]] = {"val": set(), "test": set()}
    states: dict[str, set[str]] = {"val": set(), "test": set()}
    for faceset in facesets:
        for record, face in zip(faceset.records, faceset.faces(), strict=True):
            if record.split in pictures:
                pictures[record.split].add(hashlib.sha256(face.tobytes()).hexdigest())
                states[record.split].add(key(record.parameters))
    assert min(map(len, pictures.values())) > 30
    assert not pictures["val"] & pictures["test"]
    assert not states["val"] & states["test"]


def test_content_depends_on_the_seed_and_not_on_workers(made: SyntheticDataset, tmp_path: Path) -> None:
    assert make(tmp_path, workers=2).digest() == made.digest()
    assert make(tmp_path, seed=1).digest() != made.digest()


def test_a_cache_hit_renders_nothing(made: SyntheticDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "write", lambda *_: pytest.fail("rendered again"))
    assert make(made.folder.parent).digest() == made.digest()


def test_an_identitys_faces_do_not_depend_on_the_others(made: SyntheticDataset, tmp_path: Path) -> None:
    pair = make(tmp_path, count=2)
    assert pair.folder.name != made.folder.name
    for name in ("A", "B"):
        assert pair.facesets[name].digest() == made.facesets[name].digest()


def test_corruption_hits_train_faces_only_and_leaves_the_rest(made: SyntheticDataset, tmp_path: Path) -> None:
    doses = Corruption(blur=0.5, bad_landmarks=0.3)
    profile = IdentityProfile(PROFILE.clips, PROFILE.images, PROFILE.rate, p_beard=0.5, corruption=doses)
    spoiled = make(tmp_path, profile=profile, count=2)
    for clean, hit in zip(made.facesets["A"].records, spoiled.facesets["A"].records, strict=True):
        assert (clean.sha256 == hit.sha256) == (not hit.flags)
        assert hit.split == "train" or not hit.flags
    assert spoiled.truth["A", "B"].digest() == made.truth["A", "B"].digest()


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no light")

    monkeypatch.setattr(module, "write", fail)
    with pytest.raises(RuntimeError, match="no light"):
        make(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_two_at_once_the_first_wins(made: SyntheticDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = module.write

    def race(*plan: Any) -> None:
        write(*plan)
        monkeypatch.setattr(module, "write", write)
        make(tmp_path)

    monkeypatch.setattr(module, "write", race)
    assert make(tmp_path).digest() == made.digest()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/cache cannot be written \(Not a directory\)"):
        make(tmp_path / "file" / "cache")


def test_the_cache_is_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLAB_CACHE", "/somewhere")
    assert cache_folder("there") == Path("there")
    assert cache_folder(None) == Path("/somewhere")
    monkeypatch.delenv("SWAPLAB_CACHE")
    assert cache_folder(None) == Path.home() / ".cache/swaplab"


@pytest.mark.parametrize(
    ("identities", "says"),
    [
        ({}, "data.identities is empty"),
        ({"A": {"person": "Q"}}, "no built-in person 'Q'"),
        ({"A": {"name": "A"}}, "data.identities.A must be like"),
        ({"A": {"person": "A", "seed": 3}}, "data.identities.A must be like"),
        ({"A": "A"}, "data.identities.A must be like .*; got 'A'"),
        ({"A/B": {"seed": 3}}, "'A/B' is not a valid name"),
    ],
)
def test_wrong_identities_are_named(identities: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        people_of(identities)


def test_a_config_section_builds_the_data_set(tmp_path: Path) -> None:
    section = {
        "identities": {"A": {"person": "A"}, "X": {"seed": 3}},
        "profile": {
            "default": {"clips": {"train": 1, "val": 1, "test": 1}}
            | {"images": {"train": 2, "val": 1, "test": 1}, "rate": {"train": 2, "val": 1, "test": 1}},
            "identities": {"X": {"p_glasses": 1.0}},
        },
        "resolution": REGION,
        "seed": 0,
        "cache": str(tmp_path),
        "workers": 1,
    }
    built = build_from_config(section)
    assert tmp_path in built.folder.parents
    worn = {name: {(r.parameters or {})["glasses"] for r in f.records} for name, f in built.facesets.items()}
    assert worn["A"] == {None}
    assert None not in worn["X"]
