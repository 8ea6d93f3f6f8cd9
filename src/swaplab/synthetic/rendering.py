"""Render a person in a frame state to pixels, masks and landmarks."""

import json
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.randomness import generator_at
from swaplab.synthetic import mesh
from swaplab.synthetic.accessories import draw_occluder, glasses, long_hair
from swaplab.synthetic.mesh import head, vector
from swaplab.synthetic.painting import hairline, map_position, paint, smoothstep
from swaplab.synthetic.people import Person
from swaplab.synthetic.rasteriser import rasterise
from swaplab.synthetic.shading import Likeness, Surface, shade
from swaplab.synthetic.states import Background, FrameState, swapped

Array = NDArray[np.float32]

# part of every cache key: increase it whenever the same person and state give different pixels
RENDERER_VERSION = 7

_SUPERSAMPLING = 2
_CAMERA_DISTANCE = 9.0
_PIVOT = np.array([0, -1.0, -1.0], np.float32)


@dataclass(frozen=True)
class Rendering:
    """One frame: ``image`` RGB (S, S, 3); ``masks`` (S, S, 4) face, eyes, mouth, occluder (glasses are occluders), with
    soft edges, both uint8; and ``landmarks`` (68, 2) in pixels, where the centre of pixel (0, 0) is at (0, 0)."""

    image: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    landmarks: NDArray[np.float64]

    @property
    def box(self) -> list[float]:
        """Left, top, right, bottom of the landmarks, in pixels."""
        return [*self.landmarks.min(0).tolist(), *self.landmarks.max(0).tolist()]


def render(person: Person, state: FrameState, size: int) -> Rendering:
    """A frame of ``size`` x ``size`` pixels. A pure function: the same arguments give the same bytes.

    Made for |yaw| up to about 60 degrees; the back of the head is only roughly modelled.
    """
    likeness = _likeness(person.key, state.glasses)
    side = size * _SUPERSAMPLING
    vertices, normals = _posed(likeness, state)
    screen = _project(vertices, state, side)
    fragments = rasterise(screen, likeness.triangles, side, side)
    surface = Surface(likeness, fragments, vertices, normals)
    colour, masks = shade(surface, state)

    behind, finer = _background(state.background, size)[:, None, :, None], _SUPERSAMPLING
    canvas = np.array(np.broadcast_to(behind, (size, finer, size, finer, 3))).reshape(side, side, 3)
    canvas.reshape(-1, 3)[fragments.pixel] = colour
    covered = np.zeros((side, side, 4), np.float32)
    covered.reshape(-1, 4)[fragments.pixel] = masks
    image, covered = (cv2.resize(a, (size, size), interpolation=cv2.INTER_AREA) for a in (canvas, covered))
    image = np.clip(image, 0, 1) ** np.float32(1 / 1.15)
    image = _before_camera(image, covered, state)
    landmarks = screen[head().landmarks, :2].astype(np.float64) / _SUPERSAMPLING - 0.5
    return Rendering(_sensor(image, state), np.rint(covered * 255).astype(np.uint8), landmarks)


def true_swap(state: FrameState, other: Person, size: int) -> Rendering:
    """The perfect swap of a frame in ``state`` to ``other``; `KEPT_BY_SWAP` lists what stays."""
    return render(other, swapped(state), size)


@lru_cache(maxsize=24)
def _likeness(traits: str, worn: str | None) -> Likeness:
    """Everything about a person that is the same in all frames, computed once per process."""
    if worn is not None:
        return _with_glasses(_likeness(traits, None), worn)
    person, base = Person.from_dict(json.loads(traits)), head()
    vertices = base.shaped(person.shape)
    rest = base.rest
    volume = smoothstep(0, 0.18, hairline(person, rest)) * (1 - np.clip(2 * base.masks["ears"], 0, 1))
    volume *= (base.vertex_part == mesh.SKIN) & (rest[:, 1] > -0.9)
    vertices = vertices + base.normals(rest) * (volume * np.float32(person.hair_volume))[:, None]
    drawn = slice(None) if person.lashes else base.part != mesh.LASHES
    triangles, part, place = [base.triangles[drawn]], [base.part[drawn]], [map_position(rest)]
    extra = np.zeros((0, 3), np.float32)
    if person.hair_length:
        extra, curtain, strands = long_hair(person)
        curtain = curtain + np.int32(len(rest))
        triangles += [curtain, curtain[:, ::-1]]
        part += [np.full(len(curtain), k, np.int8) for k in (mesh.HAIR, mesh.HAIR_INSIDE)]
        place.append(strands)
    colour, layers = paint(person)
    return Likeness(
        person, np.concatenate([vertices, extra]), np.concatenate(triangles), np.concatenate(part),
        np.concatenate(place), colour, layers,
    )  # fmt: skip


