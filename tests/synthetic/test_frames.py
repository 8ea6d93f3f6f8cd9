from dataclasses import replace

import cv2
import numpy as np
import pytest

from swaplab.faces.alignment import FIVE_POINTS, Alignment, five_points
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.corruption import FAULTS
from swaplab.synthetic.frames import Face, Shot, clip_shots, shoot
from swaplab.synthetic.people import person
from swaplab.synthetic.profile import Corruption, Count, IdentityProfile
from swaplab.synthetic.rendering import render

ALIGNMENT = Alignment(48)
PROFILE = IdentityProfile(Count(4, 1, 1), Count(5, 2, 2), Count(2.5, 0.8, 0.8))


def shots(index: int = 0, split: str = "train", **doses: float) -> list[Shot]:
    profile = replace(PROFILE, corruption=Corruption(**doses))
    return clip_shots(Clip(0, "A", split, index, profile), person("A"))


def pair(fault: str) -> tuple[Face, Face]:
    return shoot(shots()[1], ALIGNMENT), shoot(shots(**{fault: 1.0})[1], ALIGNMENT)


def test_a_face_sits_on_the_template() -> None:
    shot = shots()[0]
    face = shoot(shot, ALIGNMENT)
    frame = render(shot.person, shot.state, 2 * ALIGNMENT.region)
    matrix = np.array(face.record["matrix"])
    points = five_points(np.array(face.record["landmarks"]))
    placed = points @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(placed - FIVE_POINTS * ALIGNMENT.region - ALIGNMENT.border).max() < 0.12 * ALIGNMENT.region
    assert np.array_equal(face.crop, ALIGNMENT.cut(frame.image, matrix))
    assert np.array_equal(face.masks, ALIGNMENT.cut(frame.masks, matrix))
    left, top, right, bottom = face.record["box"]
    assert 0 < left < right < 96
    assert 0 < top < bottom < 96


def test_faults_are_flagged_and_belong_to_train_frames_only() -> None:
    doses = dict.fromkeys(FAULTS, 1.0)
    assert all(set(shot.faults) >= set(FAULTS) - {"duplicate"} for shot in shots(**doses))
    for split in ("val", "test"):
        assert all(not shot.faults for shot in shots(split=split, **doses))


@pytest.mark.parametrize("fault", FAULTS)
def test_doses_are_shares_and_faults_do_not_move_each_other(fault: str) -> None:
    alone = [fault in shot.faults for index in range(120) for shot in shots(index, **{fault: 0.3})]
    doses = dict.fromkeys(FAULTS, 0.5) | {fault: 0.3}
    among = [fault in shot.faults for index in range(120) for shot in shots(index, **doses)]
    assert alone == among
    expected = 0.3 * 0.8 if fault == "duplicate" else 0.3  # a clip's first frame has nothing to repeat
    assert abs(np.mean(alone) - expected) < 0.06


def test_blur_and_jpeg_change_pixels_as_they_say() -> None:
    clean, blurred = pair("blur")
    detail = [cv2.Laplacian(face.crop, cv2.CV_32F).var() for face in (clean, blurred)]
    assert detail[1] < 0.5 * detail[0]
    assert np.array_equal(clean.masks, blurred.masks)
    clean, compressed = pair("jpeg")
    error = np.abs(clean.crop.astype(float) - compressed.crop)
    assert 1 < error.mean() < 15
    assert compressed.record["flags"] == ["jpeg"]


def test_a_wrong_identity_is_a_stranger_in_the_same_state() -> None:
    clean, wrong = pair("wrong_identity")
    assert wrong.record["parameters"] == clean.record["parameters"]
    for name in ("A", "B"):
        frame = render(person(name), shots()[1].state, 2 * ALIGNMENT.region)
        same = ALIGNMENT.cut(frame.image, ALIGNMENT.matrix(five_points(frame.landmarks)))
        assert np.abs(wrong.crop.astype(float) - same).mean() > 4


def test_a_non_face_has_no_face() -> None:
    clean, nothing = pair("non_face")
    assert nothing.masks.max() == 0
    assert np.abs(clean.crop.astype(float) - nothing.crop).mean() > 20


def test_bad_landmarks_misplace_the_crop_and_nothing_else() -> None:
    clean, bad = pair("bad_landmarks")
    off = np.abs(np.subtract(clean.record["landmarks"], bad.record["landmarks"])).max()
    assert off > 0.1 * ALIGNMENT.region
    assert clean.record["parameters"] == bad.record["parameters"]
    shot = shots()[1]
    frame = render(shot.person, shot.state, 2 * ALIGNMENT.region)
    assert np.array_equal(bad.crop, ALIGNMENT.cut(frame.image, np.array(bad.record["matrix"])))


def test_a_duplicate_is_the_frame_before() -> None:
    made = shots(duplicate=1.0)
    assert [shot.faults for shot in made] == [()] + [("duplicate",)] * 4
    plain = shots()
    for k in range(1, 5):
        again = shoot(made[k], ALIGNMENT)
        assert np.array_equal(again.crop, shoot(plain[k - 1], ALIGNMENT).crop)
        assert again.record["time"] == plain[k - 1].time
