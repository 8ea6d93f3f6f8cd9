"""The film of a held-out clip: the clip's own states at the rate of a video, each with its true swap."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from swaplab.faces.alignment import Alignment
from swaplab.synthetic import film
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.film import build_film
from swaplab.synthetic.frames import clip_shots, shoot
from swaplab.synthetic.people import person
from swaplab.synthetic.profile import profiles

EASY = Path(__file__).parents[2] / "conf" / "data" / "profile" / "easy.yaml"


def test_a_film_is_the_first_held_out_clip_with_its_true_swaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "RATE", 2)
    monkeypatch.setattr(film, "SECONDS", 1)
    people = {name: person(name) for name in "AB"}
    data: dict[str, Any] = {
        "identities": {name: {"person": name} for name in people},
        "profile": yaml.safe_load(EASY.read_text()),
        "resolution": 32,
        "seed": 0,
        "cache": str(tmp_path),
        "workers": 1,
    }
    made = build_film(data, "test")
    settings = profiles(data["profile"], people)
    for source, target in (("A", "B"), ("B", "A")):
        clip = Clip(0, source, "test", 0, settings[source])
        faceset, truth = made.facesets[source], made.truth[source, target]
        first = shoot(clip_shots(clip, people[source])[0], Alignment(32))
        np.testing.assert_array_equal(faceset.faces()[0], first.crop)
        assert {record.split for record in (*faceset.records, *truth.records)} == {"test"}
        begin = clip.times()[0]
        assert [record.time for record in faceset.records] == pytest.approx([begin, begin + 0.5])
        assert [r.parameters for r in truth.records] == [r.parameters for r in faceset.records]  # nothing is lost here
        assert not np.array_equal(truth.faces(), faceset.faces())

    monkeypatch.setattr(film, "write", None)  # it comes from the cache
    assert build_film(data, "test").truth["A", "B"].digest() == made.truth["A", "B"].digest()
    with pytest.raises(TypeError):
        build_film(data, "val")
