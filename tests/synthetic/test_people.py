import json

import numpy as np
import pytest

from swaplab.errors import UserError
from swaplab.synthetic.people import LARGEST_FEATURE, Person, invented, person


def test_people_are_their_seed() -> None:
    assert invented(3) == invented(3)
    shapes = {json.dumps(invented(seed).to_dict()) for seed in range(20)}
    assert len(shapes) == 20


def test_traits_stay_in_range() -> None:
    for seed in range(50):
        who = invented(seed)
        features = [w for name, w in who.shape.items() if not name.endswith(("young", "old", "averageweight"))]
        assert max(features) <= LARGEST_FEATURE
        bodies = [w for name, w in who.shape.items() if name.startswith("universal")]
        assert sum(bodies) == pytest.approx(1)
        for colour in (who.skin, who.lip, who.hair, who.iris, who.cloth):
            assert 0 <= min(colour) <= max(colour) <= 1


def test_a_person_survives_json() -> None:
    for who in (person("A"), person("B"), person(5)):
        assert Person.from_dict(json.loads(json.dumps(who.to_dict()))) == who


def test_the_built_in_pair_is_two_people() -> None:
    a, b = person("A"), person("B")
    assert np.abs(np.subtract(a.skin, b.skin)).max() > 0.05
    assert (a.hair_length == 0) != (b.hair_length == 0)
    assert a.texture != b.texture


def test_unknown_people_and_traits_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"'Z'.*A, B"):
        person("Z")
    with pytest.raises(UserError, match="'beard'"):
        Person.from_dict(person("A").to_dict() | {"beard": 1})
