"""The image pool against its description image by image; two shards as one; resume as an uninterrupted run."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses import pool as module
from swaplab.losses.pool import ImagePool
from swaplab.randomness import generator_at

SIZE = 5


def step(first: int, n: int) -> SimpleNamespace:
    return SimpleNamespace(position=torch.arange(first, first + n), settings=SimpleNamespace(seed=7))


def images(first: int, n: int) -> Tensor:
    """Pairs whose every pixel is the position, the condition's plus a half."""
    values = torch.arange(first, first + n, dtype=torch.float32).view(-1, 1, 1, 1)
    return torch.cat([values.expand(-1, 3, 2, 2), values.expand(-1, 3, 2, 2) + 0.5], 1)


def shown(pairs: Tensor) -> list[int]:
    """Which positions were handed on; each with its own condition."""
    assert torch.equal(pairs[:, 3:], pairs[:, :3] + 0.5)
    return [int(v) for v in pairs[:, 0, 0, 0]]


class SlowPool:
    """CycleGAN's loop over images, one by one."""

    def __init__(self) -> None:
        self.images: list[int] = []

    def query(self, image: int, place: str) -> int:
        draw = generator_at(7, "model", "image pool", place, image)
        if len(self.images) < SIZE:
            self.images.append(image)
            return image
        if draw.random() < 0.5:
            slot = int(draw.integers(SIZE))
            old, self.images[slot] = self.images[slot], image
            return old
        return image


def run(pool: ImagePool, steps: range, batch: int = 4, place: str = "B raw") -> list[list[int]]:
    return [shown(pool(step(batch * i, batch), place, images(batch * i, batch))) for i in steps]


def test_against_the_loop_over_images() -> None:
    pool, slow = ImagePool(SIZE), SlowPool()
    for number, got in enumerate(run(pool, range(40))):
        assert got == [slow.query(4 * number + i, "B raw") for i in range(4)]
    assert shown(pool.state()["B raw"]) == slow.images
    assert len(slow.images) == SIZE


def test_half_of_the_images_are_older_ones_and_streams_are_apart() -> None:
    pool = ImagePool(50)
    got = np.array(run(pool, range(500)))
    new = got == np.arange(2000).reshape(500, 4)
    assert new[:12].all()
    assert new[13:].mean() == pytest.approx(0.5, abs=0.05)
    assert (np.arange(2000).reshape(500, 4) - got)[13:][~new[13:]].mean() == pytest.approx(100, rel=0.3)
    assert run(ImagePool(50), range(500), place="A raw") != got.tolist()


def test_state_resumes_a_straight_run() -> None:
    straight = run(ImagePool(SIZE), range(30))
    first, second = ImagePool(SIZE), ImagePool(SIZE)
    begun = run(first, range(11))
    second.restore(first.state())
    assert begun + run(second, range(11, 30)) == straight
    assert run(ImagePool(SIZE), range(11, 30)) != straight[11:]


def shares(sizes: tuple[int, ...], rank: int) -> Callable[[Tensor], tuple[Tensor, int]]:
    """What `gathered` gives a rank that holds one contiguous share of the batch."""
    begin = sum(sizes[:rank])

    def gathered(pairs: Tensor) -> tuple[Tensor, int]:
        first = int(pairs[0, 0, 0, 0]) - begin
        return images(first, sum(sizes)), begin

    return gathered


@pytest.mark.parametrize("sizes", [(2, 2), (3, 1), (2, 1, 1)])
def test_ranks_hold_one_pool_and_take_their_own_share(sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    straight = run(ImagePool(SIZE), range(30))
    pools = [ImagePool(SIZE) for _ in sizes]
    for number in range(30):
        together: list[int] = []
        for rank, pool in enumerate(pools):
            monkeypatch.setattr(module, "gathered", shares(sizes, rank))
            first = 4 * number + sum(sizes[:rank])
            together += shown(pool(step(first, sizes[rank]), "B raw", images(first, sizes[rank])))
        assert together == straight[number]
    assert len({tuple(shown(pool.state()["B raw"])) for pool in pools}) == 1


def test_nothing_is_learned_through_the_pool() -> None:
    pairs = images(0, 4).requires_grad_()
    assert not ImagePool(SIZE)(step(0, 4), "A", pairs).requires_grad  # type: ignore[arg-type]


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(UserError, match="size must be at least 1; got 0"):
        ImagePool(0)
