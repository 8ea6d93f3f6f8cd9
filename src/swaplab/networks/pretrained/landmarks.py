"""68 iBUG landmarks of aligned faces, by a small convolutional network.

The network is ``face_landmark_68_model`` of @vladmandic/face-api (Vincent Mühler's face-api.js: four densely connected
blocks of depthwise separable convolutions, trained on about 35,000 labelled faces). It expects the box of a face
detector; for aligned faces that is always the same square, `CROP`.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from swaplab.networks.pretrained.weights import shipped_weights

WEIGHTS = "face_landmarks.safetensors"
WEIGHTS_SHA256 = "d1f993abe8973ca75e01e9997f7dbd19ddc8934d934e1f4badd40dcc82e5507c"

SIDE = 112  # side of the network's input in pixels
POINTS = 68
# Mean colour, RGB in 0..255.
MEAN_COLOUR = (122.782, 117.001, 104.298)
BATCH = 64


class SeparableConv(nn.Module):
    """A 3x3 depthwise and a 1x1 pointwise convolution that keep the size or, at stride 2, halve an even one."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return self.pointwise(self.depthwise(padded(x, self.depthwise.stride[0])))


def padded(x: Tensor, stride: int) -> Tensor:
    """``x`` (N, C, H, W), H and W even at stride 2, zero-padded like TensorFlow's ``same`` for 3x3 kernels."""
    before = 1 if stride == 1 else 0
    return F.pad(x, (before, 1, before, 1))


class DenseBlock(nn.Module):
    """Four convolutions, the first of stride 2; the input of each later one is the sum of all previous outputs."""

    def __init__(self, inputs: int, outputs: int, *, first: bool = False) -> None:
        super().__init__()
        self.conv0: nn.Module = nn.Conv2d(inputs, outputs, 3, 2) if first else SeparableConv(inputs, outputs, 2)
        self.conv1, self.conv2, self.conv3 = (SeparableConv(outputs, outputs) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / 2, W / 2)."""
        total = F.relu(self.conv0(padded(x, 2) if isinstance(self.conv0, nn.Conv2d) else x))
        seen = total
        for convolution in (self.conv1, self.conv2, self.conv3):
            total = total + convolution(seen)
            seen = F.relu(total)
        return seen


class LandmarkNet(nn.Module):
    """Widths 32, 64, 128, 256; a linear map from the mean of the last 7x7 map gives the coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.dense0 = DenseBlock(3, 32, first=True)
        self.dense1 = DenseBlock(32, 64)
        self.dense2 = DenseBlock(64, 128)
        self.dense3 = DenseBlock(128, 256)
        self.coordinates = nn.Linear(256, 2 * POINTS)

    def forward(self, boxes: Tensor) -> Tensor:
        """RGB boxes (N, 3, 112, 112) in [0, 1] -> landmarks (N, 68, 2): x, y as fractions of the box."""
        x = boxes - boxes.new_tensor(MEAN_COLOUR)[:, None, None] / 255
        for block in (self.dense0, self.dense1, self.dense2, self.dense3):
            x = block(x)
        return self.coordinates(x.mean((2, 3))).view(-1, POINTS, 2)


@dataclass(frozen=True)
class Crop:
    """A square: centre (x, y) and side, as fractions of the face region's side."""

    x: float
    y: float
    side: float


# The square with the lowest median error among sides 0.9 to 1.4 and heights 0.44 to 0.62, on 320 rendered faces of both
# built-in people: 5.9 % of the distance of the outer eye corners, 6.2 % if everything outside the region is unknown.
# The optimum is flat: +-0.1 in the side cost 0.2 %. A side of 1.0 locates mouths slightly better, all else worse.
CROP = Crop(0.5, 0.58, 1.3)


def boxes(faces: Tensor, border: int) -> Tensor:
    """The network's boxes (N, C, 112, 112) of faces (N, C, S, S), bilinear, with border padding.

    ``border``: pixels between the edge of the face crop and its face region.
    """
    side = faces.shape[-1]
    region = side - 2 * border
    # in affine_grid's coordinates, -1 and 1 are the outer edges of the face crop
    centre = [2 * (border + fraction * region) / side - 1 for fraction in (CROP.x, CROP.y)]
    scale = CROP.side * region / side
    if CROP.side * region > SIDE:
        shrunk = round(SIDE / scale)
        faces = F.interpolate(faces, (shrunk, shrunk), mode="bilinear", antialias=True)
    theta = faces.new_tensor([[scale, 0, centre[0]], [0, scale, centre[1]]]).expand(len(faces), 2, 3)
    grid = F.affine_grid(theta, [len(faces), faces.shape[1], SIDE, SIDE], align_corners=False)
    return F.grid_sample(faces, grid, padding_mode="border", align_corners=False)


class Landmarker:
    """68 landmarks (iBUG order) of aligned faces; frozen. ``device``: where the network computes.

    ``name`` contains the hash of the weights; every metric that uses the network includes it in its name. Raises
    UserError if the shipped weights are missing or damaged.
    """

    name = f"faceapi68:{WEIGHTS_SHA256[:8]}"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        with torch.device("meta"):  # no random initialisation, which would advance the global generator
            self.network = LandmarkNet()
        self.network.load_state_dict(shipped_weights(WEIGHTS, WEIGHTS_SHA256), assign=True)
        self.network.requires_grad_(False).eval().to(self.device).to(memory_format=torch.channels_last)

    def __call__(self, faces: NDArray[np.uint8], border: int) -> NDArray[np.float64]:
        """RGB crops (n, S, S, 3) -> (n, 68, 2) in crop pixels. ``border``: see `boxes`.

        The centre of pixel (0, 0) is at (0, 0), as in an alignment's matrix.
        """
        found = [np.empty((0, POINTS, 2))]
        for start in range(0, len(faces), BATCH):
            part = torch.from_numpy(faces[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
            found.append(self.landmarks(part, border).numpy())
        return np.concatenate(found)

    @torch.inference_mode()
    def landmarks(self, faces: Tensor, border: int = 0) -> Tensor:
        """Faces (n, 3, S, S) in [0, 1] -> (n, 68, 2) in their pixels, float64, on the CPU. ``border``: see `boxes`."""
        region = faces.shape[-1] - 2 * border
        parts = [self.network(boxes(part.to(self.device), border)) for part in faces.split(BATCH)]
        found = torch.cat(parts).cpu().double()
        corner = found.new_tensor([CROP.x - CROP.side / 2, CROP.y - CROP.side / 2])
        return border + region * (corner + CROP.side * found) - 0.5
