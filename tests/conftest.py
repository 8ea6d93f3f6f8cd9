"""Fixtures of the whole suite: a clean environment, and two small people."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

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
    "logger=none",
)


def pytest_configure() -> None:
    """Hear signals that a background job or nohup ignores: the processes that tests start would ignore them, too."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests take as long as a busy machine needs."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for signing keys apart from the user's own."""
    return tmp_path_factory.mktemp("home") / "signing"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, signing: Path) -> Iterator[None]:
    """What a run leaves in the environment (ranks, seeds, dashboard modes) must not reach the next test."""
    before = dict(os.environ)
    monkeypatch.setenv("SWAPLAB_PACKAGES", "")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)  # a command that a shared fixture runs in this process sets it
    monkeypatch.setenv("SWAPLAB_SIGNING", str(signing))
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def own_plan(tmp_path: Path) -> Callable[..., Path]:
    """Writes the ablation ``mine`` into a config folder of the user's own, and returns that: (fields of the plan)."""

    def write(**fields: Any) -> Path:
        plan = {
            "claim": "Norms matter.",
            "hypothesis": "Held-out reconstructions are better with a group norm than without.",
            "base": ["experiment=quick"],
            "factor": "norm",
            "levels": {"none": ["norm=none"], "group": ["norm=group", "norm.groups=2"]},
            "reference": "none",
            "changes": ["norm", "generator.norm"],
            "metric": "val/reconstruction_psnr",
            "guards": [],
            "contrast": {"level": "group", "direction": "higher"},
        }
        folder = tmp_path / "own"
        (folder / "ablation").mkdir(parents=True)
        (folder / "ablation" / "mine.yaml").write_text(yaml.safe_dump(plan | fields))
        return folder

    return write


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

    from swaplab.config.border import checked
    from swaplab.config.read import resolved

    def composed(overrides: list[str]) -> dict:  # type: ignore[type-arg]
        with hydra.initialize_config_module("swaplab.conf", version_base="1.3"):
            return checked(resolved(hydra.compose("train", overrides)))

    return composed


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process; returns its exit code, output and complaints."""
    from swaplab.cli.main import main

    def run(name: str, *words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["swaplab", name, *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@dataclass(frozen=True)
class Started:
    """A command that runs in a process group of its own."""

    pid: int
    folder: Path

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it has complained of so far."""
        return (self.folder / "err").read_text()

    @property
    def code(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        file = self.folder / "code"
        return int(file.read_text()) if file.exists() else None

    def until(self, condition: Callable[[], object], timeout: float = 120.0) -> None:
        """Wait for a condition; AssertionError if the command ends before, or it takes longer than ``timeout`` s."""
        end = time.monotonic() + timeout
        while not condition():
            assert self.code is None, f"ended with {self.code} too early: {self.err}"
            assert time.monotonic() < end, f"waited {timeout} s in vain: {self.err}"
            time.sleep(0.02)

    def wait(self, timeout: float = 120.0) -> int:
        """Its exit code; AssertionError if it runs for longer than ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while (code := self.code) is None:
            assert time.monotonic() < end, f"still running after {timeout} s: {self.err}"
            time.sleep(0.02)
        return code

    def kill(self, number: int = signal.SIGTERM, *, group: bool = True) -> None:
        """Send a signal to its whole process group, or to it alone."""
        (os.killpg if group else os.kill)(self.pid, number)


@pytest.fixture(scope="session")
def _warm_server() -> Iterator["subprocess.Popen[str]"]:
    program = Path(__file__).with_name("warm_server.py")
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield server
        server.stdin.close()


@pytest.fixture
def process(
    _warm_server: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Started]]:
    """Starts a command in a process of its own: ``process("train", *words, env={...}, cwd=...)``.

    It is forked from a server that has imported everything, so that it starts at once; ``env`` is added to this test's
    environment, and a value of None is taken out of it. What still runs when the test ends is killed.
    """
    started: list[Started] = []

    def start(name: str, *words: object, env: dict[str, str | None] | None = None, cwd: Path | None = None) -> Started:
        folder = tmp_path_factory.mktemp("process")
        request = {
            "name": name,
            "words": [str(word) for word in words],
            "cwd": str(cwd or Path.cwd()),
            "env": {k: v for k, v in ({**os.environ, **(env or {})}).items() if v is not None},
            "folder": str(folder),
        }
        assert _warm_server.stdin is not None
        assert _warm_server.stdout is not None
        _warm_server.stdin.write(json.dumps(request) + "\n")
        _warm_server.stdin.flush()
        for file in ("out", "err"):
            (folder / file).touch()
        started.append(Started(int(_warm_server.stdout.readline()), folder))
        return started[-1]

    yield start
    for command in started:
        with suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
