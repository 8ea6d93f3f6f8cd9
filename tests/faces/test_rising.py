"""Times that rise: what steps back a little is put right, what steps back far begins a new part."""

from fractions import Fraction

from swaplab.faces.rising import Rising

TICK = Fraction(1, 1000)


def risen(*stamps: int | None) -> tuple[list[int], Rising]:
    rising = Rising(TICK)
    return [rising(stamp, 40) for stamp in stamps], rising


def test_what_rises_stays() -> None:
    times, rising = risen(500, 540, 581, 3000)
    assert times == [500, 540, 581, 3000]
    assert (rising.mended, rising.shifts) == (0, [0])


def test_missing_and_repeated_times_are_put_right() -> None:
    times, rising = risen(None, 40, 40, 20, None, 200)
    assert times == [0, 40, 41, 42, 82, 200]
    assert (rising.mended, rising.shifts) == (2, [0])


def test_each_joined_recording_follows_the_one_before_it() -> None:
    times, rising = risen(1000, 1040, 1080, 0, 40, 80, 90, 300, 20)
    assert times == [1000, 1040, 1080, 1120, 1160, 1200, 1210, 1420, 1460]
    assert rising.shifts == [0, Fraction(1120, 1000), Fraction(1440, 1000)]
    assert rising.mended == 2
