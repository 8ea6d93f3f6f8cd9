"""Names above the columns of a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LETTERS = 18  # pixels
HEIGHT = 32


def captions(names: Sequence[str], width: int) -> NDArray[np.uint8]:
    """A white strip (HEIGHT, width, 3), RGB, that names columns of equal width, each in the middle of its own."""
    strip = Image.new("RGB", (width, HEIGHT), "white")
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(LETTERS)
    for i, name in enumerate(names):
        pen.text(((i + 0.5) * width / len(names), HEIGHT / 2), name, fill="black", font=font, anchor="mm")
    return np.asarray(strip)
