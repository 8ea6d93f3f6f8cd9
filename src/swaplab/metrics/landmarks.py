"""Are pose and expression those of the query? Landmarks of an answer compared with the query's, by one network."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from swaplab.metrics.geometry import (
    ANGLES,
    EYES,
    MOUTH,
    distance,
    head_angles,
    head_rotation,
    interocular,
    laid_over,
    opening,
    turn_between,
)


class LandmarkFinder(Protocol):
    """A landmark network: RGB face regions (N, 3, R, R) in [0, 1] -> 68 iBUG landmarks (N, 68, 2) in pixels."""

    name: str

    def landmarks(self, faces: Tensor) -> Tensor: ...


# a standard deviation over frames, in pixels or degrees, below which a face is still and only rounding differs
STILL = 1e-3


@dataclass(frozen=True)
class QueryLandmarks:
    """Landmarks (N, 68, 2) of the queries, float64, and the network that locates them, also in answers."""

    finder: LandmarkFinder
    points: Tensor

    @classmethod
    def of(cls, finder: LandmarkFinder, queries: Tensor) -> "QueryLandmarks":
        """Located in query faces (N, 3, R, R)."""
        return cls(finder, finder.landmarks(queries).double())

    def measure(self, faces: Tensor) -> dict[str, Tensor]:
        """Values (N,) of answers (N, 3, R, R) to the queries, by metric name with the network's name in brackets.

        ``landmark_distance``: mean distance of the 68 landmarks, in units of the query's interocular distance.
        ``landmark_distance_aligned``: the same after the best similarity transform to the query's landmarks.
        ``pose_difference``: degrees of rotation between the two heads; ``yaw_difference``, ``pitch_difference``,
        ``roll_difference``: degrees for each angle. ``yaw_correlation``, ``pitch_correlation``, ``mouth_correlation``,
        ``eye_correlation``: values whose mean is the correlation over frames between answers and queries.
        """
        own, found = self.points, self.finder.landmarks(faces).double()
        unit = interocular(own)
        rotation, reference = head_rotation(found), head_rotation(own)
        turned = (head_angles(rotation) - head_angles(reference)).abs()
        moved, asked = movements(found), movements(own)
        values = {
            "landmark_distance": distance(found, own) / unit,
            "landmark_distance_aligned": distance(laid_over(found, own), own) / unit,
            "pose_difference": turn_between(rotation, reference),
            **{f"{name}_difference": angle for name, angle in zip(ANGLES, turned.T, strict=True)},
            **{f"{name}_correlation": correlated(moved[name], asked[name]) for name in asked},
        }
        return {f"{name}[{self.finder.name}]": value for name, value in values.items()}

    @property
    def spread(self) -> dict[str, float]:
        """Standard deviations over the queries of the correlated quantities: degrees, and shares of the interocular
        distance. If one is small, its correlation says little."""
        unit = float(interocular(self.points).mean())
        moved = {name: float(value.std(correction=0)) for name, value in movements(self.points).items()}
        return {name: value if name in ANGLES else value / unit for name, value in moved.items()}


def movements(points: Tensor) -> dict[str, Tensor]:
    """Movements of a face, each (N,): yaw and pitch in degrees, openings of mouth and eyes in pixels."""
    angles = head_angles(head_rotation(points))
    return {
        "yaw": angles[:, ANGLES.index("yaw")],
        "pitch": angles[:, ANGLES.index("pitch")],
        "mouth": opening(points, MOUTH),
        "eye": opening(points, EYES),
    }


def correlated(values: Tensor, reference: Tensor) -> Tensor:
    """Contributions (N,) of each pair of ``values`` and ``reference`` (N,) to their correlation, which is their mean.

    1 - (z - z')^2 / 2 for standardised z, z': at most 1, so that means over resampled frames are, too. 0 if either is
    constant.
    """
    deviations = [x.std(correction=0) for x in (values, reference)]
    if min(deviations) < STILL:
        return torch.zeros_like(values)
    z, other = ((x - x.mean()) / d for x, d in zip((values, reference), deviations, strict=True))
    return 1 - (z - other).square() / 2
