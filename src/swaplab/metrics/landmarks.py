"""Are pose and expression those of the query? Landmarks of an answer against those of the query, as one network sees
both."""

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


# Below this standard deviation over frames, in pixels or degrees, a face does not move: only rounding differs.
STILL = 1e-3


@dataclass(frozen=True)
class QueryLandmarks:
    """Landmarks (N, 68, 2) of the queries, float64, and the network that found them and finds those of answers."""

    finder: LandmarkFinder
    points: Tensor

    @classmethod
    def of(cls, finder: LandmarkFinder, queries: Tensor) -> "QueryLandmarks":
        """Of query faces (N, 3, R, R)."""
        return cls(finder, finder.landmarks(queries).double())

    def measure(self, faces: Tensor) -> dict[str, Tensor]:
        """Values (N,) of answers (N, 3, R, R) to the queries, by metric name with the network's.

        ``landmark_distance``: mean distance of the 68 landmarks, in units of the query's interocular distance;
        ``landmark_distance_aligned``: the same after the similarity that brings the answer's nearest to the query's.
        ``pose_difference``: degrees of the one turn between the two heads; ``yaw_difference``, ``pitch_difference``,
        ``roll_difference``: of each angle. ``yaw_correlation``, ``pitch_correlation``, ``mouth_correlation``,
        ``eye_correlation``: the mean of the values is the correlation over frames, of an angle or an opening, between
        answers and queries.
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
        """Standard deviations over the queries of what is correlated: degrees, and shares of the interocular
        distance. Where it is small, a correlation says little."""
        unit = float(interocular(self.points).mean())
        moved = {name: float(value.std(correction=0)) for name, value in movements(self.points).items()}
        return {name: value if name in ANGLES else value / unit for name, value in moved.items()}


def movements(points: Tensor) -> dict[str, Tensor]:
    """What moves in a face (N,): yaw and pitch in degrees, the openings of mouth and eyes in pixels."""
    angles = head_angles(head_rotation(points))
    return {
        "yaw": angles[:, ANGLES.index("yaw")],
        "pitch": angles[:, ANGLES.index("pitch")],
        "mouth": opening(points, MOUTH),
        "eye": opening(points, EYES),
    }


def correlated(values: Tensor, reference: Tensor) -> Tensor:
    """What each pair of ``values`` and ``reference`` (N,) adds to their correlation, which is the mean of these (N,).

    1 - (z - z')^2 / 2 for values z, z' of mean 0 and deviation 1: at most 1, so that means of resampled frames are
    too. 0 where either does not move.
    """
    deviations = [x.std(correction=0) for x in (values, reference)]
    if min(deviations) < STILL:
        return torch.zeros_like(values)
    z, other = ((x - x.mean()) / d for x, d in zip((values, reference), deviations, strict=True))
    return 1 - (z - other).square() / 2
