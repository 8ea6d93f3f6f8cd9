from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swaplab.errors import UserError
from swaplab.faces.alignment import FIVE_POINTS, Alignment
from swaplab.faces.faceset import Faceset
from swaplab.faces.hull import hull_mask
from swaplab.faces.masks import hull_of, named_masks, oval

ALIGNMENT = Alignment(64)


def points(seed: int = 0) -> np.ndarray:
    """68 points of a plausible face in region fractions: a round jaw, brows, a nose, eyes and mouth inside."""
    rng = np.random.default_rng(seed)
    landmarks = rng.uniform(0.35, 0.65, (68, 2))
    jaw = np.linspace(0, np.pi, 17)
    landmarks[:17] = np.stack([0.5 - 0.4 * np.cos(jaw), 0.45 + 0.5 * np.sin(jaw)], 1)
    landmarks[17:27] = np.stack([np.linspace(0.15, 0.85, 10), np.full(10, 0.2)], 1)
    landmarks[30] = 0.5, 0.5
    return landmarks


def test_hull_is_that_of_the_landmarks_where_the_crop_has_them(facesets: dict[str, Path]) -> None:
    record = Faceset.load(facesets["A"]).records[0]
    inside = points() * 64 + ALIGNMENT.border
    turn = np.array([[0.3, -0.1, 20.0], [0.1, 0.3, -7.0]])  # from the source's pixels to the crop's
    in_source = np.linalg.solve(turn[:, :2], (inside - turn[:, 2]).T).T
    known = replace(record, landmarks=in_source.tolist(), matrix=turn.tolist())
    difference = np.abs(hull_of(known, ALIGNMENT).astype(int) - hull_mask(inside, (96, 96)))
    assert difference.max() <= 32  # a grid point may fall to the other side by rounding
    assert hull_of(known, ALIGNMENT).any()


def test_without_68_points_it_is_an_oval_about_the_features(facesets: dict[str, Path]) -> None:
    record = Faceset.load(facesets["A"]).records[0]
    five = replace(record, landmarks=FIVE_POINTS.tolist())
    for known in (record, five):
        assert np.array_equal(hull_of(known, ALIGNMENT), oval(ALIGNMENT))
    mask = oval(ALIGNMENT)
    x, y = np.rint(FIVE_POINTS * 64 + ALIGNMENT.border - 0.5).astype(int).T
    assert (mask[y, x] == 255).all()
    assert mask[:, :10].max() == mask[:, -10:].max() == 0
    # area of an ellipse of 0.47 and 0.59 of the region
    assert mask.sum() / 255 == pytest.approx(np.pi * 0.47 * 0.59 * 64**2, rel=0.01)


def test_masks_by_name_and_order(facesets: dict[str, Path]) -> None:
    faceset = Faceset.load(facesets["A"])
    stack = named_masks(faceset, ("hull", "eyes", "face"))
    assert stack.shape == (len(faceset.records), 96, 96, 3)
    assert np.array_equal(stack[..., 2], faceset.masks()[..., 0])
    assert np.array_equal(stack[..., 1], faceset.masks()[..., 1])
    assert np.array_equal(stack[3, ..., 0], oval(faceset.alignment))
    with pytest.raises(UserError, match="unknown mask 'nose'; choose from face, eyes, mouth, occluder, hull"):
        named_masks(faceset, ("nose",))


def test_a_hull_needs_no_masks_on_disk(facesets: dict[str, Path]) -> None:
    faceset = Faceset.load(facesets["A"])
    bare = replace(faceset, records=tuple(replace(r, masks=None) for r in faceset.records))
    assert named_masks(bare, ("hull",)).shape[-1] == 1
    with pytest.raises(UserError, match="has no masks"):
        named_masks(bare, ("face",))
