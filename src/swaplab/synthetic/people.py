"""Invented people: the traits that a swap exchanges."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from swaplab.errors import UserError
from swaplab.randomness import generator_at
from swaplab.synthetic.mesh import head

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Person:
    """The traits of a person. Lengths are in mesh units (pupils 0.62 apart), colours RGB in [0, 1].

    ``shape``: weights of the mesh's identity targets. ``brow_*``: height above the eyes, arch, half thickness, outer
    end. ``hair_length``: 0 is short, else the distance that long hair reaches below the eyes. ``lashes``: visible upper
    lashes.
    """

    name: str
    texture: int
    shape: dict[str, float]
    skin: Colour
    lip: Colour
    hair: Colour
    iris: Colour
    cloth: Colour
    brow_height: float = 0.20
    brow_arch: float = 0.05
    brow_thickness: float = 0.05
    brow_end: float = 0.55
    hairline: float = 0.66
    hair_volume: float = 0.08
    hair_length: float = 0.0
    blush: float = 0.25
    freckles: float = 0.0
    lashes: bool = False

    def to_dict(self) -> dict[str, Any]:
        """A JSON-compatible dictionary; `from_dict` reads it."""
        return asdict(self)

    @cached_property
    def key(self) -> str:
        """All traits as JSON; equal for equal people."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> "Person":
        """The inverse of `to_dict`. Raises UserError for an unknown trait."""
        unknown = set(known) - {f.name for f in fields(cls)}
        if unknown:
            raise UserError(
                f"a person has no trait '{min(unknown)}'; choose from {', '.join(f.name for f in fields(cls))}"
            )
        traits: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        return cls(**traits)


PEOPLE = {
    "A": Person(
        name="A",
        texture=1,
        shape={
            "caucasian-male-young": 1.0,
            "universal-male-young-averagemuscle-averageweight": 1.0,
            "head-square": 0.5,
            "nose-scale-horiz-incr": 0.3,
            "chin-width-incr": 0.4,
            "nose-hump-incr": 0.3,
        },
        skin=(0.78, 0.58, 0.46),
        lip=(0.66, 0.38, 0.34),
        hair=(0.20, 0.125, 0.08),
        iris=(0.25, 0.42, 0.55),
        cloth=(0.15, 0.22, 0.40),
        brow_thickness=0.055,
        brow_end=0.56,
    ),
    "B": Person(
        name="B",
        texture=2,
        shape={
            "asian-female-young": 1.0,
            "universal-female-young-averagemuscle-averageweight": 1.0,
            "head-oval": 0.5,
            "mouth-lowerlip-volume-incr": 0.4,
        },
        skin=(0.86, 0.68, 0.56),
        lip=(0.74, 0.32, 0.34),
        hair=(0.17, 0.11, 0.085),
        iris=(0.22, 0.13, 0.08),
        cloth=(0.50, 0.20, 0.25),
        brow_height=0.21,
        brow_arch=0.06,
        brow_thickness=0.035,
        brow_end=0.54,
        hairline=0.68,
        hair_volume=0.14,
        hair_length=1.75,
        lashes=True,
    ),
}

_ANCESTRIES = ("african", "asian", "caucasian")
_SKIN = np.array([(0.42, 0.27, 0.19), (0.82, 0.64, 0.50), (0.85, 0.66, 0.56)])
_DARK_HAIR = ((0.06, 0.05, 0.05), (0.16, 0.10, 0.07), (0.24, 0.15, 0.10))
_LIGHT_HAIR = ((0.35, 0.22, 0.12), (0.62, 0.48, 0.28), (0.50, 0.48, 0.46), (0.42, 0.17, 0.08))
_DARK_IRIS = ((0.22, 0.13, 0.08), (0.14, 0.09, 0.06), (0.30, 0.20, 0.10))
_LIGHT_IRIS = ((0.25, 0.42, 0.55), (0.28, 0.36, 0.20), (0.40, 0.45, 0.48))
_FEATURES = (
    "nose-scale-horiz",
    "nose-scale-vert",
    "nose-hump",
    "nose-point-width",
    "nose-volume",
    "chin-width",
    "chin-height",
    "chin-prominent",
    "mouth-scale-horiz",
    "mouth-lowerlip-volume",
    "mouth-upperlip-volume",
    "head-fat",
    "forehead-scale-vert",
)
_SIDED_FEATURES = ("eye-scale", "cheek-bones", "cheek-volume", "eye-height2", "ear-scale")
_HEADS = ("head-oval", "head-round", "head-square", "head-rectangular", "head-triangular", "head-diamond")
LARGEST_FEATURE = 0.5


