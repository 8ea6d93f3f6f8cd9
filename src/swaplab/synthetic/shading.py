"""Colours and masks of visible surface points: paint, eyes, teeth, light."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.synthetic import mesh
from swaplab.synthetic.mesh import head, vector
from swaplab.synthetic.painting import MAP_WIDTH, smoothstep
from swaplab.synthetic.people import Person
from swaplab.synthetic.rasteriser import Fragments
from swaplab.synthetic.states import FrameState, Light

Array = NDArray[np.float32]

_TEETH, _GUMS, _TONGUE = (
    vector([0.84, 0.81, 0.74]),
    vector([0.55, 0.28, 0.27]),
    vector([0.60, 0.24, 0.24]),
)
_MOUTH, _GLASSES, _LASHES = (
    vector([0.20, 0.05, 0.05]),
    vector([0.06, 0.05, 0.05]),
    vector([0.05, 0.035, 0.03]),
)
_INSIDE = (mesh.UPPER_TEETH, mesh.LOWER_TEETH, mesh.TONGUE)
_EYES = (mesh.LEFT_EYE, mesh.RIGHT_EYE)


@dataclass(frozen=True)
class Likeness:
    """A person as geometry and paint: ``vertices`` (n, 3), those of the head first; ``triangles`` (m, 3) with their
    ``part`` (m,); ``place`` (n, 2), the vertices' positions on the maps ``colour`` (H, W, 3) and ``layers`` (H, W, 3):
    beard, hair, face."""

    person: Person
    vertices: Array
    triangles: NDArray[np.int32]
    part: NDArray[np.int8]
    place: Array
    colour: Array
    layers: Array

    @cached_property
    def normals(self) -> Array:
        """Unit normals (n, 3) without expression; those of two-sided surfaces point away from the head's axis."""
        normals = self.vertices - vector([0, 0, -0.8])
        normals[:, 1] *= np.float32(0.2)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        normals[self._first_glasses :] = (0, 0, 1)
        return normals

    @cached_property
    def _first_glasses(self) -> int:
        worn = self.triangles[self.part == mesh.GLASSES]
        return int(worn.min()) if len(worn) else len(self.vertices)

    @cached_property
    def attributes(self) -> Array:
        """Vertex attributes (n, 7): position on the maps (2), lips, inner mouth, light in creases, lids, throat."""
        count, base = len(self.vertices), head()
        attributes = np.zeros((count, 7), np.float32)
        attributes[:, :2], attributes[:, 4] = self.place, 1
        inner = slice(0, len(base.rest))
        attributes[inner, 2], attributes[inner, 3] = base.masks["lips"], base.masks["inside_mouth"]
        attributes[inner, 4] = np.clip(1 - 2.6 * np.clip(base.cavity, 0, 0.25), 0.35, 1)
        attributes[inner, 5] = base.masks["eyelids"]
        # the map cannot separate the chin from the throat below and behind it
        below = base.rest[:, 1] < -0.9
        attributes[inner, 6] = below * smoothstep(-0.5, -0.75, base.normals(base.rest)[:, 1])
        return attributes


