"""Head pose, mouth and eye opening, and distances between faces, from 68 iBUG landmarks.

Landmarks are (N, 68, 2), x right and y down, in pixels, float64. Every function returns one value per face unless
stated otherwise.
"""

from functools import lru_cache
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

OUTER_EYE_CORNERS = (36, 45)
# upper and lower points that move apart when the mouth (inner lips) and the eyes (lids) open
MOUTH = ((61, 62, 63), (67, 66, 65))
EYES = ((37, 38, 43, 44), (41, 40, 47, 46))

ANGLES = ("yaw", "pitch", "roll")


def interocular(points: Tensor) -> Tensor:
    """Distance between the outer eye corners in pixels (N,), the error unit of 300-W (Sagonas et al. 2016)."""
    left, right = OUTER_EYE_CORNERS
    return (points[:, left] - points[:, right]).norm(dim=1)


def opening(points: Tensor, pairs: tuple[tuple[int, ...], tuple[int, ...]]) -> Tensor:
    """Mean distance in pixels (N,) between the upper and lower points of ``pairs``: `MOUTH` or `EYES`."""
    upper, lower = (list(indices) for indices in pairs)
    return (points[:, upper] - points[:, lower]).norm(dim=2).mean(1)


def distance(points: Tensor, reference: Tensor) -> Tensor:
    """Mean distance between corresponding landmarks in pixels, (N,)."""
    return (points - reference).norm(dim=2).mean(1)


def laid_over(points: Tensor, reference: Tensor) -> Tensor:
    """``points`` (N, 68, 2) after the rotation, scale and shift that fit them to ``reference`` (least squares).

    A similarity in the plane is one complex factor and one complex shift.
    """
    z, w = (torch.view_as_complex(x.contiguous()) for x in (points, reference))
    centre_z, centre_w = z.mean(1, keepdim=True), w.mean(1, keepdim=True)
    z, w = z - centre_z, w - centre_w
    factor = (z.conj() * w).sum(1, keepdim=True) / z.abs().square().sum(1, keepdim=True)
    return torch.view_as_real(factor * z + centre_w)


@lru_cache(maxsize=1)
def mean_head() -> Tensor:
    """The 68 landmarks (68, 3) of a mean head: x right, y down, z away from the camera, centred."""
    with (files("swaplab.metrics") / "assets" / "mean_head_68.txt").open("r") as file:
        points = torch.from_numpy(np.loadtxt(file)) * torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    return points - points.mean(0)


def head_rotation(points: Tensor) -> Tensor:
    """Rotation (N, 3, 3) of the mean head, in the axes of `mean_head`, whose projection fits the landmarks.

    Perspective-n-point under scaled orthography (POS, DeMenthon & Davis 1995, section 3): a linear fit of two rows of
    a camera matrix, then the nearest orthonormal pair. It needs no focal length, which is unknown for a crop.
    """
    head = mean_head()
    camera = torch.linalg.pinv(head) @ (points - points.mean(1, keepdim=True))
    u, _, vh = torch.linalg.svd(camera.mT, full_matrices=False)
    rows = u @ vh
    return torch.cat([rows, torch.linalg.cross(rows[:, :1], rows[:, 1:])], 1)


def head_angles(rotation: Tensor) -> Tensor:
    """Angles in degrees (N, 3), in the order of `ANGLES`, of rotations (N, 3, 3): yaw is applied first, roll last.

    Yaw > 0 looks to the image's right, pitch > 0 down, roll > 0 tilts counter-clockwise, as for rendered frames.
    """
    yaw = torch.atan2(rotation[:, 2, 0], rotation[:, 2, 2])
    pitch = torch.asin(rotation[:, 2, 1].clamp(-1, 1))
    roll = torch.atan2(rotation[:, 0, 1], rotation[:, 1, 1])
    return torch.rad2deg(torch.stack([yaw, pitch, roll], 1))


def turn_between(rotation: Tensor, reference: Tensor) -> Tensor:
    """Angle in degrees (N,) of the rotation from ``reference`` (N, 3, 3) to ``rotation``."""
    chord = (rotation - reference).square().sum((1, 2)).sqrt()  # 2 sqrt(2) sin(angle / 2), exact for small angles, too
    return torch.rad2deg(2 * torch.asin((chord / 8**0.5).clamp(max=1)))
