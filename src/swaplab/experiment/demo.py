"""The demo: its config, and the picture of the swap that follows its training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from swaplab.config.compose import run_config
from swaplab.runs.atomic import write_bytes_atomically
from swaplab.runs.sheets import read_sheet
from swaplab.sheets import drawn, png

# At this budget 600 faces per identity score as high as 1000, on each of three seeds, and are rendered sooner.
EXPERIMENT = ("experiment=demo", "data/profile=small")
ROWS, SCALE = 4, 3  # rows of the picture, and its magnification


def config_of(seed: int, images: int | None, runs: str) -> dict[str, Any]:
    """The checked config of the demo. ``images``: its budget, None for the experiment's own."""
    words = [*EXPERIMENT, f"seed={seed}", "logger=none"]
    words += [] if images is None else [f"budget.images={images}"]
    return run_config(*words) | {"runs": runs}


def picture_of(folder: Path) -> Path:
    """The picture of a run folder."""
    return folder / "demo.png"


class Follower:
    """Listens to training: redraws the picture of a run folder with every sheet, and calls ``begin`` at the first row.

    ``say`` gets a sentence about each picture.
    """

    def __init__(self, folder: Path, begin: Callable[[], object], say: Callable[[str], object]) -> None:
        self.folder, self.begin, self.say, self.begun = folder, begin, say, False

    def __call__(self, row: dict[str, Any], sheet: str | None) -> None:
        if not self.begun:
            self.begun = True
            self.begin()
        if sheet is None:
            return
        self._draw(Path(sheet))
        quality, place = row["val/oracle_swap_psnr"], picture_of(self.folder)
        self.say(f"{row['images_seen']:,} images: swap {quality:.1f} dB to the true one, see {place}")

    def _draw(self, path: Path) -> None:
        names, columns = [], []
        for way, faces in read_sheet(path).items():
            a, b = way.split("->")
            names += [a, f"{a} reconstructed", f"{a} as {b}", "true swap"]
            columns += [column[:ROWS] for column in faces.known]
        write_bytes_atomically(picture_of(self.folder), png(drawn(columns, names, SCALE)))
