import numpy as np
import pytest

from swaplab.synthetic.clips import Clip
from swaplab.synthetic.people import person
from swaplab.synthetic.profile import Count, IdentityProfile
from swaplab.synthetic.rendering import render

EASY = IdentityProfile(Count(1, 1, 1), Count(1, 1, 1), Count(1, 1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["A", "B"])
def test_a_detector_trained_on_photographs_finds_the_easy_pair(name: str) -> None:
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True, device="cpu", min_face_size=30)
    missed, errors = 0, []
    for index in range(200):
        rendering = render(person(name), Clip(0, name, "test", index, EASY).state(1.0), 192)
        _, probabilities, points = detector.detect(rendering.image, landmarks=True)
        if points is None:
            missed += 1
            continue
        eyes = np.asarray(points[int(np.argmax(probabilities.astype(float)))], float)[:2]
        true = np.stack([rendering.landmarks[36:42].mean(0), rendering.landmarks[42:48].mean(0)])
        errors.append(np.linalg.norm(eyes - true, axis=1).mean() / np.linalg.norm(true[1] - true[0]))
    assert missed <= 2
    assert np.median(errors) < 0.1
