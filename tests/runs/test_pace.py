"""The time that is left, and the line that says how far a run is."""

import pytest

from swaplab.runs.pace import Pace, line


def test_the_time_left_counts_what_validation_costs() -> None:
    pace = Pace(1000)
    assert pace.left({"images_seen": 0}, 50.0) is None
    # 100 images in 30 s, though training alone says 10 a second
    assert pace.left({"images_seen": 100, "train/images_per_second": 10.0}, 80.0) == pytest.approx(270.0)
    assert pace.left({"images_seen": 1000}, 500.0) == 0.0


def test_a_resumed_run_is_timed_from_its_checkpoint_on() -> None:
    pace = Pace(1000)
    assert pace.left({"images_seen": 100, "train/images_per_second": 10.0}, 80.0) == pytest.approx(90.0)
    assert pace.left({"images_seen": 60, "train/images_per_second": 10.0}, 200.0) == pytest.approx(94.0)
    assert pace.left({"images_seen": 80}, 210.0) == pytest.approx(920 / 2)


def test_a_line_says_what_the_row_has() -> None:
    row = {
        "images_seen": 12800,
        "loss/generator/reconstruction": 1.0,
        "loss/generator/reconstruction_weighted": 0.04,
        "loss/generator/edge_weighted": 0.0012,
        "loss/discriminator/real_weighted": 5.0,
        "val/reconstruction_psnr": 24.06,
        "val/reconstruction_psnr/A": 1.0,
        "val/oracle_swap_psnr": 22.0,
        "train/images_per_second": 310.4,
    }
    said = "12,800 of 128,000 images: loss 0.0412, PSNR 24.1 dB, swap PSNR 22.0 dB, 310 images/s, 6 min left"
    assert line(row, 128000, 371.0) == said
    assert line({"images_seen": 0}, 80, None) == "0 of 80 images"
    assert line({"images_seen": 80, "val/reconstruction_psnr": 20.0}, 80, 0.0) == "80 of 80 images: PSNR 20.0 dB"
    assert "loss nan" in line({"images_seen": 8, "loss/generator/x_weighted": float("nan")}, 80, None)
