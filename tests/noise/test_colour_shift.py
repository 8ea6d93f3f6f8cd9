"""The constant colour shift, against its formula and through the pipeline."""

import numpy as np
import pytest

from swaplab.data.dataset import NoisyFaces
from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.noise.colour_shift import ColourShift
from swaplab.noise.pipeline import NoisePipeline

ALIGNMENT = Alignment(64)


def stacks() -> dict[str, np.ndarray]:
    rng, shape = np.random.default_rng(0), (5, ALIGNMENT.stored, ALIGNMENT.stored, 3)
    return {"A": rng.integers(20, 120, shape, np.uint8), "B": rng.integers(60, 250, shape, np.uint8)}


def shown(faces: dict[str, np.ndarray], *shifts: ColourShift) -> dict[str, dict[str, np.ndarray]]:
    """What both identities show at one position."""
    noise = NoisePipeline({f"shift{i}": shift for i, shift in enumerate(shifts)}, ALIGNMENT, seed=1)
    pictures: dict[str, dict[str, np.ndarray]] = NoisyFaces(faces, noise, seed=1)[3]["faces"]
    return pictures


def test_one_identity_is_moved_by_the_difference_of_the_means() -> None:
    faces = stacks()
    shift = faces["B"].mean((0, 1, 2)) - faces["A"].mean((0, 1, 2))
    assert (shift > 60).all()
    before, after = shown(faces), shown(faces, ColourShift())
    expected = np.clip(before["A"]["target"] + shift, 0, 255)
    np.testing.assert_allclose(after["A"]["target"], expected, atol=0.5)
    assert np.array_equal(after["A"]["input"], after["A"]["target"])
    assert np.array_equal(after["B"]["input"], before["B"]["input"])


def test_scope_and_names_are_settings() -> None:
    faces = stacks()
    before, after = shown(faces), shown(faces, ColourShift("input", "B", "A"))
    assert np.array_equal(after["B"]["target"], before["B"]["target"])
    assert after["B"]["input"].mean() < before["B"]["input"].mean() - 50
    assert np.array_equal(after["A"]["input"], before["A"]["input"])


def test_an_identity_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown identity 'C'; set noise.colour_shift.identity .* to any of A, B"):
        shown(stacks(), ColourShift(towards="C"))
