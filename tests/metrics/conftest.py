"""Two made-up people whose true swap is known, and models that swap them in known ways."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from swaplab.metrics.baseline import Baseline
from swaplab.metrics.geometry import mean_head
from swaplab.metrics.task import RetrievalSet, SwapTask
from swaplab.metrics.trivial import MaskedFaces
from swaplab.metrics.yardstick import RealFaces

SIDE = 16
BASE = {"A": (0.55, 0.35, 0.35), "B": (0.35, 0.55, 0.45)}


def states(count: int, seed: int) -> Tensor:
    """What a swap keeps: smooth patterns (count, 1, SIDE, SIDE) around 0, within +-0.2."""
    coarse = torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return 0.2 * torch.tanh(F.interpolate(coarse, SIDE, mode="bicubic"))


def person(name: str, state: Tensor) -> Tensor:
    """Faces (N, 3, SIDE, SIDE) of A or B in these states; B's features answer a little differently."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, SIDE)] * 2, indexing="ij")
    shape, strength = (0.08 * x * y, 1.0) if name == "A" else (0.08 * (x**2 - y**2), 0.8)
    mine = torch.tensor(BASE[name]).view(3, 1, 1) + shape
    return mine + strength * state + (0 if name == "A" else 0.5 * state**2)


def made_up_task(split: str, frames: int = 60, seed: int = 0) -> SwapTask:
    """A to B: clips of five frames, the face mask a disc, with a further retrieval set."""
    shown, kept = (states(frames, 10 * seed + i) for i in (0, 2))
    distance = torch.linspace(-1, 1, SIDE).square()
    disc = ((distance[:, None] + distance) < 0.9).float().expand(frames, 1, SIDE, SIDE)
    return SwapTask(
        source="A",
        target="B",
        split=split,
        query=person("A", shown),
        clips=[f"{split}{i // 5}" for i in range(frames)],
        times=[0.2 * (i % 5) for i in range(frames)],
        query_mask=disc,
        truth=person("B", shown),
        truth_mask=disc,
        retrieval={
            "pose": RetrievalSet(
                person("A", kept), disc, person("B", kept), disc, [str(i) for i in range(frames)], [0.0] * frames
            )
        },
    )


@dataclass(frozen=True)
class MadeUpYardstick:
    """What a yardstick of facesets gives."""

    faces: RealFaces
    digest: str = "made up"

    def read(self) -> RealFaces:
        """The faces."""
        return self.faces


def made_up_faces(task: SwapTask, val_task: SwapTask) -> RealFaces:
    """Training faces without masks; the ends of the identity scale are the task's queries and other frames of B."""
    truth = None if val_task.truth is None else MaskedFaces(val_task.truth, val_task.mask)
    return RealFaces(
        train_source=MaskedFaces.of(person("A", states(80, 100)), None),
        train_target=MaskedFaces.of(person("B", states(80, 101)), None),
        val_source=MaskedFaces.of(val_task.query, val_task.query_mask),
        val_truth=truth,
        impostor=task.query,
        genuine=person("B", states(60, 11)),
    )


class ColourEmbedder:
    """Descriptors are mean colours, so a face's identity is known in closed form."""

    name = "colour:0"

    def __call__(self, faces: Tensor) -> Tensor:
        """(N, 3, R, R) -> (N, 3)."""
        return faces.mean((2, 3))


class BalanceFinder:
    """Heads turn by how much brighter a face's left half is, and open their mouths by how much brighter its upper."""

    name = "balance:0"

    def landmarks(self, faces: Tensor) -> Tensor:
        """(N, 3, R, R) -> (N, 68, 2): the mean head from afar. Both shapes are balanced, so only states count."""
        grey, half = faces.mean(1).double(), faces.shape[-1] // 2
        yaw = 2 * (grey[:, :, :half].mean((1, 2)) - grey[:, :, half:].mean((1, 2)))
        gap = (grey[:, :half].mean((1, 2)) - grey[:, half:].mean((1, 2)) + 1) / 4
        head = mean_head()
        x = yaw.cos()[:, None] * head[:, 0] - yaw.sin()[:, None] * head[:, 2]
        y = head[:, 1].repeat(len(faces), 1)
        y[:, 65:68] += gap[:, None]
        return 4 * torch.stack([x, y], 2) + half


@dataclass
class KnownModel:
    """Swaps by ``answer``, and gives back what it is shown where source and target are the same."""

    answer: Callable[[Tensor], Tensor]
    mask: float | None = None

    def swap(self, faces: Tensor, source: str, target: str, given: object) -> tuple[Tensor, Tensor | None, Tensor]:
        """The Swapper protocol; with ``mask`` a constant alpha."""
        raw = faces if source == target else self.answer(faces)
        if self.mask is None:
            return raw, None, raw
        return raw, torch.full_like(faces[:, :1], self.mask), self.mask * raw + (1 - self.mask) * faces


def truth_of(faces: Tensor) -> Tensor:
    """The true swap of faces of A: their state is what differs from A without one."""
    return person("B", (faces - person("A", torch.zeros(1, 1, SIDE, SIDE))).mean(1, keepdim=True))


@pytest.fixture(scope="session")
def task() -> SwapTask:
    return made_up_task("test", seed=1)


@pytest.fixture(scope="session")
def val_task() -> SwapTask:
    return made_up_task("val", seed=2)


@pytest.fixture(scope="session")
def real(task: SwapTask, val_task: SwapTask) -> RealFaces:
    return made_up_faces(task, val_task)


@pytest.fixture(scope="session")
def yardstick_of() -> Callable[[RealFaces], Any]:
    return MadeUpYardstick


@pytest.fixture(scope="session")
def embedder() -> ColourEmbedder:
    return ColourEmbedder()


@pytest.fixture(scope="session")
def finder() -> BalanceFinder:
    return BalanceFinder()


@pytest.fixture(scope="session")
def baseline(task: SwapTask, real: RealFaces, embedder: ColourEmbedder, finder: BalanceFinder) -> Baseline:
    yardstick: Any = MadeUpYardstick(real)
    return Baseline.of(task, yardstick, embedder, finder)


@pytest.fixture(scope="session")
def perfect() -> KnownModel:
    return KnownModel(truth_of)


@pytest.fixture(scope="session")
def model_of() -> type[KnownModel]:
    return KnownModel
