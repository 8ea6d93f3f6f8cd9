"""The label can be read on any background, is large enough, modest, and the same every time."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from swaplab.errors import UserError
from swaplab.marking.label import Label

SIZES = [(1080, 1920), (1920, 1080), (480, 640), (288, 360), (96, 160), (77, 333)]


def background(kind: str, height: int, width: int) -> NDArray[np.uint8]:
    if kind == "noise":
        return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.full((height, width, 3), {"black": 0, "white": 255}[kind], np.uint8)


def luminance(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """WCAG 2.2 relative luminance of sRGB pixels, (..., 3) to (...)."""
    c = pixels / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("kind", ["black", "white", "noise"])
def test_letters_stand_out_from_their_plate_on_any_background(kind: str, height: int, width: int) -> None:
    black = Label().draw(background("black", height, width)).max(-1)
    plate_rows, plate_columns = np.nonzero((Label().draw(background("white", height, width)) < 255).any(-1))
    drawn = Label().draw(background(kind, height, width))
    box = np.s_[plate_rows.min() : plate_rows.max() + 1, plate_columns.min() : plate_columns.max() + 1]
    light = luminance(drawn[box])
    ink = black[box]
    assert (ink > 240).sum() > 20
    contrast = (light[ink > 240].min() + 0.05) / (light[ink == 0].max() + 0.05)
    assert contrast >= 4.5


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("part", [0.05, 0.08])
def test_letters_are_at_least_their_part_of_the_short_side_and_the_label_is_modest(
    height: int, width: int, part: float
) -> None:
    frame = background("black", height, width)
    drawn = Label(height=part).draw(frame)
    rows = np.nonzero(drawn.max(-1) >= 128)[0]
    assert rows.max() - rows.min() + 1 >= part * min(height, width)
    white = Label(height=part).draw(background("white", height, width))
    changed = (white < 255).any(-1)
    assert changed.mean() < (0.03 if part == 0.05 and height > 200 else 0.12)
    assert not changed[: height // 2].any()


def test_same_frame_same_pixels_and_the_frame_itself_is_untouched() -> None:
    frame = background("noise", 288, 360)
    before = frame.copy()
    first, second = Label().draw(frame), Label().draw(frame)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(frame, before)
    changed = (first != frame).any(-1)
    rows, columns = np.nonzero(changed)
    assert first[: rows.min()].tobytes() == frame[: rows.min()].tobytes()
    assert columns.max() < 180


def test_likeness_finds_the_label_after_coarse_compression_and_nothing_else() -> None:
    for kind in ("black", "white", "noise"):
        frame = background(kind, 288, 360)
        assert Label().likeness(frame) < 0.3
        stream = io.BytesIO()
        Image.fromarray(Label().draw(frame)).save(stream, "JPEG", quality=50)
        assert Label().likeness(np.asarray(Image.open(stream))) > 0.85
        assert Label().likeness(Label("original").draw(frame)) < 0.8


@pytest.mark.parametrize("text", ["", "   ", "AI\naltered", "AI\x1b[0m", "人工智能"])
def test_text_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="label text"):
        Label(text)


@pytest.mark.parametrize("part", [0.0, 0.049, 0.5, float("nan")])
def test_heights_out_of_range_are_refused(part: float) -> None:
    with pytest.raises(UserError, match=r"label height .* in \[0\.05, 0\.2\]"):
        Label(height=part)


def test_a_frame_without_room_is_refused_not_left_unlabelled() -> None:
    with pytest.raises(UserError, match="does not fit on 8 x 8 pixels"):
        Label().draw(background("black", 8, 8))
    with pytest.raises(UserError, match="use a shorter text"):
        Label("altered " * 12).draw(background("black", 288, 360))
