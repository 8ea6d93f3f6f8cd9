"""The progress line of training shows the newest quality that a row of metrics states."""

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from swaplab.training import progress
from swaplab.training.module import SwapModule
from swaplab.training.progress import ImagesBar


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"val/oracle_swap_psnr": 24.13, "val/reconstruction_psnr": 27.0}, "0 left, swap 24.1 dB"),
        ({"val/reconstruction_psnr": 27.04}, "0 left, reconstruction 27.0 dB"),
        ({"loss/generator/reconstruction": 0.1}, "0 left"),
    ],
)
def test_the_line_says_how_good_swaps_are(row: dict[str, Any], shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(force_terminal=True, record=True, width=120)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    module = SwapModule.__new__(SwapModule)
    module.__dict__ |= {"total_images": 80, "counters": SimpleNamespace(images_seen=80)}
    trainer: Any = SimpleNamespace(is_global_zero=True)
    bar = ImagesBar()
    bar.tell(row, None)  # before training starts, as the row of the untrained network comes
    bar.on_train_start(trainer, module)
    bar.on_train_batch_end(trainer, module, None, None, 0)
    bar.tell({"loss/generator/reconstruction": 0.2}, None)
    bar.teardown(trainer, module, "fit")
    last = console.export_text().strip().splitlines()[-1].strip()
    assert last.startswith("training")
    assert "80/80 images" in last
    assert last.endswith(shown)
