"""Fixtures of the whole suite: a clean environment, and two small people."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import FacesetWriter
from swaplab.faces.ground import Ground

ALIGNMENT = Alignment(64)

# The smallest run that still has everything: two identities, noise, validation, samples, a checkpoint.
TINY = (
    "generator.width=0.07",
    "generator.latent=16",
    "batch_size=4",
    "workers=0",
    "budget.images=80",
    "every.report=16",
    "every.validate=40",
    "every.sample=80",
    "every.checkpoint=40",
    "trainer.progress=false",
    "trainer.threads=1",
    "wandb.mode=disabled",
)


@pytest.fixture(scope="session")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for signing keys apart from the user's own."""
    return tmp_path_factory.mktemp("home") / "signing"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, signing: Path) -> Iterator[None]:
    """What a run leaves in the environment (ranks, seeds, dashboard modes) must not reach the next test."""
    before = dict(os.environ)
    monkeypatch.setenv("SWAPLAB_PACKAGES", "")
    monkeypatch.setenv("SWAPLAB_SIGNING", str(signing))
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


def write_faceset(
    folder: Path,
    identity: str,
    *,
    faces: int = 24,
    clips: int = 4,
    ground: Ground | None = None,
    seed: int = 0,
    alignment: Alignment = ALIGNMENT,
) -> Path:
    """A faceset of smooth random pictures with masks, ``clips`` clips at 25 frames a second."""
    rng = np.random.default_rng(seed)
    side = alignment.stored
    ramp = np.linspace(0, 1, side)[:, None, None] * np.ones((1, side, 1))
    with FacesetWriter(folder, identity, ground or Ground("synthetic"), alignment) as writer:
        for i in range(faces):
            low, high = rng.uniform(30, 220, (2, 3))
            face = (low * ramp + high * (1 - ramp) + rng.normal(0, 8, (side, side, 3))).clip(0, 255).astype(np.uint8)
            masks = np.zeros((side, side, 4), np.uint8)
            masks[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4, 0] = 255
            masks[3 * side // 8 : side // 2, side // 3 : 2 * side // 3, 1] = 255
            clip, frame = i % clips, i // clips
            writer.add(
                face,
                masks,
                source="made up",
                clip=f"clip{clip}",
                frame=frame,
                time=frame / 25,
                box=[0, 0, side, side],
                landmarks=[],
                matrix=[[1, 0, 0], [0, 1, 0]],
            )
    return folder


@pytest.fixture(scope="session")
def facesets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three small people: A, B and C."""
    folder = tmp_path_factory.mktemp("facesets")
    return {name: write_faceset(folder / name, name, seed=i) for i, name in enumerate("ABC")}


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A and B at 128 pixels, where there are outputs at lower resolutions."""
    folder = tmp_path_factory.mktemp("large")
    return {name: write_faceset(folder / name, name, seed=i, alignment=Alignment(128)) for i, name in enumerate("AB")}


@pytest.fixture
def tiny(facesets: dict[str, Path], tmp_path: Path) -> list[str]:
    """Overrides of a run of seconds on A and B, under the test's own folder."""
    return [
        "data=facesets",
        f"data.identities.A={facesets['A']}",
        f"data.identities.B={facesets['B']}",
        f"runs={tmp_path / 'runs'}",
        *TINY,
    ]


@pytest.fixture
def compose() -> Callable[[list[str]], dict]:  # type: ignore[type-arg]
    """Composes and resolves a training config from overrides."""
    import hydra

    from swaplab.config.read import resolved

    def composed(overrides: list[str]) -> dict:  # type: ignore[type-arg]
        with hydra.initialize_config_module("swaplab.conf", version_base="1.3"):
            return resolved(hydra.compose("train", overrides))

    return composed


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process; returns its exit code, output and complaints."""
    import importlib

    def run(name: str, *words: str) -> tuple[int, str, str]:
        module = importlib.import_module(f"swaplab.apps.{name.removeprefix('swaplab-')}")
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        code = 0
        try:
            module.main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
