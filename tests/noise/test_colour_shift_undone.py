"""A network that is perfect under the shift of 2017 is measured as perfect, and converts into the wanted colours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swaplab.conversion.swapper import FaceSwapper
from swaplab.data.module import FaceData
from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import Faceset
from swaplab.metrics.pixels import psnr
from swaplab.metrics.task import SwapTask
from swaplab.metrics.validation import Validation
from swaplab.networks.composition import Composition
from swaplab.networks.protocols import SwapOutput
from swaplab.networks.swap_model import SwapModel
from swaplab.noise.colour_shift import ColourShift

OWN = {"A": (0.5, 0.3, 0.4), "B": (0.3, 0.5, 0.6)}  # a person is a colour and a state
SHIFT = torch.tensor([-0.2, 0.1, 0.15]).view(3, 1, 1)
SHIFTS = {"A": {"input": SHIFT.flatten().tolist(), "target": SHIFT.flatten().tolist()}}


def face(name: str, state: Tensor) -> Tensor:
    return torch.tensor(OWN[name]).view(3, 1, 1) + state


class Perfect(nn.Module):
    """Knows A and B exactly as training showed them: A shifted."""

    identities, shared_encoder = ("A", "B"), False

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(SHIFT)

    def shown(self, name: str) -> Tensor:
        return face(name, torch.zeros(1, 1, 1)) + (self.shift if name == "A" else 0)

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return faces - self.shown(source)

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(self.shown(target) + code)


def task(source: str, target: str) -> SwapTask:
    state = 0.1 * torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    n, ones = 4, torch.ones(4, 1, 64, 64)
    return SwapTask(
        source=source,
        target=target,
        split="val",
        query=face(source, state),
        clips=["c"] * n,
        times=[0.0] * n,
        truth=face(target, state),
        truth_mask=ones,
    )


def measured(shifts: Any, tasks: list[SwapTask]) -> dict[str, float]:
    return Validation(lambda: tasks, lambda generator: SwapModel(generator, Composition(), shifts))(Perfect())


@pytest.mark.parametrize("ways", [("A", "B"), ("B", "A")])
def test_a_perfect_answer_under_the_shift_is_measured_as_perfect(ways: tuple[str, str]) -> None:
    tasks = [task(*ways)]
    undone = measured(SHIFTS, tasks)
    assert undone["val/oracle_swap_psnr"] > 99
    assert undone["val/reconstruction_psnr"] > 99
    # what it was measured as before: the shift itself, whatever the network has learned
    cap = float(psnr(SHIFT.square().mean()))
    assert measured({}, tasks)["val/oracle_swap_psnr"] == pytest.approx(cap, abs=0.01)
    assert cap < 18


def test_conversion_undoes_the_shift() -> None:
    alignment = Alignment(64)
    frames = np.full((2, alignment.stored, alignment.stored, 3), np.round(255 * np.array(OWN["B"])), np.uint8)
    raw, mask = FaceSwapper(SwapModel(Perfect(), Composition(), SHIFTS), alignment, "B", "A")(frames)
    assert mask is None
    np.testing.assert_allclose(raw, np.broadcast_to(OWN["A"], raw.shape), atol=1 / 255)


def data_of(facesets: dict[str, Path], *shifts: ColourShift) -> FaceData:
    people = {name: Faceset.load(facesets[name]) for name in "AB"}
    noise = {f"shift{i}": shift for i, shift in enumerate(shifts)}
    return FaceData(people, noise, seed=1, batch_size=2)


def test_data_knows_what_training_adds(facesets: dict[str, Path]) -> None:
    data = data_of(facesets, ColourShift())
    shifts = data.colour_shifts()
    assert list(shifts) == ["A"]
    train = {n: [r.split == "train" for r in f.records] for n, f in data.split_facesets().items()}
    means = {n: f.faces()[train[n]].mean((0, 1, 2)) for n, f in data.split_facesets().items()}
    np.testing.assert_allclose(shifts["A"]["input"], (means["B"] - means["A"]) / 255)
    assert shifts["A"]["target"] == shifts["A"]["input"]
    assert data_of(facesets).colour_shifts() == {}
    # the network learns what the target shows; two shifts add up
    seen = data_of(facesets, ColourShift("input")).colour_shifts()["A"]
    assert (seen["input"], seen["target"]) == (shifts["A"]["input"], [0.0] * 3)
    there_and_back = data_of(facesets, ColourShift(), ColourShift("input")).colour_shifts()["A"]
    np.testing.assert_allclose(there_and_back["input"], 2 * np.array(shifts["A"]["input"]))
    with pytest.raises(UserError, match="unknown identity 'C'"):
        data_of(facesets, ColourShift(towards="C")).colour_shifts()


def test_only_the_system_of_2017_is_shifted(compose: Callable[[list[str]], dict[str, Any]]) -> None:
    experiments = sorted(file.stem for file in (Path(__file__).parents[2] / "conf" / "experiment").glob("*.yaml"))
    noise = {name: compose([f"experiment={name}"])["noise"].values() for name in experiments}
    shifted = [name for name, ops in noise.items() if any(op and "ColourShift" in op["_target_"] for op in ops)]
    assert shifted == ["deepfakes_2017"]
