"""The image pool: the discriminator also sees earlier generated images, so that it does not forget them."""

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

    Images are processed in the order of their positions in the run. Until the pool is full, each image is stored and
    returned. After that, with probability 1/2 a stored image is returned instead and the new image takes its slot. An
    image keeps its condition, so that a conditional discriminator sees matching pairs.

    All ranks hold the same pool: each gathers the images of the whole batch, makes the same updates and returns its own
    share, so results do not depend on how a batch is split. Random choices are functions of (seed, stream, global
    position). `state` must be saved in the checkpoint.
    """

    def __init__(self, size: Count = 50) -> None:
        if size < 1:
            raise UserError(
                f"history.size must be at least 1; got {size} (for no history, set loss/real_or_fake/history=none)"
            )
        self.size = size
        self._stored: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, step: StepContext, place: str, pairs: Tensor) -> Tensor:
        """Replacements (n, 6, R, R) for this rank's ``pairs`` of image and condition; ``place`` names their stream."""
        batch, begin = gathered(pairs)
        first = int(step.position[0]) - begin
        stored = self._stored.get(place, batch[:0]).to(batch)
        # rows of the table: the stored images, then the batch
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
        """Resume from a state."""
        self._stored = dict(state)
