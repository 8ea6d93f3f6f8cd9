"""The state of a frame: everything that people can share, and what a swap keeps of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

Colour = tuple[float, float, float]

GLASSES = ("round", "square")
OCCLUDERS = ("hand", "bar", "microphone")


@dataclass(frozen=True)
class Light:
    """One distant light: ``direction`` towards it (x right, y up, z to the camera), strengths, and colour ``tint``."""

    direction: Colour = (0.2, 0.4, 1.0)
    ambient: float = 0.5
    diffuse: float = 0.6
    tint: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Background:
    """A ``colour`` mixed with a soft random pattern drawn from ``seed``; ``variation``: 0 is plain, 1 only pattern."""

    colour: Colour = (0.50, 0.55, 0.58)
    variation: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Camera:
    """``zoom`` (at 1 the pupils are 0.22 of the frame apart), ``shift`` (right, down) as fractions of the frame, and
    sensor ``noise`` (standard deviation) as a fraction of the value range."""

    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.006
    noise_seed: int = 0


@dataclass(frozen=True)
class Occluder:
    """An object between camera and face: ``kind`` is one of OCCLUDERS; ``centre`` (x, y) and ``size`` are fractions of
    the frame; ``angle`` is counter-clockwise, in degrees."""

    kind: str
    centre: tuple[float, float]
    size: float
    angle: float = 0.0


@dataclass(frozen=True)
class FrameState:
    """One frame without its person. Angles in degrees.

    ``expression``: weights in [0, 1] of the mesh's 52 units. ``yaw`` > 0 looks to the image's right, ``pitch`` > 0
    down, ``roll`` > 0 tilts counter-clockwise. ``gaze`` (right, up), in radians, turns the eyes relative to the head.
    ``beard``: density in [0, 1]. ``beautify``: strength in [0, 1] of a skin-smoothing camera filter.
    """

    expression: dict[str, float] = field(default_factory=dict)
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    light: Light = field(default_factory=Light)
    background: Background = field(default_factory=Background)
    camera: Camera = field(default_factory=Camera)
    beautify: float = 0.0
    beard: float = 0.0
    glasses: str | None = None
    occluder: Occluder | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-compatible dictionary; `from_dict` reads it."""
        # asdict is slow: it copies every number of every frame
        own = {name: vars(part).copy() if is_dataclass(part) else part for name, part in vars(self).items()}
        return own | {"expression": dict(self.expression)}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> "FrameState":
        """The inverse of `to_dict`, also after a round trip through JSON."""
        parts = {"light": Light, "background": Background, "camera": Camera, "occluder": Occluder}
        return cls(**{k: parts[k](**_tuples(v)) if k in parts and v else v for k, v in _tuples(known).items()})


def _tuples(known: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}


# What the true swap keeps of the source frame. Everything around and in front of the face stays: glasses and occluders
# are objects, beautify is a camera filter. A beard grows on the skin that is exchanged, so a swap drops it: the true
# swap is clean-shaven, and a beard in an output is a leak of A or an invention of the model.
KEPT_BY_SWAP = {
    "expression": True,
    "yaw": True,
    "pitch": True,
    "roll": True,
    "gaze": True,
    "light": True,
    "background": True,
    "camera": True,
    "beautify": True,
    "beard": False,
    "glasses": True,
    "occluder": True,
}


def swapped(state: FrameState) -> FrameState:
    """The state of the true swap of a frame in ``state``: fields that are not kept get their default."""
    plain = FrameState()
    lost: dict[str, Any] = {name: getattr(plain, name) for name, kept in KEPT_BY_SWAP.items() if not kept}
    return replace(state, **lost)
