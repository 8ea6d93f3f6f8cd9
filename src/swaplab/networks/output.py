"""From a network's last layer to colours: the pixel range inside the network and its output non-linearity."""

from typing import Literal

import torch
from torch import Tensor, nn

from swaplab.errors import UserError

RANGES = {"unit": "sigmoid", "symmetric": "tanh"}
NONLINEARITIES = ("sigmoid", "tanh", "linear")


class Output(nn.Module):
    """Pixel range inside a network and non-linearity of its last layer; faces outside the network are in [0, 1].

    ``range``, of input and output: unit [0, 1], as in the 2017 code, or symmetric [-1, 1], as in DCGAN (Radford et al.
    2016, section 3) and faceswap-GAN. A symmetric output y is returned as (y + 1) / 2, so an absolute loss is half and
    a squared loss a quarter of its value on [-1, 1], and gradients are those of the unit range. ``nonlinearity``:
    sigmoid (unit only), tanh (symmetric only), or linear, which may leave [0, 1] in training, so that its gradient
    never vanishes, and is clamped in eval mode. Raises UserError for other values and combinations.
    """

    def __init__(
        self,
        range: Literal["unit", "symmetric"] = "unit",
        nonlinearity: Literal["sigmoid", "tanh", "linear"] = "sigmoid",
    ) -> None:
        super().__init__()
        for key, value, known in (("range", range, RANGES), ("nonlinearity", nonlinearity, NONLINEARITIES)):
            if value not in known:
                raise UserError(f"generator.output.{key} must be one of {', '.join(known)}; got {value}")
        if nonlinearity not in ("linear", RANGES[range]):
            raise UserError(
                f"generator.output.nonlinearity={nonlinearity} does not cover generator.output.range={range}; choose "
                f"{RANGES[range]} or linear"
            )
        self.symmetric, self.nonlinearity = range == "symmetric", nonlinearity

    def entering(self, faces: Tensor) -> Tensor:
        """Faces (n, 3, R, R) from [0, 1] to the network's range."""
        return faces * 2 - 1 if self.symmetric else faces

    def forward(self, x: Tensor) -> Tensor:
        """Last-layer values (n, 3, R, R) -> colours in [0, 1]."""
        if self.nonlinearity == "sigmoid":
            return torch.sigmoid(x)
        y = torch.tanh(x) if self.nonlinearity == "tanh" else x
        colours = (y + 1) / 2 if self.symmetric else y
        return colours.clamp(0, 1) if self.nonlinearity == "linear" and not self.training else colours