class Surface:
    """The visible fragments with interpolated normals and attributes."""

    def __init__(self, likeness: Likeness, fragments: Fragments, vertices: Array, normals: Array) -> None:
        self.likeness, self.weights = likeness, fragments.weights
        self.corners = likeness.triangles.take(fragments.triangle, 0).astype(np.intp)
        self.part = likeness.part.take(fragments.triangle)
        self.vertices = vertices
        values = np.asfortranarray(self.interpolate(np.concatenate([normals, likeness.attributes], 1)))
        normal = values[:, :3]
        self.normal = normal / np.maximum(np.sqrt(np.einsum("ij,ij->i", normal, normal))[:, None], np.float32(1e-9))
        self.place = values[:, 3:5]
        self.lips, self.mouth, self.open, self.lids, self.throat = values[:, 5:10].T

    def interpolate(self, values: Array, where: NDArray[np.bool_] | slice = slice(None)) -> Array:
        """Per-vertex values (n, k) interpolated at the fragments ``where``."""
        corners, weights = self.corners[where], self.weights[where]
        total = values.take(corners[:, 0], 0) * weights[:, :1]
        for k in (1, 2):
            total += values.take(corners[:, k], 0) * weights[:, k : k + 1]
        return np.asarray(total)

    def sample(self, image: Array) -> Array:
        """Bilinear values (n, C) of a map (H, W, C) at the fragments."""
        rows = -(-len(self.place) // MAP_WIDTH)
        place = np.zeros((rows * MAP_WIDTH, 2), np.float32)
        place[: len(self.place)] = self.place
        sampled = cv2.remap(image, place.reshape(rows, MAP_WIDTH, 2), None, cv2.INTER_LINEAR)
        # columns first in memory: NumPy is slow where the axis that it runs along has three values
        return np.asfortranarray(sampled.reshape(rows * MAP_WIDTH, -1)[: len(self.place)])


def shade(surface: Surface, state: FrameState) -> tuple[Array, Array]:
    """Colours (n, 3), linear light in [0, ~1.5], and masks (n, 4), face, eyes, mouth, occluder, of the fragments."""
    person, part = surface.likeness.person, surface.part
    layers = surface.sample(surface.likeness.layers)
    beard, hair, face = layers[:, 0], layers[:, 1], layers[:, 2] * (1 - surface.throat)
    skin = part == mesh.SKIN
    gums = np.clip(surface.mouth, 0, 1)

    colour = surface.sample(surface.likeness.colour)
    colour = _mix(colour, vector(person.hair), beard * np.float32(0.92 * state.beard))
    colour = _mix(colour, vector(person.lip), surface.lips * np.float32(0.85))
    colour *= (1 - np.float32(0.18) * surface.lids)[:, None]
    colour = _mix(colour, _MOUTH, gums)
    colour *= np.where(skin, surface.open, 1)[:, None]
    gloss = np.where(surface.lips > 0.3, np.float32(0.25), np.float32(0.12)) * (1 - hair)
    _paint_eyes(surface, state, colour, gloss)
    _paint_mouth(surface, colour)
    colour[part == mesh.GLASSES], gloss[part == mesh.GLASSES] = _GLASSES, 0.5
    colour[part == mesh.LASHES], gloss[part == mesh.LASHES] = _LASHES, 0
    colour[part == mesh.HAIR_INSIDE] *= 0.6

    strands = np.where((part == mesh.HAIR) | skin, hair, 0)
    lit = _light(surface.normal, state.light, colour, gloss, strands)
    return lit, _masks(surface, face, gums)


def _mix(base: Array, colour: Array, amount: Array) -> Array:
    return base + (colour - base) * amount[:, None]


def _masks(surface: Surface, face: Array, gums: Array) -> Array:
    """Masks (n, 4). The face is the skin up to jaw and hairline, with eyes, lashes, lips and mouth."""
    part = surface.part
    skin = part == mesh.SKIN
    eyes = np.isin(part, _EYES)
    inside = np.isin(part, _INSIDE)
    mouth = np.where(skin, np.maximum(smoothstep(0.2, 0.5, surface.lips), gums), inside)
    whole = np.where(skin, np.maximum(face, mouth), eyes | inside | (part == mesh.LASHES))
    return np.stack([whole, eyes, mouth, part == mesh.GLASSES], 1).astype(np.float32)


def _paint_eyes(surface: Surface, state: FrameState, colour: Array, gloss: Array) -> None:
    """Paint sclera, iris and pupil, rotated by the gaze and shaded by the upper lid (in place)."""
    person, base = surface.likeness.person, head()
    for part in _EYES:
        where = surface.part == part
        if not where.any():
            continue
        ball = surface.interpolate(base.rest, where) - base.eye_centre(part)
        ball /= np.linalg.norm(ball, axis=1, keepdims=True)
        axis = vector([np.sin(state.gaze[0]), np.sin(state.gaze[1]), 1])
        angle = np.arccos(np.clip(ball @ (axis / np.linalg.norm(axis)), -1, 1)).astype(np.float32)
        spokes = np.arctan2(ball[:, 1] - axis[1], ball[:, 0] - axis[0])
        iris = vector(person.iris) * (1 + 0.18 * np.sin(13 * spokes) * np.sin(5 * spokes + 1))[:, None]
        iris = iris * (1.15 - 0.6 * smoothstep(0.36, 0.52, angle))[:, None]
        white = vector([0.88, 0.86, 0.84]) * (1 - 0.25 * smoothstep(0.6, 1.1, angle))[:, None]
        eye = _mix(white, iris.astype(np.float32), smoothstep(0.57, 0.49, angle))
        eye = _mix(eye, vector([0.03, 0.03, 0.03]), smoothstep(0.25, 0.18, angle))
        colour[where] = eye * (0.45 + 0.55 * smoothstep(0.6, -0.05, ball[:, 1]))[:, None]
        gloss[where] = 1.1


def _paint_mouth(surface: Surface, colour: Array) -> None:
    """Paint teeth and tongue, darker deeper in the mouth (in place)."""
    inside = np.isin(surface.part, _INSIDE)
    if not inside.any():
        return
    part, base = surface.part[inside], head()
    paint = np.where((part == mesh.TONGUE)[:, None], _TONGUE, _TEETH)
    place = surface.interpolate(base.rest, inside)
    gum = np.where(
        part == mesh.UPPER_TEETH, smoothstep(-0.55, -0.50, place[:, 1]), smoothstep(-0.76, -0.80, place[:, 1])
    )
    paint = _mix(paint, _GUMS, np.where(part == mesh.TONGUE, 0, gum))
    gaps = 1 - 0.22 * np.exp(-((np.sin(place[:, 0] * 40) / 0.22) ** 2)) * (part != mesh.TONGUE)
    front = surface.vertices[: len(base.rest)][base.vertex_part == mesh.UPPER_TEETH, 2].max()
    depth = front - surface.interpolate(surface.vertices[:, 2:], inside)[:, 0]
    colour[inside] = paint * (gaps * np.clip(1.0 - 2.2 * depth, 0.2, 1))[:, None]


def _light(normal: Array, light: Light, colour: Array, gloss: Array, strands: Array) -> Array:
    """Wrapped Lambert shading, redder in half shade like skin, with highlights: Blinn for skin, Kajiya for hair."""
    towards = vector(light.direction) / np.float32(np.linalg.norm(light.direction))
    half = towards + vector([0, 0, 1])
    half /= np.linalg.norm(half)
    facing = _dot(normal, towards)
    wrap = vector([0.32, 0.24, 0.20])
    diffuse = np.clip((facing[:, None] + wrap) / (1 + wrap), 0, 1)
    ambient = np.float32(light.ambient) * (np.float32(0.92) + np.float32(0.08) * normal[:, 1:2])
    halfway = _dot(normal, half)
    blinn = np.clip(halfway, 0, 1) ** 18
    # hair runs down: its tangent is the vertical, projected onto the surface
    along = half[1] - normal[:, 1] * halfway
    kajiya = np.clip(1 - along**2, 0, 1) ** 10 * np.clip(facing + np.float32(0.3), 0, 1)
    shine = (gloss * blinn * np.float32(0.6) + strands * kajiya * np.float32(0.10)) * np.float32(light.diffuse)
    tint = vector(light.tint)
    return np.asarray((colour * (ambient + np.float32(light.diffuse) * diffuse) + shine[:, None]) * tint, np.float32)


def _dot(normal: Array, direction: Array) -> Array:
    """Dot products (n,), written out so that no threads are used and sums have the same order on every machine."""
    return np.asarray(normal[:, 0] * direction[0] + normal[:, 1] * direction[1] + normal[:, 2] * direction[2])
