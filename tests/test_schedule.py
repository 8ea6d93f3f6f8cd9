import pytest

from swaplab.schedule import Constant, Cosine, value_at


def test_cosine_goes_through_the_known_points() -> None:
    schedule = Cosine(end=0.1, warmup=0.2)
    expected = {0.0: 0.0, 0.1: 0.5, 0.2: 1.0, 0.6: 0.55, 1.0: 0.1}
    for progress, value in expected.items():
        assert schedule(progress) == pytest.approx(value)


def test_numbers_and_schedules_are_read_alike() -> None:
    assert value_at(0.3, 0.9) == 0.3
    assert value_at(Constant(2.0), 0.9) == 2.0
    assert value_at(Cosine(), 1.0) == pytest.approx(0.0)
