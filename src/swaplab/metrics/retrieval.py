"""Is it *this* frame's true swap? Ranks the frame's true swap among others by distance to the answer.

The rank depends on what a swap keeps of its query (expression, pose, light), hardly on whose face it shows. So
colour-matched A, which keeps everything, is the ceiling, and a mean image is at chance.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from swaplab.randomness import generator_at

CANDIDATES = 100
APART = 1.0  # seconds; closer frames of one clip look alike and are not candidates


def candidates(clips: Sequence[str], times: Sequence[float], seed: int, count: int = CANDIDATES) -> Tensor:
    """The candidates for each query: (n, n) bool; row i contains i and an equal number of others for every row.

    Others are from another clip or at least ``APART`` seconds away; up to ``count - 1`` of them are drawn, keyed by the
    row. Every row has the same sum, which is below ``count`` if there are not enough frames.
    """
    number = {name: i for i, name in enumerate(dict.fromkeys(clips))}
    clip = torch.tensor([number[name] for name in clips])
    time = torch.tensor(times, dtype=torch.float64)
    near = (clip[:, None] == clip) & ((time[:, None] - time).abs() < APART)
    allowed = ~near
    others = min(int(allowed.sum(1).min()), count - 1) if len(clips) else 0
    chosen = torch.eye(len(clips), dtype=torch.bool)
    for i, row in enumerate(allowed):
        eligible = row.nonzero()[:, 0].numpy()
        chosen[i, generator_at(seed, "retrieval", i).choice(eligible, others, replace=False)] = True
    return chosen


def masked_distances(answers: Tensor, truths: Tensor, mask: Tensor) -> Tensor:
    """Mean squared errors (n, m) of answers (n, 3, R, R) to truths (m, 3, R, R) inside the answers' masks.

    The expanded square needs only two matrix products for all pairs; float64 limits the cancellation error.
    """
    y, t, m = answers.double(), truths.double(), mask.double()
    centre = t.mean(0)
    y, t = y - centre, t - centre
    own = (m * y.square()).sum((1, 2, 3))
    cross = (m * y).flatten(1) @ t.flatten(1).T
    theirs = m.flatten(1) @ t.square().sum(1).flatten(1).T
    return (own[:, None] - 2 * cross + theirs) / (3 * m.sum((1, 2, 3)))[:, None]


def true_ranks(distances: Tensor, chosen: Tensor) -> Tensor:
    """Rank (n,) of the diagonal of ``distances`` (n, n) among the ``chosen`` of its row; 1 is the nearest.

    Ties and NaN distances count against the answer.
    """
    true = distances.diagonal()[:, None]
    farther = (distances > true) & chosen
    return chosen.sum(1) - farther.sum(1)
