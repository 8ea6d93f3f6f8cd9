"""Whose face is it? Descriptors of an answer compared with those of real frames of A and B."""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from swaplab.metrics.yardstick import RealFaces
from swaplab.thinning import evenly

BATCH = 64
APART = 0.01  # minimum difference of cosines at which two people count as distinguishable
FRAMES = 100  # at most this many of each set of faces, evenly spread: face recognition is the slowest metric


class Embedder(Protocol):
    """A face-recognition network: RGB face regions (N, 3, R, R) in [0, 1] -> descriptors (N, D)."""

    name: str

    def __call__(self, faces: Tensor) -> Tensor: ...


def thinned(faces: Tensor) -> list[int]:
    """Indices of the faces (N, 3, R, R) that are embedded: at most `FRAMES`."""
    return evenly(len(faces), FRAMES)


@torch.inference_mode()
def embedded(embedder: Embedder, faces: Tensor) -> Tensor:
    """Descriptors (N, D), float64, of faces (N, 3, R, R), not normalised."""
    return torch.cat([embedder(part) for part in faces.split(BATCH)]).double()


@dataclass(frozen=True)
class IdentityScale:
    """A scale for identity by one face-recognition network: 0 is the real source A, 1 the real target B.

    ``source``, ``target``: mean descriptors (D,) of the yardstick's training frames. ``genuine``, ``impostor``: mean
    cosines to ``target`` of its held-out frames of the target and of the source.
    """

    embedder: Embedder
    source: Tensor
    target: Tensor
    genuine: float
    impostor: float

    @classmethod
    def fit(cls, embedder: Embedder, real: RealFaces) -> "IdentityScale":
        """Fit to training faces (enrolment) and held-out real faces of both people."""
        enrolled = real.train_source.faces, real.train_target.faces
        centroids = [embedded(embedder, faces[thinned(faces)]).mean(0) for faces in enrolled]
        genuine, impostor = (
            float(F.cosine_similarity(embedded(embedder, faces[thinned(faces)]), centroids[1]).mean())
            for faces in (real.genuine, real.impostor)
        )
        return cls(embedder, centroids[0], centroids[1], genuine, impostor)

    def measure(self, faces: Tensor) -> dict[str, Tensor]:
        """Values (N,) of faces (N, 3, R, R), by metric name with the network's name in brackets:

        ``identity``: (cosine to B - impostor) / (genuine - impostor), 0 for the real A and 1 for the real B; absent if
        the network does not distinguish them, because the denominator would be about 0;
        ``identity_cosine``, ``identity_distance``: cosine and Euclidean distance to B's centroid;
        ``nearer_to_target``: 1 if the Euclidean distance to B's centroid is below that to A's, else 0.
        """
        found = embedded(self.embedder, faces)
        cosine = F.cosine_similarity(found, self.target)
        distance = (found - self.target).norm(dim=1)
        apart = self.genuine - self.impostor
        values = {"identity": (cosine - self.impostor) / apart} if apart >= APART else {}
        values |= {
            "identity_cosine": cosine,
            "identity_distance": distance,
            "nearer_to_target": distance < (found - self.source).norm(dim=1),
        }
        return {f"{name}[{self.embedder.name}]": value.double() for name, value in values.items()}