def invented(seed: int) -> Person:
    """Invented person number ``seed``: mixed ancestries and ages, feature weights within +-0.5, matching colours."""

    def draw(trait: str) -> np.random.Generator:
        return generator_at(seed, "person", trait)

    sex = ("female", "male")[draw("sex").integers(2)]
    ancestry = draw("ancestry").dirichlet((0.5, 0.5, 0.5))
    old = float(draw("age").uniform(0, 0.7))
    skin = ancestry @ _SKIN * draw("skin").uniform(0.88, 1.1) * draw("undertone").uniform(0.97, 1.03, 3)
    light = bool(draw("lightness").random() < ancestry[2])
    hair = (_DARK_HAIR + _LIGHT_HAIR) if light else _DARK_HAIR
    iris = (_DARK_IRIS + _LIGHT_IRIS) if light else _DARK_IRIS
    long_hair = draw("long hair").random() < (0.75 if sex == "female" else 0.08)
    return Person(
        name=f"seed-{seed}",
        texture=seed + 100,
        shape=_shape(draw, sex, ancestry, old),
        skin=_colour(skin),
        lip=_colour(skin * (0.93, 0.60, 0.62) * draw("lip").uniform(0.88, 1.0)),
        hair=hair[draw("hair").integers(len(hair))],
        iris=iris[draw("iris").integers(len(iris))],
        cloth=_colour(draw("cloth").uniform(0.1, 0.7, 3)),
        brow_height=float(draw("brow height").uniform(0.19, 0.22)),
        brow_arch=float(draw("brow arch").uniform(0.03, 0.07)),
        brow_thickness=float(draw("brow thickness").uniform(0.03, 0.045) + 0.012 * (sex == "male")),
        brow_end=float(draw("brow end").uniform(0.50, 0.58)),
        hairline=float(draw("hairline").uniform(0.62, 0.78)),
        hair_volume=float(draw("hair volume").uniform(0.06, 0.15)),
        hair_length=float(draw("hair length").uniform(0.9, 1.9)) if long_hair else 0.0,
        blush=float(draw("blush").uniform(0.1, 0.4)),
        freckles=float(draw("freckles").uniform(0.2, 0.8)) if light and draw("freckled").random() < 0.4 else 0.0,
        lashes=sex == "female",
    )


def _colour(rgb: np.ndarray) -> Colour:
    red, green, blue = (float(v) for v in np.clip(rgb, 0, 1))
    return red, green, blue


def _shape(draw: Any, sex: str, ancestry: np.ndarray, old: float) -> dict[str, float]:
    shape: dict[str, float] = {}
    for age, share in (("young", 1 - old), ("old", old)):
        shape[f"universal-{sex}-{age}-averagemuscle-averageweight"] = share
        for name, part in zip(_ANCESTRIES, ancestry, strict=True):
            shape[f"{name}-{sex}-{age}"] = float(part * share)
    for feature in _FEATURES + _SIDED_FEATURES:
        weight = float(draw(feature).uniform(-LARGEST_FEATURE, LARGEST_FEATURE))
        sides = ("l-", "r-") if feature in _SIDED_FEATURES else ("",)
        shape |= {f"{side}{feature}-{'incr' if weight > 0 else 'decr'}": abs(weight) for side in sides}
    shape[_HEADS[draw("head").integers(len(_HEADS))]] = float(draw("head weight").uniform(0.1, LARGEST_FEATURE))
    return {name: weight for name, weight in shape.items() if f"I:{name}" in head().targets}


def person(which: str | int) -> Person:
    """A built-in person by name (A or B), or the invented person of a seed. Raises UserError for another name."""
    if isinstance(which, int):
        return invented(which)
    if which not in PEOPLE:
        raise UserError(f"there is no built-in person '{which}'; choose {', '.join(PEOPLE)}, or give a number as seed")
    return PEOPLE[which]
