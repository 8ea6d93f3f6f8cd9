"""The state of a frame: everything a person can share with another person, and what a swap keeps of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

Colour = tuple[float, float, float]

GLASSES = ("round", "square")
OCCLUDERS = ("hand", "bar", "microphone")


@dataclass(frozen=True)
class Light:
    """One distant light: ``direction`` it comes from (x right, y up, z to the camera), strengths, colour."""

    direction: Colour = (0.2, 0.4, 1.0)
    ambient: float = 0.5
    diffuse: float = 0.6
    tint: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Background:
    """A ``colour`` mixed with a soft random pattern drawn from ``seed``: ``variation`` 0 is plain, 1 is all pattern."""

    colour: Colour = (0.50, 0.55, 0.58)
    variation: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Camera:
    """``zoom`` (1: the pupils are 0.22 of the frame apart), ``shift`` (right, down) and sensor ``noise``.

    Shift and noise (standard deviation) are fractions of the frame and of the value range.
    """

    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.006
    noise_seed: int = 0


@dataclass(frozen=True)
class Occluder:
    """Something between camera and face: ``kind`` of OCCLUDERS, centre (x, y) and ``size`` as fractions of the frame.

    ``angle`` in degrees turns it counter-clockwise.
    """

    kind: str
    centre: tuple[float, float]
    size: float
    angle: float = 0.0


@dataclass(frozen=True)
class FrameState:
    """One frame without its person. Angles in degrees.

    ``expression``: weights in [0, 1] of the mesh's 52 units. ``yaw`` > 0 looks to the image's right, ``pitch`` > 0
    down, ``roll`` > 0 tilts counter-clockwise. ``gaze`` (right, up), in radians, turns the eyes against the head.
    ``beard`` in [0, 1] is its density, ``beautify`` in [0, 1] the strength of a skin-smoothing camera filter.
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
        """A dictionary JSON can hold; `from_dict` reads it back."""
        # asdict would copy every number of every frame
        own = {name: vars(part).copy() if is_dataclass(part) else part for name, part in vars(self).items()}
        return own | {"expression": dict(self.expression)}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> "FrameState":
        """The state of `to_dict`, also after a round trip through JSON."""
        parts = {"light": Light, "background": Background, "camera": Camera, "occluder": Occluder}
        return cls(**{k: parts[k](**_tuples(v)) if k in parts and v else v for k, v in _tuples(known).items()})


def _tuples(known: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}


# What the true swap takes over from the source frame. Everything around and in front of the face stays: glasses and
# occluders are objects, beautify is a camera filter. A beard grows on the very skin that is exchanged, so a swap
# drops it: the true swap is clean-shaven, and a bearded output on it is a leak of A or an invention of B's model.
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
    """The state of the true swap of a frame in ``state``: what is not kept falls back to its default."""
    plain = FrameState()
    lost: dict[str, Any] = {name: getattr(plain, name) for name, kept in KEPT_BY_SWAP.items() if not kept}
    return replace(state, **lost)
