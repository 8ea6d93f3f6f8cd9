"""A run's progress, in numbers and as one plain line: images, loss, PSNR, speed and time left."""

from collections.abc import Mapping
from dataclasses import dataclass

from swaplab.catalogue import ORACLE
from swaplab.progress import duration

SPEED = "train/images_per_second"
PSNR = {"val/reconstruction_psnr": "PSNR", ORACLE: "swap PSNR"}  # dB, with the displayed names


@dataclass
class Pace:
    """Estimates the time left of a run of ``total`` images from the times of its rows.

    Everything that takes time counts, validation too; until two rows are known, it uses the training speed alone.
    """

    total: int
    _first: tuple[float, float] | None = None

    def left(self, row: Mapping[str, float], moment: float) -> float | None:
        """Seconds from ``row``, reported at ``moment`` (s), to the end of the budget; None if unknown."""
        images = row["images_seen"]
        if self._first is None or images < self._first[0]:  # a resumed run starts at its checkpoint
            self._first = images, moment
        since, began = self._first
        if images > since:
            return (self.total - images) * (moment - began) / (images - since)
        speed = row.get(SPEED)
        return (self.total - images) / speed if speed else None


def loss_of(row: Mapping[str, float]) -> float | None:
    """The generator's total loss in a row, the sum of its weighted terms; None if there are none."""
    terms = [v for k, v in row.items() if k.startswith("loss/generator/") and k.endswith("_weighted")]
    return sum(terms) if terms else None


def line(row: Mapping[str, float], total: int, left: float | None) -> str:
    """``12,800 of 128,000 images: loss 0.0412, PSNR 24.1 dB, 310 images/s, 6 min left``, as far as known."""
    loss, said = loss_of(row), []
    said += [] if loss is None else [f"loss {loss:.3g}"]
    said += [f"{title} {row[name]:.1f} dB" for name, title in PSNR.items() if name in row]
    said += [f"{row[SPEED]:.3g} images/s"] if SPEED in row else []
    said += [] if left is None or row["images_seen"] >= total else [f"{duration(left)} left"]
    return f"{row['images_seen']:,.0f} of {total:,} images" + (f": {', '.join(said)}" if said else "")
