"""One place composes a swap: what is trained through, measured, drawn and converted are the same pixels."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from swaplab.conversion.swapper import FaceSwapper
from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.losses.context import StepContext
from swaplab.metrics.swapping import swapped
from swaplab.networks.composition import Composition
from swaplab.networks.protocols import SwapOutput
from swaplab.networks.swap_model import swap_model
from swaplab.training.assemble import build_module
from swaplab.training.samples import Shown, sample_sheet

ROOT = Path(__file__).parents[2]
MASKS = sorted(file.stem for file in (ROOT / "conf" / "mask").glob("*.yaml"))
ALIGNMENT = Alignment(64)


def crops() -> Any:
    """Stored crops (3, S, S, 3) of noise, in which a hull is found all the same."""
    return np.random.default_rng(0).integers(0, 256, (3, ALIGNMENT.stored, ALIGNMENT.stored, 3), np.uint8)


def composed_by_hand(faces: Tensor, raw: Tensor, mask: Tensor | None) -> Tensor:
    return raw if mask is None else mask * raw + (1 - mask) * faces


@pytest.mark.parametrize("composition", [True, False])
@pytest.mark.parametrize("mask", MASKS)
def test_training_measuring_sheets_and_conversion_agree(
    mask: str, composition: bool, compose: Callable[[list[str]], dict[str, Any]]
) -> None:
    words = ["experiment=quick", "size=tiny", f"mask={mask}", f"composition={str(composition).lower()}", "batch_size=3"]
    config = compose(words)
    if mask == "none" and not composition:
        with pytest.raises(UserError, match="no effect without a mask"):
            build_module(config, ("A", "B"), 64, 100)
        return
    module = build_module(config, ("A", "B"), 64, 100)
    generator = module.networks["generator"]
    model = swap_model(generator, config, {})
    stored = crops()
    faces = torch.from_numpy(np.ascontiguousarray(ALIGNMENT.region_of(stored))).permute(0, 3, 1, 2).float() / 255
    given = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))

    raw, alpha, picture = swapped(model, faces, "A", "B", given)
    assert (alpha is None) == (mask == "none" or not composition)
    torch.testing.assert_close(picture, composed_by_hand(faces, raw, alpha), rtol=0, atol=1e-6)
    if mask == "given" and composition:
        assert alpha is not None
        assert torch.equal(alpha, given)

    sheet = sample_sheet(model, {"A": Shown(faces, given)}, [("A", "B")])
    expected = (picture.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    np.testing.assert_array_equal(sheet["A->B"].swap, expected)

    colours, film_alpha = FaceSwapper(model, ALIGNMENT, "A", "B")(stored)
    of_film = swapped(model, faces, "A", "B", None)
    torch.testing.assert_close(torch.from_numpy(colours).permute(0, 3, 1, 2), of_film[0], rtol=0, atol=1e-6)
    pasted = None if film_alpha is None else torch.from_numpy(film_alpha)[:, None]
    torch.testing.assert_close(composed_by_hand(faces, of_film[0], pasted), of_film[2], rtol=0, atol=1e-6)
    if mask != "given":  # a film comes without masks
        assert torch.equal(of_film[2], picture)

    # a batch whose masks are those that were found
    masks = [given if name == "face" or alpha is None else alpha for name in module.settings.masks]
    batch = {"input": faces, "target": faces} | ({"masks": torch.cat(masks, 1)} if masks else {})
    step = StepContext(module.networks, {"A": batch, "B": batch}, torch.arange(3), 0.0, module.settings)
    torch.testing.assert_close(step.swapped("A", "B"), picture, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "words", [["mask=given", "noise=deepfakes_2017"], pytest.param(["mask=hull"], marks=pytest.mark.slow)]
)
def test_the_last_sheet_of_training_is_that_of_evaluation(
    words: list[str], tiny: list[str], tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    assert command("train", *tiny, "run_id=r", "budget.images=16", "every.sample=16", *words)[0] == 0
    (run,) = (tmp_path / "runs").glob("*/r")
    assert command("evaluate", f"run={run}", "split=val", "threads=1")[0] == 0
    drawn = cv2.imread(str(run / "samples" / "000000016.png"))
    evaluated = [
        cv2.imread(str(run / "evaluation" / "final" / f"val-{way}-samples.png")) for way in ("A_to_B", "B_to_A")
    ]
    np.testing.assert_array_equal(drawn, np.concatenate(evaluated, 1))


def test_nobody_else_composes() -> None:
    parts = ("networks/composition.py", "networks/generator.py", "networks/contract.py", "losses/context.py")
    allowed = {"scripts/measure_statistics.py", *(f"src/swaplab/{part}" for part in parts)}
    for file in [*(ROOT / "src" / "swaplab").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]:
        text = file.read_text().replace("step.composed(", "")
        found = re.search(r"\.composed\(|\b(decoded|matched)\(|generator\.(encode|decode)\(", text)
        assert found is None or file.relative_to(ROOT).as_posix() in allowed, f"{file} has {found}"


def test_a_composition_that_is_off_leaves_the_mask_and_shows_the_colours() -> None:
    raw, mask, background = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 1, 2, 2), 0.25), torch.ones(1, 3, 2, 2)
    assert torch.equal(Composition().picture(SwapOutput(raw, mask), background), 0.25 * raw + 0.75)
    assert torch.equal(Composition(on=False).picture(SwapOutput(raw, mask), background), raw)
    assert Composition("face").masked(SwapOutput(raw), mask).mask is mask
    assert Composition().masked(SwapOutput(raw), mask).mask is None
