import numpy as np
import pytest
import torch

from swaplab.metrics.trivial import LABELS, TrivialAnswers, best_factor, principal_components, shifted_mean


def faces(count: int, seed: int, low: float = 0.2, high: float = 0.8) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def trivial() -> TrivialAnswers:
    train_a, train_b = faces(40, 0), faces(60, 1, 0.1, 0.5)
    return TrivialAnswers.fit(train_a, train_b, (faces(5, 2), faces(5, 3), torch.ones(5, 1, 8, 8)))


def test_every_answer_is_an_image(trivial: TrivialAnswers) -> None:
    query = faces(7, 4)
    answers = trivial(query)
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
    known = faces(60, 1)
    centred = (known - known.mean(0)).flatten(1).double().numpy()
    expected = np.linalg.svd(centred, full_matrices=False)[2][:32]
    actual = principal_components(known, 32).double().numpy()
    np.testing.assert_allclose(actual @ actual.T, np.eye(32), atol=1e-5)
    np.testing.assert_allclose(actual.T @ actual, expected.T @ expected, atol=1e-4)  # same subspace


def test_a_few_faces_span_themselves_and_are_kept_exactly() -> None:
    few = faces(5, 7)
    trivial = TrivialAnswers.fit(few, few, None)
    assert len(trivial.components) == 4
    torch.testing.assert_close(trivial.on_components(few), few, atol=1e-4, rtol=0)


def test_nearest_is_the_nearest(trivial: TrivialAnswers) -> None:
    known = trivial.train_target
    noisy = known[[3, 17, 3]] + 0.01 * faces(3, 9)
    assert torch.equal(trivial.nearest(noisy), known[[3, 17, 3]])


def test_factor_is_the_one_that_made_the_truth() -> None:
    query, mean_a, mean_b = faces(20, 0, 0.4, 0.6), torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.4)
    mask = torch.ones(20, 1, 8, 8)
    for factor in (0.0, 0.3, 1.0):
        truth = shifted_mean(mean_a, mean_b, query, factor)
        assert best_factor(mean_a, mean_b, query, truth, mask) == factor


def test_without_validation_truth_nothing_chooses_a_factor() -> None:
    answers = TrivialAnswers.fit(faces(10, 0), faces(10, 1), None)(faces(2, 2))
    assert set(answers) == set(LABELS) - {"shifted_mean"}
