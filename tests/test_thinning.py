from itertools import pairwise

import pytest

from swaplab.thinning import evenly


def test_evenly_spread_indices() -> None:
    assert evenly(5, 10) == [0, 1, 2, 3, 4]
    assert evenly(101, 3) == [0, 50, 100]
    assert evenly(1, 4) == [0]
    assert evenly(0, 3) == []


@pytest.mark.parametrize("count", [2, 7, 100, 101])
def test_none_twice_and_no_gap_larger_than_others_by_more_than_one(count: int) -> None:
    for most in range(2, count + 2):
        found = evenly(count, most)
        gaps = {b - a for a, b in pairwise(found)}
        assert (found[0], found[-1], len(found)) == (0, count - 1, min(count, most))
        assert min(gaps) > 0
        assert max(gaps) - min(gaps) <= 1
