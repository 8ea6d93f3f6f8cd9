"""Is it *this* frame's true swap? Rank the true frame among others by distance to the answer.

What a swap keeps of its query (expression, pose, light) decides the rank; whose face it shows hardly does. So
colour-matched A, which keeps everything, is the ceiling, and a mean image is at chance.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from swaplab.randomness import generator_at

CANDIDATES = 100
APART = 1.0  # seconds; nearer frames of one clip look alike and are no candidates


def candidates(clips: Sequence[str], times: Sequence[float], seed: int, count: int = CANDIDATES) -> Tensor:
    """Which truths each query is compared with: (n, n) bool; every row i has i itself and as many others.

    Others are of another clip or at least ``APART`` seconds away; of those, up to ``count - 1`` are drawn,
    keyed by the row. The number of candidates (any row's sum) is smaller than ``count`` where there are not
    enough.
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

    The square is expanded, so all pairs cost two matrix products; float64 keeps what cancels.
    """
    y, t, m = answers.double(), truths.double(), mask.double()
    centre = t.mean(0)
    y, t = y - centre, t - centre
    own = (m * y.square()).sum((1, 2, 3))
    cross = (m * y).flatten(1) @ t.flatten(1).T
    theirs = m.flatten(1) @ t.square().sum(1).flatten(1).T
    return (own[:, None] - 2 * cross + theirs) / (3 * m.sum((1, 2, 3)))[:, None]


def true_ranks(distances: Tensor, chosen: Tensor) -> Tensor:
    """Rank (n,) of the diagonal of ``distances`` (n, n) among the ``chosen`` of its row; 1 is nearest.

    Ties count against the answer, and so do distances that are not numbers.
    """
    true = distances.diagonal()[:, None]
    farther = (distances > true) & chosen
    return chosen.sum(1) - farther.sum(1)
