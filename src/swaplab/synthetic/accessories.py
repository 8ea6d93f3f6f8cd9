"""Meshes worn on the head (long hair, glasses), and occluders in front of the camera."""

import numpy as np
from numpy.typing import NDArray

from swaplab.synthetic.mesh import head, vector
from swaplab.synthetic.painting import MAP_HEIGHT, MAP_WIDTH, STRIP
from swaplab.synthetic.people import Person
from swaplab.synthetic.states import Colour, Occluder

Array = NDArray[np.float32]
Triangles = NDArray[np.int32]


def long_hair(person: Person) -> tuple[Array, Triangles, Array]:
    """A sheet of hair around back and sides of the head: vertices (n, 3), triangles (m, 3), map positions (n, 2)."""
    columns, rows = 73, 24
    turn = np.linspace(-1, 1, columns)[None]
    fall = np.linspace(0, 1, rows)[:, None]
    ragged = 1 - 0.06 * np.sin(turn * 23 + person.texture) ** 2 - 0.08 * np.abs(turn) ** 6
    y = 1.05 - fall * (1.05 + person.hair_length * ragged)
    # parted above the forehead, closed in front of the ears
    angle = turn * np.deg2rad(70 + 54 * np.clip((1.05 - y) / 0.75, 0, 1) ** 0.7)
    dome = np.sqrt(np.clip(1 - (np.clip(y, 0, None) / 1.26) ** 2, 0, 1))
    wave = 1 + 0.018 * np.sin(angle * 11 + 3 * fall + person.texture) + 0.012 * np.sin(angle * 29 - 5 * fall)
    radius = dome * wave * (1 + 0.5 * (person.hair_volume - 0.08)) * (1 + 0.10 * fall)
    radius = radius * (0.82 + 0.18 * np.sin(np.pi / 2 * np.clip(fall / 0.15, 0, 1)))  # roots lie under the scalp
    x = 0.93 * radius * np.sin(angle) * (1 + 0.12 * fall * np.abs(turn) ** 3)
    z = -0.72 - 0.98 * radius * np.cos(angle) - 0.10 * np.clip(y, 0, None) * np.abs(turn) ** 4
    vertices = np.stack(np.broadcast_arrays(x, y, z), -1).reshape(-1, 3)
    place = np.stack(
        np.broadcast_arrays((turn + 1) / 2 * (MAP_WIDTH - 1), MAP_HEIGHT + 2 + fall * (STRIP - 5)), -1
    ).reshape(-1, 2)
    index = np.arange(columns * rows).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    triangles = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)
    return vertices.astype(np.float32), triangles.astype(np.int32), place.astype(np.float32)


def glasses(kind: str, vertices: Array) -> tuple[Array, Triangles]:
    """``round`` or ``square`` glasses for head vertices (V, 3): their vertices (n, 3) and triangles (m, 3)."""
    points = vertices[head().landmarks]
    left, right = points[36:42].mean(0), points[42:48].mean(0)
    front = max(points[27, 2], points[[19, 24], 2].max()) + 0.02
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    power = 0.55 if kind == "square" else 1.0
    across, up = (np.sign(f) * np.abs(f) ** power for f in (np.cos(turn), np.sin(turn)))
    paths: list[tuple[NDArray[np.float64], bool]] = []
    for eye in (left, right):
        x = eye[0] + 0.235 * across
        paths.append((np.stack([x, eye[1] - 0.02 + 0.19 * up, front - 0.175 * x**2], 1), True))
    bridge = [[left[0] + 0.235, left[1] + 0.03, front], [0, left[1] + 0.06, front + 0.04]]
    paths.append((np.array([*bridge, [right[0] - 0.235, right[1] + 0.03, front]]), False))
    for eye, ear, side in ((left, points[0], -1), (right, points[16], 1)):
        hinge = [eye[0] + side * 0.235, eye[1] + 0.03, front - 0.05]
        paths.append((np.linspace(hinge, [ear[0] * 1.03, eye[1] + 0.03, ear[2] - 0.35], 6), False))
    tubes = [_tube(path, closed) for path, closed in paths]
    offsets = np.cumsum([0] + [len(points) for points, _ in tubes[:-1]])
    triangles = np.concatenate([t + o for (_, t), o in zip(tubes, offsets, strict=True)])
    return np.concatenate([points for points, _ in tubes]).astype(np.float32), triangles.astype(np.int32)


