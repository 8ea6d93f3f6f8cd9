import numpy as np
import torch

from swaplab.metrics.retrieval import candidates, masked_distances, true_ranks


def faces(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_distances_match_the_differences_pair_by_pair() -> None:
    answers, truths = faces(5, 0), faces(5, 1)
    mask = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    y, t, m = (a.double().numpy() for a in (answers, truths, mask))
    expected = [[(m[i] * (y[i] - t[j]) ** 2).sum() / (3 * m[i].sum()) for j in range(5)] for i in range(5)]
    np.testing.assert_allclose(masked_distances(answers, truths, mask).numpy(), expected, rtol=1e-10)


def test_near_frames_of_a_clip_are_no_candidates() -> None:
    clips = ["a"] * 6 + ["b"] * 2
    times = [0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 0.0, 0.1]
    chosen = candidates(clips, times, seed=0)
    assert chosen.diagonal().all()
    assert len(set(chosen.sum(1).tolist())) == 1
    for i, j in np.argwhere(chosen.numpy()):
        assert i == j or clips[i] != clips[j] or abs(times[i] - times[j]) >= 1


def test_a_second_apart_is_far_enough() -> None:
    assert candidates(["a", "a"], [0.0, 1.0], seed=0).all()
    assert not candidates(["a", "a"], [0.0, 0.99], seed=0)[0, 1]


def test_a_hundred_candidates_where_there_are_enough_and_the_same_ones_again() -> None:
    clips, times = [str(i // 10) for i in range(150)], [0.2 * (i % 10) for i in range(150)]
    chosen = candidates(clips, times, seed=3)
    assert (chosen.sum(1) == 100).all()
    assert torch.equal(chosen, candidates(clips, times, seed=3))
    assert not torch.equal(chosen, candidates(clips, times, seed=4))


def test_one_short_clip_leaves_no_other_candidate() -> None:
    assert torch.equal(candidates(["a"] * 3, [0.0, 0.1, 0.2], seed=0), torch.eye(3, dtype=torch.bool))


def test_ranks_count_ties_and_missing_numbers_against_the_answer() -> None:
    distances = torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 2.0], [0.0, 0.0, float("nan")]])
    everyone = torch.ones(3, 3, dtype=torch.bool)
    assert true_ranks(distances, everyone).tolist() == [1, 2, 3]
    everyone[1, 0] = False
    assert true_ranks(distances, everyone).tolist() == [1, 1, 3]


def test_truth_is_found_always_and_the_mean_image_by_chance() -> None:
    n = 200
    truths, mask = faces(n, 5), torch.ones(n, 1, 8, 8)
    chosen = candidates([str(i) for i in range(n)], [0.0] * n, seed=0)
    assert (true_ranks(masked_distances(truths, truths, mask), chosen) == 1).all()
    ranks = true_ranks(masked_distances(truths.mean(0).expand_as(truths), truths, mask), chosen)
    assert abs(float(ranks.double().mean()) - 50.5) < 10  # uniform on 1..100: standard error 2
    assert (ranks == 1).sum() <= 8  # 2 expected


def test_one_colour_for_everybody_keeps_the_ranks() -> None:
    truths, mask = faces(50, 6), torch.ones(50, 1, 8, 8)
    chosen = candidates([str(i) for i in range(50)], [0.0] * 50, seed=0)
    tinted = 0.8 * truths + torch.tensor([0.1, 0.0, -0.05]).view(3, 1, 1)
    assert (true_ranks(masked_distances(tinted, truths, mask), chosen) == 1).all()
