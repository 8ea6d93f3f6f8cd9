"""The head mesh: rest shape, identity targets and expression units of the MakeHuman head (CC0, see assets/NOTICE.md).

Axes: x to the image's right, y up, z towards the camera; the origin lies between the eyes; the pupils are 0.62 apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float32]


def vector(values: Sequence[float]) -> Array:
    """A float32 array; everything per pixel is float32."""
    return np.array(values, np.float32)


# What a triangle belongs to. The asset's hair is left out; `painting` and `accessories` make the hair.
SKIN, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE, LASHES, HAIR, HAIR_INSIDE, GLASSES = range(10)
_PART_OF_LABEL = {
    0: SKIN,
    2: LEFT_EYE,
    3: RIGHT_EYE,
    4: UPPER_TEETH,
    5: LOWER_TEETH,
    6: TONGUE,
    8: LASHES,
    10: LASHES,
}


@dataclass(frozen=True)
class Head:
    """The head at rest: vertices ``rest`` (V, 3), ``triangles`` (T, 3), the ``part`` of each triangle (T,), masks (V,)
    in [0, 1], the vertex index of each of the 68 ``landmarks``, and offsets of identity and expression ``targets``."""

    rest: Array
    triangles: NDArray[np.int32]
    part: NDArray[np.int8]
    masks: Mapping[str, Array]
    landmarks: NDArray[np.int64]
    units: tuple[str, ...]
    targets: Mapping[str, tuple[NDArray[np.int64], Array]]

    @classmethod
    def load(cls) -> "Head":
        """Read the package's mesh: V = 5,640 vertices, 52 expression units, 294 identity targets."""
        assets = files("swaplab.synthetic") / "assets"
        with (assets / "mh_head.npz").open("rb") as file, np.load(file) as mesh:
            data = {name: mesh[name] for name in mesh.files}
        with (assets / "lmk68.npy").open("rb") as file:
            landmarks = np.load(file)
        label, triangles = data["lab"], data["tri"]
        eyes = data["v"][np.unique(triangles[(label == 2) | (label == 3)])]
        kept = np.isin(label, list(_PART_OF_LABEL))
        part = np.array([_PART_OF_LABEL.get(k, -1) for k in range(label.max() + 1)], np.int8)[label[kept]]
        bounds = data["ptr"]
        targets = {
            str(name): (
                data["vi"][bounds[i] : bounds[i + 1]].astype(np.int64),
                (data["q"][bounds[i] : bounds[i + 1]] * data["scale"][i]).astype(np.float32),
            )
            for i, name in enumerate(data["names"])
        }
        units = tuple(sorted(name[2:] for name in targets if name.startswith("X:")))
        masks = {name[2:]: (data[name] / 255).astype(np.float32) for name in data if name.startswith("m_")}
        rest = (data["v"] - eyes.mean(0)).astype(np.float32)
        return cls(rest, triangles[kept], part, masks, landmarks, units, targets)

    @cached_property
    def vertex_part(self) -> NDArray[np.int8]:
        """The part of each vertex (V,); -1 for vertices without a kept triangle."""
        part = np.full(len(self.rest), -1, np.int8)
        part[self.triangles] = self.part[:, None]
        return part

    def eye_centre(self, part: int) -> Array:
        """Rest centre (3,) of the eyeball ``part``."""
        return np.asarray(self.rest[self.vertex_part == part].mean(0))

    def shaped(self, shape: Mapping[str, float]) -> Array:
        """Vertices (V, 3) of a person: rest plus weighted identity targets, with the eyes moved to the origin."""
        vertices = self.rest.copy()
        for name, weight in shape.items():
            index, offset = self.targets[f"I:{name}"]
            vertices[index] += np.float32(weight) * offset
        eyes = (self.vertex_part == LEFT_EYE) | (self.vertex_part == RIGHT_EYE)
        return vertices - vertices[eyes].mean(0)

    @cached_property
    def _expressions(self) -> sparse.csr_matrix:
        """Vertex offsets per unit (3 V, units). Eyeballs do not move with expressions; see `FrameState.gaze`."""
        eyes = (self.vertex_part == LEFT_EYE) | (self.vertex_part == RIGHT_EYE)
        rows, columns, values = [], [], []
        for column, unit in enumerate(self.units):
            index, offset = self.targets[f"X:{unit}"]
            moved = ~eyes[index]
            rows.append((3 * index[moved, None] + np.arange(3)).ravel())
            columns.append(np.full(rows[-1].size, column))
            values.append(offset[moved].ravel())
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sparse.csr_matrix(entries, shape=(3 * len(self.rest), len(self.units)), dtype=np.float32)

    def expression(self, weights: Mapping[str, float]) -> Array:
        """Vertex offsets (V, 3) for expression units with weights in [0, 1]. Raises KeyError for an unknown unit."""
        vector = np.zeros(len(self.units), np.float32)
        for unit, weight in weights.items():
            vector[self._column[unit]] = weight
        return np.asarray(self._expressions @ vector).reshape(-1, 3)

    @cached_property
    def _column(self) -> dict[str, int]:
        return {unit: column for column, unit in enumerate(self.units)}

    @cached_property
    def _faces_to_vertices(self) -> sparse.csr_matrix:
        rows, columns = self.triangles.ravel(), np.repeat(np.arange(len(self.triangles)), 3)
        entries = (np.ones(rows.size, np.float32), (rows, columns))
        return sparse.csr_matrix(entries, shape=(len(self.rest), len(self.triangles)))

    def normals(self, vertices: Array) -> Array:
        """Unit vertex normals (V, 3), area weighted."""
        a, b, c = (vertices[self.triangles[:, k]] for k in range(3))
        normals = self._faces_to_vertices @ np.cross(b - a, c - a)
        length = np.sqrt(np.einsum("ij,ij->i", normals, normals))
        return np.asarray(normals / np.maximum(length, np.float32(1e-12))[:, None])

    @cached_property
    def cavity(self) -> Array:
        """Depth of each rest vertex (V,) below its smoothed neighbourhood, in mesh units; positive in creases."""
        edges = np.concatenate([self.triangles[:, [0, 1]], self.triangles[:, [1, 2]], self.triangles[:, [2, 0]]])
        edges = np.concatenate([edges, edges[:, ::-1]])
        entries = (np.ones(len(edges), np.float32), (edges[:, 0], edges[:, 1]))
        neighbours = sparse.csr_matrix(entries, shape=(len(self.rest), len(self.rest)))
        degree = np.maximum(np.asarray(neighbours.sum(1)), 1)
        smooth = self.rest
        for _ in range(25):
            smooth = np.asarray(neighbours @ smooth) / degree
        return np.asarray(((smooth - self.rest) * self.normals(self.rest)).sum(1), np.float32)


@lru_cache(maxsize=1)
def head() -> Head:
    """The head, read once per process."""
    return Head.load()
