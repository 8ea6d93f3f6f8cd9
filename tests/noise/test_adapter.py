"""Transforms of albumentations as noise: keyed draws, masks that follow, scopes; nobody else imports the library."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import albumentations
import numpy as np
import pytest

import swaplab
from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.noise.adapter import Albumentations
from swaplab.noise.operation import Scope
from swaplab.noise.pipeline import NoisePipeline, Pair

ALIGNMENT = Alignment(32)
FACE = np.random.default_rng(0).integers(0, 256, (ALIGNMENT.stored, ALIGNMENT.stored, 3), np.uint8)


def noisy(transform: albumentations.BasicTransform, position: int, scope: Scope = "both", masks: int = 1) -> Pair:
    pipeline = NoisePipeline({"op": Albumentations(transform, scope)}, ALIGNMENT, seed=1)
    return pipeline("A", position, FACE, np.ascontiguousarray(FACE[..., :masks]))


@pytest.mark.parametrize("masks", [1, 2, 4])
def test_masks_move_with_the_target(masks: int) -> None:
    face = np.concatenate([FACE, FACE[..., :1]], 2)[..., :masks]
    pipeline = NoisePipeline({"op": Albumentations(albumentations.HorizontalFlip(p=1.0), "both")}, ALIGNMENT, seed=1)
    pair = pipeline("A", 0, FACE, np.ascontiguousarray(face))
    assert pair.masks is not None
    np.testing.assert_array_equal(pair.target, ALIGNMENT.region_of(FACE)[:, ::-1])
    np.testing.assert_array_equal(pair.input, pair.target)
    np.testing.assert_array_equal(pair.masks, ALIGNMENT.region_of(face)[:, ::-1])


def test_scope_input_leaves_target_and_masks() -> None:
    pair = noisy(albumentations.HorizontalFlip(p=1.0), 0, "input")
    np.testing.assert_array_equal(pair.input, ALIGNMENT.region_of(FACE)[:, ::-1])
    np.testing.assert_array_equal(pair.target, ALIGNMENT.region_of(FACE))
    assert pair.masks is not None
    np.testing.assert_array_equal(pair.masks, ALIGNMENT.region_of(FACE[..., :1]))


def test_draws_are_those_of_the_place_and_of_no_other_generator() -> None:
    transform = albumentations.RandomBrightnessContrast(p=0.5)
    np.random.seed(0)
    first = [noisy(transform, position).input.tobytes() for position in range(12)]
    np.random.seed(1)
    transform.set_random_seed(5)
    again = [noisy(transform, position).input.tobytes() for position in reversed(range(12))]
    assert first == again[::-1]
    assert 3 < len(set(first)) < 12  # some are left as they are


def test_what_the_library_would_only_warn_of_is_refused() -> None:
    with pytest.warns(UserWarning, match="stdd"), pytest.raises(UserError, match="GaussNoise has no option stdd"):
        Albumentations(albumentations.GaussNoise(stdd=1), "input")
    with pytest.raises(UserError, match="'op' returns uint8 images of shape"):
        noisy(albumentations.Resize(16, 16), 0)


def test_nobody_else_imports_the_library() -> None:
    source = Path(swaplab.__file__).parent
    importing = re.compile(r"^\s*(import|from) (albumentations|swaplab\.noise\.adapter)\b", re.M)
    found = [file.relative_to(source).as_posix() for file in source.rglob("*.py") if importing.search(file.read_text())]
    assert found == ["noise/adapter.py"]


def test_a_run_trains_with_a_transform_of_the_library(
    tiny: list[str], tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    words = ("budget.images=16", "every.validate=0", "every.sample=0", "+noise/op@noise.grain=grain")
    code, _, err = command("train", *tiny, "run_id=r", *words, "noise.grain.scope=both", "noise.grain.transform.p=1.0")
    assert code == 0, err
    (run,) = (tmp_path / "runs").glob("*/r")
    assert json.loads((run / "run.json").read_text())["status"] == "complete"