def _tube(path: NDArray[np.float64], closed: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A tube with six sides around ``path`` (n, 3), drawn from both sides."""
    radius, sides = 0.018, 6
    tangent = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    first = np.cross(tangent, [0.0, 0.0, 1.0])
    first[np.linalg.norm(first, axis=1) < 1e-3] = (1.0, 0.0, 0.0)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(tangent, first)
    turn = np.arange(sides) * 2 * np.pi / sides
    ring = np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    here = np.arange(len(path) * sides).reshape(len(path), sides)
    there = np.roll(here, -1, 0)
    if not closed:
        here, there = here[:-1], there[:-1]
    a, b, c, d = here, np.roll(here, -1, 1), there, np.roll(there, -1, 1)
    one_side = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).reshape(-1, 3)
    return (path[:, None] + radius * ring).reshape(-1, 3), np.concatenate([one_side, one_side[:, ::-1]])


def draw_occluder(occluder: Occluder, size: int) -> tuple[Array, Array]:
    """Colour (size, size, 3) and soft-edged opacity (size, size) of an occluder in a frame of ``size`` pixels."""
    row, column = (np.mgrid[:size, :size] + 0.5).astype(np.float32) / size
    angle = np.deg2rad(occluder.angle)
    dx, dy = column - occluder.centre[0], occluder.centre[1] - row
    x = (np.cos(angle) * dx + np.sin(angle) * dy) / occluder.size
    y = (np.cos(angle) * dy - np.sin(angle) * dx) / occluder.size
    distance, colour, depth = _OCCLUDERS[occluder.kind](x, y)
    inside = np.clip(-distance / depth, 0, 1)
    shade = 0.6 + 0.4 * np.sqrt(inside * (2 - inside))
    opacity = np.clip(0.5 - distance * occluder.size * size / 1.5, 0, 1)
    return np.asarray(vector(colour) * shade[..., None], np.float32), np.asarray(opacity, np.float32)


# signed distance in units of the occluder's size, colour, and the depth at which shading is full
Shape = tuple[Array, Colour, float]
Point = tuple[float, float]


def _capsule(x: Array, y: Array, start: tuple[float, float], stop: tuple[float, float], radius: float) -> Array:
    """Signed distance to a thick line."""
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy + 1e-12), 0, 1)
    return np.asarray(np.hypot(x - start[0] - along * dx, y - start[1] - along * dy) - radius, np.float32)


def _hand(x: Array, y: Array) -> Shape:
    fingers = [((-0.33, 0.1), (-0.46, 0.8)), ((-0.12, 0.2), (-0.16, 1.0)), ((0.1, 0.2), (0.13, 0.98))]
    fingers += [((0.3, 0.1), (0.42, 0.75)), ((0.3, -0.3), (0.75, 0.1))]
    distance = np.minimum(np.hypot(x / 1.05, y + 0.15) - 0.48, _capsule(x, y, (0, -0.3), (0, -1.6), 0.33))
    for start, stop in fingers:
        distance = np.minimum(distance, _capsule(x, y, start, stop, 0.115))
    return distance, (0.74, 0.55, 0.45), 0.11


def _bar(x: Array, y: Array) -> Shape:
    return np.maximum(np.abs(x) - 1.0, np.abs(y) - 0.22), (0.22, 0.30, 0.27), 0.12


def _microphone(x: Array, y: Array) -> Shape:
    ball, handle = np.hypot(x, y) - 0.42, _capsule(x, y, (0, -0.4), (0, -2.2), 0.19)
    mesh = 0.035 * np.cos(38 * x) * np.cos(38 * y) * (ball < 0.05)
    return np.minimum(ball + mesh, handle), (0.14, 0.14, 0.16), 0.25


_OCCLUDERS = {"hand": _hand, "bar": _bar, "microphone": _microphone}
