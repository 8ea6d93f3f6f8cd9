"""Identity descriptors: dlib's 128-d face-recognition network in PyTorch, differentiable, for face regions.

The network is dlib's ``dlib_face_recognition_resnet_model_v1`` (King, 2017: a 29-layer ResNet after He et al. 2016 with
half the filters), trained so that descriptors of one person are within a Euclidean distance of 0.6 of each other.
"""

from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.faces.alignment import FIVE_POINTS, similarity
from swaplab.networks.pretrained.weights import shipped_weights

WEIGHTS = "face_recognition.safetensors"
WEIGHTS_SHA256 = "fd7c9dc24a82a45864d20a75d17e414028d4962aa8bf56f16b91c6843ff34415"

CHIP = 150  # side of the network's input in pixels
CHIP_PADDING = 0.25
# Eye centres (left, right in the image) in dlib's unpadded chip, as fractions (x, y) of its side: the means of the eye
# corners in dlib's get_face_chip_details for five landmarks.
CHIP_EYES = np.array(
    [
        [(0.1205750620789 + 0.3340850613712) / 2, (0.2137274526848 + 0.2290642403242) / 2],
        [(0.8595674595992 + 0.6460604764104) / 2, (0.2134981538014 + 0.2289674387677) / 2],
    ]
)
# Mean colour, RGB in 0..255. The converted weights expect a division by 255 (dlib's own code divides by 256).
MEAN_COLOUR = (122.782, 117.001, 104.298)


class ChannelScale(nn.Module):
    """One factor and one offset per channel: dlib's ``affine``, a batch normalisation frozen after training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> same."""
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class ScaledConv(nn.Module):
    """Convolution and channel scale; zero-padded to keep the size at stride 1, unpadded at stride 2 (like dlib)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2 if stride == 1 else 0)
        self.scale = ChannelScale(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H', W')."""
        return self.scale(self.conv(x))


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut; ``down``: the first has stride 2, the shortcut takes 2x2 means.

    If the two branches differ in height, width or channels, the smaller one is padded with zeros (dlib's add_prev).
    """

    def __init__(self, inputs: int, outputs: int, *, down: bool = False) -> None:
        super().__init__()
        self.conv1 = ScaledConv(inputs, outputs, 3, stride=2 if down else 1)
        self.conv2 = ScaledConv(outputs, outputs, 3)
        self.shortcut = nn.AvgPool2d(2) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H', W')."""
        new, old = self.conv2(F.relu(self.conv1(x))), self.shortcut(x)
        shape = [max(a, b) for a, b in zip(new.shape, old.shape, strict=True)]
        return F.relu(filled(new, shape) + filled(old, shape))


def filled(x: Tensor, shape: list[int]) -> Tensor:
    """``x`` (N, C, H, W) padded with zeros at the end of channels, rows and columns to ``shape``."""
    missing = [want - have for want, have in zip(shape[1:], x.shape[1:], strict=True)]
    return F.pad(x, (0, missing[2], 0, missing[1], 0, missing[0])) if any(missing) else x


class FaceRecognitionResNet(nn.Module):
    """The layers of dlib's ``anet_type``: widths 32, 64, 128, 256, 256, then a linear map without bias."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[tuple[str, nn.Module]] = [
            ("conv32_down", ScaledConv(3, 32, 7, stride=2)),
            ("relu", nn.ReLU()),
            ("pool", nn.MaxPool2d(3, 2)),
        ]
        width = 32
        for wider, count in ((32, 3), (64, 3), (128, 2), (256, 2)):
            if wider != width:
                blocks.append((f"conv{wider}_down", Residual(width, wider, down=True)))
            blocks += [(f"conv{wider}_{i + 1}", Residual(wider, wider)) for i in range(count)]
            width = wider
        blocks.append(("conv256_down_out", Residual(width, width, down=True)))
        self.layers = nn.Sequential(OrderedDict(blocks))
        self.descriptor = nn.Linear(width, 128, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        """RGB chips (N, 3, 150, 150) in [0, 1] -> descriptors (N, 128), not normalised."""
        mean = chips.new_tensor(MEAN_COLOUR)[:, None, None] / 255
        return self.descriptor(self.layers(chips - mean).mean((2, 3)))


def face_chips(faces: Tensor) -> Tensor:
    """dlib's chips (N, C, 150, 150) of face regions (N, C, R, R), bilinear, with border padding.

    The similarity transform maps the eyes of ``FIVE_POINTS`` to the eyes of dlib's chip. It is the same for every face,
    so a descriptor never depends on landmarks detected in a generated image.
    """
    eyes = (CHIP_EYES + CHIP_PADDING) / (1 + 2 * CHIP_PADDING)
    matrix = similarity(2 * eyes - 1, 2 * FIVE_POINTS[:2] - 1)
    sampled = round(CHIP / np.linalg.norm(matrix[:, 0]))  # side of the region in chip pixels
    if faces.shape[-1] > sampled:
        faces = F.interpolate(faces, (sampled, sampled), mode="bilinear", antialias=True)
    theta = torch.as_tensor(matrix, dtype=faces.dtype, device=faces.device).expand(len(faces), 2, 3)
    grid = F.affine_grid(theta, [len(faces), faces.shape[1], CHIP, CHIP], align_corners=False)
    return F.grid_sample(faces, grid, padding_mode="border", align_corners=False)


class IdentityEmbedder(nn.Module):
    """Frozen 128-d identity descriptors of face regions; gradients flow to the faces.

    ``name`` contains the hash of the weights; every metric that uses the network includes it in its name. A network
    used in a loss must not be used for evaluation. Raises UserError if the shipped weights are missing or damaged.
    """

    name = f"dlib128:{WEIGHTS_SHA256[:8]}"

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):  # no random initialisation, which would advance the global generator
            self.network = FaceRecognitionResNet()
        self.network.load_state_dict(shipped_weights(WEIGHTS, WEIGHTS_SHA256), assign=True)
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    def forward(self, faces: Tensor) -> Tensor:
        """RGB face regions (N, 3, R, R) in [0, 1] -> descriptors (N, 128) of length about 1.4 (not normalised)."""
        return self.network(face_chips(faces))
