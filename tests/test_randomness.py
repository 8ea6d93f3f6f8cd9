import numpy as np

from swaplab.randomness import generator_at, key_of


def test_a_place_has_one_stream_and_unequal_places_have_unequal_ones() -> None:
    places = [(0,), (1,), (0, "a"), (0, "a", "b"), (0, "ab"), (0, 1), (0, "1"), (0, "a", 1), (0, "a1"), (0, "", "a")]
    keys = [key_of(*place) for place in places]
    assert len(set(keys)) == len(keys)
    assert generator_at(3, "x").random() == generator_at(3, "x").random()


def test_neighbouring_streams_are_independent() -> None:
    draws = np.array([generator_at(0, "A", position, "warp").random(2) for position in range(4000)])
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.05
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.05
    assert abs(draws.mean() - 0.5) < 0.02