def _with_glasses(bare: Likeness, kind: str) -> Likeness:
    frame, triangles = glasses(kind, bare.vertices)
    return replace(
        bare,
        vertices=np.concatenate([bare.vertices, frame]),
        triangles=np.concatenate([bare.triangles, triangles + np.int32(len(bare.vertices))]),
        part=np.concatenate([bare.part, np.full(len(triangles), mesh.GLASSES, np.int8)]),
        place=np.concatenate([bare.place, np.zeros((len(frame), 2), np.float32)]),
    )


def _rotation(state: FrameState) -> Array:
    """Rotation (3, 3): yaw is applied first, then pitch, then roll."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.deg2rad([state.yaw, state.pitch, state.roll])) for f in (np.cos, np.sin))
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return (roll @ pitch @ yaw).astype(np.float32)


def _posed(likeness: Likeness, state: FrameState) -> tuple[Array, Array]:
    """Vertices and unit normals (n, 3) with expression, lids that follow the gaze, and head rotation."""
    base = head()
    count = len(base.rest)
    weights = dict(state.expression)
    for unit, amount in (("eyeLookUp", state.gaze[1]), ("eyeLookDown", -state.gaze[1])):
        for side in ("Left", "Right"):
            weights[unit + side] = weights.get(unit + side, 0.0) + 2.0 * max(amount, 0.0)
    vertices = likeness.vertices.copy()
    vertices[:count] += base.expression(weights)
    normals = likeness.normals.copy()
    normals[:count] = base.normals(vertices[:count])
    turned = smoothstep(-1.75, -1.05, likeness.vertices[:, 1])[:, None]
    rotation = _rotation(state)
    vertices = vertices + (_turned(vertices - _PIVOT, rotation) + _PIVOT - vertices) * turned
    return vertices, normals + (_turned(normals, rotation) - normals) * turned


def _turned(vectors: Array, rotation: Array) -> Array:
    """Rotated vectors (n, 3), written out so that no threads are used and sums have the same order on every machine."""
    x, y, z = (vectors[:, k, None] * rotation[:, k] for k in range(3))
    return np.asarray(x + y + z)


def _project(vertices: Array, state: FrameState, side: int) -> Array:
    """Screen x, y in pixels of a frame of ``side`` pixels, and distance from the camera: (n, 3)."""
    distance = np.float32(_CAMERA_DISTANCE - 0.3) - vertices[:, 2]
    focal = np.float32(side * 0.36 * state.camera.zoom * _CAMERA_DISTANCE)
    right, down = state.camera.shift
    x = side * (0.5 + right) + focal * vertices[:, 0] / distance
    y = side * (0.43 + down) - focal * vertices[:, 1] / distance
    return np.stack([x, y, distance], 1).astype(np.float32)


def _background(background: Background, size: int) -> Array:
    """The background (size, size, 3) in [0, 1]."""
    plain = np.broadcast_to(vector(background.colour), (size, size, 3))
    if not background.variation:
        return plain
    generator = generator_at(background.seed, "background")
    cells = generator.uniform(0.1, 0.9, (*generator.integers(2, 7, 2), 3)).astype(np.float32)
    pattern = np.clip(cv2.resize(cells, (size, size), interpolation=cv2.INTER_CUBIC), 0, 1)
    return np.asarray(plain + (pattern - plain) * np.float32(background.variation))


def _before_camera(image: Array, masks: Array, state: FrameState) -> Array:
    """The image with the occluder in front; updates ``masks`` in place."""
    if state.occluder is None:
        return image
    colour, opacity = draw_occluder(state.occluder, len(image))
    light = np.float32(state.light.ambient + 0.8 * state.light.diffuse) * vector(state.light.tint)
    masks[..., :3] *= 1 - opacity[..., None]
    masks[..., 3] = masks[..., 3] * (1 - opacity) + opacity
    return np.asarray(image + (np.clip(colour * light, 0, 1) - image) * opacity[..., None])


def _sensor(image: Array, state: FrameState) -> NDArray[np.uint8]:
    """Camera filter, sensor noise and rounding to 8 bits."""
    if state.beautify:
        reach = max(5, len(image) // 16) | 1
        smooth = cv2.bilateralFilter(image, reach, 0.3, reach / 3)
        image = image + (smooth - image) * np.float32(state.beautify)
    generator = generator_at(state.camera.noise_seed, "sensor")
    grain = generator.standard_normal(image.shape, np.float32) * np.float32(state.camera.noise)
    return np.rint(np.clip(image + grain, 0, 1) * 255).astype(np.uint8)
