"""A person's skin and hair, painted once on a cylindrical texture map of the rest head.

Paint depends only on rest coordinates, so it follows every expression. The first MAP_HEIGHT rows of the map are the
head; the strip below is the strand texture of long hair.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from swaplab.randomness import generator_at
from swaplab.synthetic.mesh import SKIN, head, vector
from swaplab.synthetic.people import Person
from swaplab.synthetic.rasteriser import rasterise

Array = NDArray[np.float32]

MAP_WIDTH, MAP_HEIGHT, STRIP = 1024, 512, 128
_AXIS, _TOP, _BOTTOM = -0.9, 1.35, -2.1


def smoothstep(start: float, stop: float, x: NDArray[Any]) -> Array:
    """0 before ``start``, 1 after ``stop`` (which may be smaller than ``start``), smooth in between."""
    t = np.clip((x - start) / (stop - start), 0, 1).astype(np.float32)
    return np.asarray(t * t * (3 - 2 * t))


def noise(points: Array, seed: int, frequency: float) -> Array:
    """Value noise in [-1, 1] at points (..., 3), with ``frequency`` lattice cells per mesh unit."""
    lattice = generator_at(seed, "paint").uniform(-1, 1, (16, 16, 16)).astype(np.float32)
    where = np.moveaxis(points * np.float32(frequency), -1, 0)
    return np.asarray(map_coordinates(lattice, where, order=1, mode="grid-wrap", output=np.float32))


def map_position(rest: Array) -> Array:
    """Map pixels (column, row) (..., 2) of rest positions (..., 3). The seam runs down the back of the head."""
    turn = np.arctan2(rest[..., 0], rest[..., 2] - np.float32(_AXIS)) / np.float32(2 * np.pi) + np.float32(0.5)
    fall = (np.float32(_TOP) - rest[..., 1]) / np.float32(_TOP - _BOTTOM)
    return np.stack([turn * (MAP_WIDTH - 1), fall * (MAP_HEIGHT - 1)], -1).astype(np.float32)


@lru_cache(maxsize=1)
def _surface() -> dict[str, Array]:
    """The rest ``position`` (H, W, 3) and the vertex masks (H, W) at every texel of the head's map."""
    mesh = head()
    skin = mesh.triangles[mesh.part == SKIN]
    place = map_position(mesh.rest)
    skin = skin[np.ptp(place[skin][..., 0], axis=1) < MAP_WIDTH / 2]
    radius = np.hypot(mesh.rest[:, 0], mesh.rest[:, 2] - np.float32(_AXIS))
    points = np.column_stack([place, 5 - radius]).astype(np.float32)
    seen = rasterise(points, skin, MAP_HEIGHT, MAP_WIDTH)

    row, column = np.mgrid[:MAP_HEIGHT, :MAP_WIDTH].astype(np.float32)
    turn = (column / (MAP_WIDTH - 1) - np.float32(0.5)) * np.float32(2 * np.pi)
    fall = np.float32(_TOP) - row / (MAP_HEIGHT - 1) * np.float32(_TOP - _BOTTOM)
    layers = {"position": np.stack([np.sin(turn), fall, np.cos(turn) + np.float32(_AXIS)], -1)}
    layers |= {name: np.zeros((MAP_HEIGHT, MAP_WIDTH), np.float32) for name in ("lips", "ears")}
    for name, image in layers.items():
        values = (mesh.rest if name == "position" else mesh.masks[name])[skin[seen.triangle]]
        weights = seen.weights[..., None] if values.ndim == 3 else seen.weights
        image.reshape(-1, *image.shape[2:])[seen.pixel] = (values * weights).sum(1)
    return layers


def hairline(person: Person, rest: Array) -> Array:
    """Height of rest positions (..., 3) above the person's hairline, in mesh units."""
    x, y, z = np.abs(rest[..., 0]), rest[..., 1], rest[..., 2]
    line = person.hairline - 0.22 * smoothstep(0.3, 0.62, x)
    line = line - smoothstep(0.66, 0.82, x) * smoothstep(0.05, -0.2, z)
    back = np.where(z < -0.75, 3 * smoothstep(-1.0, -0.2, y), 0)
    return np.asarray(y - line + back, np.float32)


def _mix(base: Array, colour: tuple[float, float, float] | Array, amount: Array) -> Array:
    return base + (np.asarray(colour, np.float32) - base) * amount[..., None]


def _brows(person: Person, rest: Array) -> Array:
    """Opacity (H, W) of the eyebrows."""
    x, y = np.abs(rest[..., 0]), rest[..., 1]
    along = (x - 0.11) / (person.brow_end - 0.11)
    inside = np.clip(along, 0, 1)
    centre = person.brow_height + person.brow_arch * np.sin(inside * np.pi * 0.85) - 0.06 * np.clip(along - 0.6, 0, 1)
    off = np.abs(y - centre) / (person.brow_thickness * (1 - 0.65 * inside))
    brow = smoothstep(1.1, 0.3, off) * smoothstep(-0.08, 0.08, along) * smoothstep(1.12, 0.85, along)
    hairs = 0.78 + 0.35 * noise(rest * np.array([1.6, 0.5, 1], np.float32), person.texture + 3, 40)
    return np.clip(brow * hairs, 0, 1) * (rest[..., 2] > -0.3) * np.float32(0.93)


