"""The image pool: the discriminator is shown some of the generator's earlier images, lest it forget them."""

import torch
from torch import Tensor

from swaplab.collectives import gathered
from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.randomness import generator_at
from swaplab.ranges import Count


class ImagePool:
    """A history of ``size`` generated images for each stream (Shrivastava et al. 2017, section 2.3; in the form of
    CycleGAN, Zhu et al. 2017, section 4).

    Image after image, in the order of their positions in the run: while the pool is not full an image is stored and
    handed on. Later, with probability 1/2 an older image is handed on in its place and gives its slot to it. An image
    keeps the condition it was made from, so that a conditional discriminator sees pairs that belong together.

    There is one pool for all ranks: every rank gathers the batch's images, makes the same moves and takes its own
    share, so the split of a batch over ranks changes nothing. Coins and slots are functions of (seed, stream, global
    position). `state` belongs to the checkpoint.
    """

    def __init__(self, size: Count = 50) -> None:
        if size < 1:
            raise UserError(f"history.size={size} remembers nothing; give 1 or more, or set history=none")
        self.size = size
        self._stored: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, step: StepContext, place: str, pairs: Tensor) -> Tensor:
        """Pairs (n, 6, R, R), image and condition, to show for this rank's; ``place`` names their stream."""
        batch, begin = gathered(pairs)
        first = int(step.position[0]) - begin
        stored = self._stored.get(place, batch[:0]).to(batch)
        # rows of this table: what is stored, then the batch
        table, slots, shown = torch.cat([stored, batch]), list(range(len(stored))), []
        for row in range(len(batch)):
            own = len(stored) + row
            draw = generator_at(step.settings.seed, "model", "image pool", place, first + row)
            if len(slots) < self.size:
                slots.append(own)
                shown.append(own)
            elif draw.random() < 0.5:
                slot = int(draw.integers(self.size))
                shown.append(slots[slot])
                slots[slot] = own
            else:
                shown.append(own)
        self._stored[place] = table[slots]
        return table[shown[begin : begin + len(pairs)]]

    def state(self) -> dict[str, Tensor]:
        """The stored pairs (k, 6, R, R) of each stream, k up to ``size``."""
        return dict(self._stored)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self._stored = dict(state)
