"""Jobs whose process is a stand-in that ends as its config says, in a tenth of the time of the smallest run."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.sweeps.jobs import Job

STAND_IN = Path(__file__).with_name("stand_in.py")


@pytest.fixture
def stand_in() -> tuple[str, ...]:
    """The command of a stand-in for `swaplab train`."""
    return sys.executable, str(STAND_IN)


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """Makes jobs by name; ``does`` is what the stand-in does: complete, fail, diverge, wait, stubborn, crash."""

    def make(
        name: str,
        does: str = "complete",
        *,
        evaluate: str | None = None,
        trainer: dict[str, Any] | None = None,
        session_images: int | None = None,
        **more: Any,
    ) -> Job:
        settings = {"accelerator": "cpu", "devices": 1, "nodes": 1, "threads": 1, "launcher": "auto"} | (trainer or {})
        config = {
            "name": "tried",
            "seed": 1,
            "run_id": name,
            "runs": str(tmp_path / "runs"),
            "trainer": settings,
            "budget": {"images": 100, "session_images": session_images},
            "checkpoint": {"best": "val/error"},
            "does": does,
            **more,
        }
        return Job(name, config, evaluate)

    return make
