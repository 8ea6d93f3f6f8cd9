"""The visible label: a few words in a corner that tell every viewer that a picture was altered."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from swaplab.errors import UserError

# minimum height of an explicit label in GB 45438-2025, as a fraction of the short side
LEAST_HEIGHT = 0.05
# minimum height of readable letters in pixels; frames too narrow for it get smaller ones
READABLE = 10
# even over white, white text on this plate has a contrast of 5.7 : 1 (WCAG 2.2 requires 4.5 : 1)
PLATE_OPACITY = 0.6


@dataclass(frozen=True)
class Label:
    """White ``text`` on a dark plate in the lower left corner; letters at least ``height`` times the short side high.

    Raises UserError for a text that is empty, has several lines or letters that the font lacks, and for a ``height``
    outside [0.05, 0.2].
    """

    text: str = "AI-altered"
    height: float = LEAST_HEIGHT

    def __post_init__(self) -> None:
        if not self.text.strip() or not self.text.isprintable():
            raise UserError(f"label text must be one line of printable letters; got {self.text!r}")
        if not LEAST_HEIGHT <= self.height <= 0.2:
            raise UserError(f"label height must be a fraction of the short side in [0.05, 0.2]; got {self.height}")
        missing = _shape_of("\U0010ffff")
        unknown = [letter for letter in self.text if not letter.isspace() and _shape_of(letter) == missing]
        if unknown:
            raise UserError(
                f"label text {self.text!r} has letters that the font lacks ({''.join(unknown)}); use Latin letters"
            )

    def draw(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of ``frame``, (H, W, 3) RGB uint8, with the label; deterministic."""
        rows, columns, letters = self._place(*frame.shape[:2])
        labelled = frame.copy()
        dimmed = frame[rows, columns].astype(np.float32) * (1 - PLATE_OPACITY)
        labelled[rows, columns] = np.rint(dimmed + (255 - dimmed) * letters[..., None]).astype(np.uint8)
        return labelled

    def likeness(self, frame: NDArray[np.uint8]) -> float:
        """The correlation of brightness, in [-1, 1], between the label and its place in ``frame``.

        Pixels darker than the plate over white count as the plate, because the plate is never brighter than that.
        """
        rows, columns, letters = self._place(*frame.shape[:2])
        seen = np.maximum(frame[rows, columns].mean(-1), 255 * (1 - PLATE_OPACITY))
        seen, expected = seen - seen.mean(), letters - letters.mean()
        scale = math.sqrt(float((seen**2).sum() * (expected**2).sum()))
        return float((seen * expected).sum()) / scale if scale > 0 else 0.0

    def _place(self, height: int, width: int) -> tuple[slice, slice, NDArray[np.float32]]:
        """Rows and columns of the plate, and the letters' coverage (h, w) in [0, 1]."""
        short = min(height, width)
        least = math.ceil(self.height * short)
        for letter_height in range(max(least, READABLE), least - 1, -1):
            letters = _letters(self.text, letter_height)
            h, w = letters.shape
            if h <= height and w <= width:
                margin = min(letter_height // 2, height - h, width - w)
                return slice(height - margin - h, height - margin), slice(margin, margin + w), letters
        raise UserError(f"label '{self.text}' does not fit on {width} x {height} pixels; use a shorter text")


@lru_cache(maxsize=64)
def _letters(text: str, letter_height: int) -> NDArray[np.float32]:
    """Coverage in [0, 1] of ``text`` on its plate, with ink at least ``letter_height`` pixels high."""
    size = letter_height
    # a row counts as ink if at least one of its pixels is half covered
    while ((ink := _ink(text, size)).max(1) >= 0.5).sum() < letter_height:
        size += 1
    letters = np.pad(ink, max(1, letter_height // 3))
    letters.setflags(write=False)
    return letters


def _ink(text: str, size: int) -> NDArray[np.float32]:
    """Coverage in [0, 1] of ``text`` in a font of size ``size``, without empty margins."""
    font = ImageFont.load_default(size)
    # the font's declared box may be off by two pixels
    left, top, right, bottom = font.getbbox(text)
    canvas = Image.new("L", (math.ceil(right - left) + 2 * size, math.ceil(bottom - top) + 2 * size))
    ImageDraw.Draw(canvas).text((size - left, size - top), text, fill=255, font=font)
    coverage = np.asarray(canvas, np.float32) / np.float32(255)
    rows, columns = np.nonzero(coverage)
    return coverage[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _shape_of(letter: str) -> Any:
    mask = ImageFont.load_default(32).getmask(letter)
    return mask.size, bytes(mask)
