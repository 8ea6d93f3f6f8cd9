from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from swaplab.metrics.identity import IdentityScale
from swaplab.metrics.task import SwapTask
from swaplab.metrics.yardstick import RealFaces


@pytest.fixture(scope="module")
def scale(real: RealFaces, embedder: Any) -> IdentityScale:
    return IdentityScale.fit(embedder, real)


def test_real_people_are_nought_and_one(scale: IdentityScale, real: RealFaces) -> None:
    for faces, expected in ((real.impostor, 0.0), (real.genuine, 1.0)):
        found = scale.measure(faces)
        assert float(found["identity[colour:0]"].mean()) == pytest.approx(expected, abs=1e-6)
        assert (found["nearer_to_target[colour:0]"] == expected).all()


def test_the_way_from_a_to_b_rises(scale: IdentityScale, task: SwapTask) -> None:
    assert task.truth is not None
    steps = [
        {name: float(values.mean()) for name, values in scale.measure(torch.lerp(task.query, task.truth, w)).items()}
        for w in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for name, sign in (("identity", 1), ("identity_cosine", 1), ("identity_distance", -1)):
        values = [sign * step[f"{name}[colour:0]"] for step in steps]
        assert values == sorted(values)


def test_cosine_and_distance_are_to_the_centroid_of_the_training_faces(
    scale: IdentityScale, task: SwapTask, real: RealFaces
) -> None:
    centroid = real.train_target.faces.double().mean((0, 2, 3))
    found = scale.measure(task.query[:3])
    own = task.query[:3].double().mean((2, 3))
    torch.testing.assert_close(
        found["identity_cosine[colour:0]"], F.cosine_similarity(own, centroid), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(found["identity_distance[colour:0]"], (own - centroid).norm(dim=1), atol=1e-6, rtol=0)


def test_people_that_the_recogniser_does_not_tell_apart_have_no_identity(real: RealFaces, embedder: Any) -> None:
    same = replace(real, train_source=real.train_target, impostor=real.genuine)
    found = IdentityScale.fit(embedder, same).measure(real.genuine)
    assert set(found) == {f"{name}[colour:0]" for name in ("identity_cosine", "identity_distance", "nearer_to_target")}
