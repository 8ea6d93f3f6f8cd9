"""How a network's numbers become colours: the range of values inside it, and the function at its end."""

from typing import Literal

import torch
from torch import Tensor, nn

from swaplab.errors import UserError

RANGES = {"unit": "sigmoid", "symmetric": "tanh"}
NONLINEARITIES = ("sigmoid", "tanh", "linear")


class Output(nn.Module):
    """Range of pixels inside a network, and the non-linearity of its last layer; faces outside are in [0, 1].

    ``range``: unit [0, 1], as the code of 2017 has it, or symmetric [-1, 1], as DCGAN (Radford et al. 2016, section 3)
    and faceswap-GAN have it; input and output both have it. A symmetric output y leaves as (y + 1) / 2, so an absolute
    loss counts half and a squared one a quarter of what it would on [-1, 1], and gradients are those of the unit range.
    ``nonlinearity``: sigmoid (unit only), tanh (symmetric only) or linear, which may leave [0, 1] in training, so that
    its gradient never stops, and is clamped in eval mode. Raises UserError for other names and pairs.
    """

    def __init__(
        self,
        range: Literal["unit", "symmetric"] = "unit",
        nonlinearity: Literal["sigmoid", "tanh", "linear"] = "sigmoid",
    ) -> None:
        super().__init__()
        for key, value, known in (("range", range, RANGES), ("nonlinearity", nonlinearity, NONLINEARITIES)):
            if value not in known:
                raise UserError(f"output.{key}={value} is not known; choose one of {', '.join(known)}")
        if nonlinearity not in ("linear", RANGES[range]):
            raise UserError(
                f"output.nonlinearity={nonlinearity} does not reach from end to end of the range {range}; rescaled it "
                f"would only be {RANGES[range]} with another gain: choose {RANGES[range]} or linear"
            )
        self.symmetric, self.nonlinearity = range == "symmetric", nonlinearity

    def entering(self, faces: Tensor) -> Tensor:
        """Faces (n, 3, R, R) in [0, 1] in the network's range."""
        return faces * 2 - 1 if self.symmetric else faces

    def forward(self, x: Tensor) -> Tensor:
        """The last layer's numbers (n, 3, R, R) as colours in [0, 1]."""
        if self.nonlinearity == "sigmoid":
            return torch.sigmoid(x)
        y = torch.tanh(x) if self.nonlinearity == "tanh" else x
        colours = (y + 1) / 2 if self.symmetric else y
        return colours.clamp(0, 1) if self.nonlinearity == "linear" and not self.training else colours
