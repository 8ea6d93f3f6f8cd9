from pathlib import Path
from typing import Any

import pytest

from swaplab.synthetic import yardstick as module
from swaplab.synthetic.profile import Count, IdentityProfile
from swaplab.synthetic.yardstick import PROFILE, build_yardstick

DATA: dict[str, Any] = {
    "kind": "synthetic",
    "identities": {"A": {"person": "A"}, "B": {"person": "B"}},
    "resolution": 16,
    "seed": 0,
    "workers": 1,
    "profile": {"default": {"p_beard": 0.9, "beautify": 1.0}},
}


def test_the_people_and_the_resolution_alone_decide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = IdentityProfile(clips=Count(2, 1, 0), images=Count(2, 1, 1), rate=Count(2.5, 0.8, 0.8))
    monkeypatch.setattr(module, "PROFILE", few)
    data = DATA | {"cache": str(tmp_path)}
    first = build_yardstick(data)
    assert first.retrieval == {}
    assert [record.split for record in first.truth["A", "B"].records] == ["val"]
    assert build_yardstick(data | {"profile": {}, "seed": 7, "workers": 2}).folder == first.folder
    others = [data | {"identities": {"A": {"person": "A"}, "B": {"seed": 3}}}, data | {"resolution": 32}]
    assert len({first.folder, *(build_yardstick(other).folder for other in others)}) == 3


def test_nothing_is_on_or_before_its_faces() -> None:
    assert (PROFILE.p_beard, PROFILE.p_glasses, PROFILE.p_occluder, PROFILE.beautify) == (0, 0, 0, 0)
    assert (PROFILE.light, PROFILE.background) == (0, 0)
    assert set(vars(PROFILE.corruption).values()) == {0.0}
