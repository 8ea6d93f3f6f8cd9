import numpy as np
import pytest
import torch

from swaplab.metrics.trivial import (
    LABELS,
    MaskedFaces,
    TrivialAnswers,
    best_factor,
    principal_components,
    shifted_mean,
)


def faces(count: int, seed: int, low: float = 0.2, high: float = 0.8) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def unmasked(images: torch.Tensor) -> MaskedFaces:
    return MaskedFaces.of(images, None)


def on_background(images: torch.Tensor, level: float) -> MaskedFaces:
    """The left half of the images, with one grey to the right of it."""
    mask = torch.zeros(len(images), 1, 8, 8)
    mask[..., :4] = 1
    return MaskedFaces(mask * images + (1 - mask) * level, mask)


@pytest.fixture(scope="module")
def trivial() -> TrivialAnswers:
    train_a, train_b = unmasked(faces(40, 0)), unmasked(faces(60, 1, 0.1, 0.5))
    return TrivialAnswers.fit(train_a, train_b, (unmasked(faces(5, 2)), unmasked(faces(5, 3))))


def test_every_answer_is_an_image(trivial: TrivialAnswers) -> None:
    query = faces(7, 4)
    answers = trivial(unmasked(query))
    assert list(answers) == list(LABELS)
    for answer in answers.values():
        assert answer.shape == query.shape
        assert 0 <= float(answer.min()) <= float(answer.max()) <= 1
    assert torch.equal(answers["copy"], query)


def test_colour_match_gives_the_training_faces_of_a_the_colours_of_b(trivial: TrivialAnswers) -> None:
    matched = trivial.colour_match(faces(40, 0)).double()
    target = faces(60, 1, 0.1, 0.5).double()
    for statistic in (lambda x: x.mean((0, 2, 3)), lambda x: x.std((0, 2, 3))):
        torch.testing.assert_close(statistic(matched), statistic(target), atol=2e-4, rtol=0)


def test_components_are_those_of_the_singular_value_decomposition() -> None:
    centred = faces(60, 1) - faces(60, 1).mean(0)
    expected = np.linalg.svd(centred.flatten(1).double().numpy(), full_matrices=False)[2][:32]
    actual = principal_components(centred, 32).double().numpy()
    np.testing.assert_allclose(actual @ actual.T, np.eye(32), atol=1e-5)
    np.testing.assert_allclose(actual.T @ actual, expected.T @ expected, atol=1e-4)  # same subspace


def test_a_few_faces_span_themselves_and_are_kept_exactly() -> None:
    few = faces(5, 7)
    trivial = TrivialAnswers.fit(unmasked(few), unmasked(few), None)
    assert len(trivial.components) == 4
    torch.testing.assert_close(trivial.on_components(few), few, atol=1e-4, rtol=0)


def test_nearest_is_the_nearest(trivial: TrivialAnswers) -> None:
    known = trivial.train_target.faces
    noisy = known[[3, 17, 3]] + 0.01 * faces(3, 9)
    assert torch.equal(trivial.nearest(noisy), known[[3, 17, 3]])


def test_factor_is_the_one_that_made_the_truth() -> None:
    mean_a, mean_b = torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.4)
    query = unmasked(faces(20, 0, 0.4, 0.6))
    for factor in (0.0, 0.3, 1.0):
        truth = shifted_mean(mean_a, mean_b, query, factor)
        assert best_factor(mean_a, mean_b, query, unmasked(truth)) == factor


def test_without_validation_truth_nothing_chooses_a_factor() -> None:
    answers = TrivialAnswers.fit(unmasked(faces(10, 0)), unmasked(faces(10, 1)), None)(unmasked(faces(2, 2)))
    assert set(answers) == set(LABELS) - {"shifted_mean"}


def test_statistics_without_masks_are_plain() -> None:
    images = faces(9, 1)
    torch.testing.assert_close(unmasked(images).mean(), images.mean(0))
    mean, deviation = unmasked(images).colours()
    torch.testing.assert_close(mean.flatten(), images.mean((0, 2, 3)))
    torch.testing.assert_close(deviation.flatten(), images.std((0, 2, 3), correction=0))


def test_what_is_outside_the_faces_changes_no_answer_inside() -> None:
    answers = []
    for level in (0.0, 1.0):
        train = [on_background(faces(40, seed, 0.3, 0.7), level) for seed in (0, 1)]
        val = on_background(faces(5, 2), level), on_background(faces(5, 3), level)
        query = on_background(faces(4, 4, 0.3, 0.7), 1 - level)
        found = TrivialAnswers.fit(train[0], train[1], val)(query)
        answers.append({key: answer[..., :4] for key, answer in found.items()})
    for key in LABELS:
        torch.testing.assert_close(answers[0][key], answers[1][key], atol=2e-3, rtol=0)


def test_mean_face_is_of_face_pixels_where_there_are_any() -> None:
    images = torch.stack([torch.full((3, 8, 8), level) for level in (0.2, 0.4, 0.9)])
    mask = torch.ones(3, 1, 8, 8)
    mask[2] = 0
    mask[:, :, 0, 0] = 0
    mean = MaskedFaces(images, mask).mean()
    assert float(mean[0, 5, 5]) == pytest.approx(0.3, abs=1e-3)
    assert float(mean[0, 0, 0]) == pytest.approx(0.5)