def _beard(person: Person, rest: Array, lips: Array) -> Array:
    """Opacity (H, W) of a full beard with moustache."""
    x, y, z = np.abs(rest[..., 0]), rest[..., 1], rest[..., 2]
    cheeks = smoothstep(-0.55, -0.78, y - 0.55 * np.clip(x - 0.28, 0, 1)) * smoothstep(-1.30, -1.10, y - 0.2 * x)
    mouth = smoothstep(0.20, 0.30, np.hypot(x * 0.85, (y + 0.68) * 1.25))
    chin = smoothstep(-0.80, -0.86, y)
    moustache = np.exp(-((y + 0.545 + 0.35 * np.clip(x - 0.12, 0, 1)) ** 2) / 0.0022) * smoothstep(0.34, 0.24, x)
    beard = np.maximum(cheeks * np.maximum(mouth, chin), moustache * (z > 0)) * (z > -0.75)
    curls = 0.85 + 0.3 * noise(rest, person.texture + 11, 40)
    return np.asarray(np.clip(beard * curls, 0, 1) * (1 - np.clip(2 * lips, 0, 1)), np.float32)


def _skin(person: Person, rest: Array) -> Array:
    """Bare skin (H, W, 3): pores, blotches, blush, freckles, a slight shadow under the chin."""
    x, y, z = np.abs(rest[..., 0]), rest[..., 1], rest[..., 2]
    mottle = 1 + 0.045 * noise(rest, person.texture + 1, 5) + 0.03 * noise(rest, person.texture + 2, 17)
    skin = np.asarray(person.skin, np.float32) * mottle[..., None]
    cheeks = np.exp(-((x - 0.5) ** 2 + (y + 0.45) ** 2) / 0.06) * 0.5
    nose = np.exp(-(x**2 / 0.03 + (y + 0.42) ** 2 / 0.03)) * 0.4
    skin *= 1 + person.blush * (cheeks + nose)[..., None] * np.array([0.25, -0.3, -0.25], np.float32)
    spots = smoothstep(0.45, 0.75, noise(rest, person.texture + 7, 28)) * np.exp(-((y + 0.35) ** 2) / 0.12) * (x < 0.8)
    skin *= 1 - person.freckles * spots[..., None] * np.array([0.25, 0.4, 0.5], np.float32)
    sockets = np.exp(-((x - 0.31) ** 2 / 0.035 + (y - 0.04) ** 2 / 0.012))
    neck = 1 - (0.24 - 0.18 * smoothstep(-1.2, -1.5, y)) * smoothstep(-1.05, -1.25, y + 0.25 * np.clip(z, -1, 0))
    return np.asarray(skin * (neck * (1 - 0.1 * sockets))[..., None], np.float32)


def _face(rest: Array, ears: Array, hair: Array) -> Array:
    """1 where a texel (H, W) belongs to the face: above the jaw line, in front of the ears, below the hair."""

    def turn(points: Array) -> Array:
        return np.arctan2(np.abs(points[..., 0]), points[..., 2] - np.float32(_AXIS))

    jaw = head().rest[head().landmarks[8:13]]  # chin to jaw angle; the points above are under the hair
    above = smoothstep(-0.04, 0.0, rest[..., 1] - np.interp(turn(rest), turn(jaw), jaw[:, 1]))
    front = smoothstep(1.12, 1.04, turn(rest))
    return np.asarray(above * front * (1 - np.clip(2 * ears, 0, 1)) * (1 - hair), np.float32)


def paint(person: Person) -> tuple[Array, Array]:
    """Colour and layers (beard, hair, face), both (MAP_HEIGHT + STRIP, MAP_WIDTH, 3), in [0, 1]."""
    surface = _surface()
    rest, lips, ears = surface["position"], surface["lips"], surface["ears"]
    fringe = hairline(person, rest) + 0.035 * noise(rest, person.texture + 5, 9)
    hair = smoothstep(-0.05, 0.05, fringe) * (1 - np.clip(2 * ears, 0, 1))
    strands = 0.8 + 0.4 * noise(rest * np.array([1, 0.2, 0.2], np.float32), person.texture + 6, 34)
    skin = _mix(_skin(person, rest), person.hair, _brows(person, rest))
    skin = _mix(skin, np.asarray(person.hair, np.float32) * strands[..., None], hair)
    x, y, z = np.abs(rest[..., 0]), rest[..., 1], rest[..., 2]
    cloth = smoothstep(-1.30, -1.33, y + 0.22 * smoothstep(0.8, 0.1, x) * (z > -0.8))
    weave = 1 + 0.06 * noise(rest, person.texture + 4, 12)
    skin = _mix(skin, np.asarray(person.cloth, np.float32) * weave[..., None], cloth)
    layers = np.stack([_beard(person, rest, lips), hair, _face(rest, ears, hair)], -1)
    return (
        np.concatenate([skin, _strands(person)]).astype(np.float32),
        np.concatenate([layers, np.broadcast_to(vector([0, 1, 0]), (STRIP, MAP_WIDTH, 3))]).astype(np.float32),
    )


def _strands(person: Person) -> Array:
    """Texture of long hair (STRIP, MAP_WIDTH, 3): slightly wandering vertical lines."""
    row, column = np.mgrid[:STRIP, :MAP_WIDTH].astype(np.float32)
    across, along = column / MAP_WIDTH, row / STRIP
    fine = noise(np.stack([across, along * 0.02, 0 * row], -1), person.texture + 8, 150)
    broad = noise(np.stack([across, along * 0.06, 0 * row], -1), person.texture + 9, 36)
    return np.asarray(person.hair, np.float32) * (0.85 + 0.3 * fine + 0.3 * broad)[..., None]
