"""Whose face is it? Descriptors of an answer against those of real frames of A and B."""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from swaplab.metrics.yardstick import RealFaces
from swaplab.thinning import evenly

BATCH = 64
APART = 0.01  # the least difference of cosines by which two people are told apart
FRAMES = 100  # of each set of faces, evenly spread: the recogniser is the slowest of the metrics


class Embedder(Protocol):
    """A recognition network: RGB face regions (N, 3, R, R) in [0, 1] -> descriptors (N, D)."""

    name: str

    def __call__(self, faces: Tensor) -> Tensor: ...


def thinned(faces: Tensor) -> list[int]:
    """The indices of the faces (N, 3, R, R) that the recogniser looks at."""
    return evenly(len(faces), FRAMES)


@torch.inference_mode()
def embedded(embedder: Embedder, faces: Tensor) -> Tensor:
    """Descriptors (N, D), float64, of faces (N, 3, R, R), as the network gives them."""
    return torch.cat([embedder(part) for part in faces.split(BATCH)]).double()


@dataclass(frozen=True)
class IdentityScale:
    """Identity of A and B as one recogniser sees it, with 0 and 1 fixed by real frames.

    ``source`` and ``target`` are mean descriptors (D,) of the yardstick's training frames. ``genuine`` and ``impostor``
    are the mean cosines to the target's of its held-out frames of the target and of the source.
    """

    embedder: Embedder
    source: Tensor
    target: Tensor
    genuine: float
    impostor: float

    @classmethod
    def fit(cls, embedder: Embedder, real: RealFaces) -> "IdentityScale":
        """From training faces (enrolment) and held-out real faces of both people."""
        enrolled = real.train_source.faces, real.train_target.faces
        centroids = [embedded(embedder, faces[thinned(faces)]).mean(0) for faces in enrolled]
        genuine, impostor = (
            float(F.cosine_similarity(embedded(embedder, faces[thinned(faces)]), centroids[1]).mean())
            for faces in (real.genuine, real.impostor)
        )
        return cls(embedder, centroids[0], centroids[1], genuine, impostor)

    def measure(self, faces: Tensor) -> dict[str, Tensor]:
        """Values (N,) of faces (N, 3, R, R), by metric name with the recogniser's:

        ``identity``: (cosine to B - impostor) / (genuine - impostor): 0 is the real A, 1 the real B; absent where the
        recogniser does not tell them apart, which would divide by about 0;
        ``identity_cosine``, ``identity_distance``: cosine and Euclidean distance to B's centroid;
        ``nearer_to_target``: 1 where the Euclidean distance to B's centroid is below that to A's.
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
