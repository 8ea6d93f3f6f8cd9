"""Clips: frame states that change smoothly over time, a pure function of (seed, identity, split, clip, time).

Every draw is keyed by its purpose, so a profile setting changes only its own parameter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from swaplab.randomness import generator_at
from swaplab.synthetic.mesh import head
from swaplab.synthetic.profile import IdentityProfile
from swaplab.synthetic.states import GLASSES, OCCLUDERS, Background, Camera, FrameState, Light, Occluder

# movements besides speaking and blinking; a name without a side moves both sides
GESTURES = (
    "jawOpen",
    "mouthSmile",
    "mouthFrown",
    "eyeBlink",
    "browDown",
    "browInnerUp",
    "browOuterUp",
    "mouthPucker",
    "mouthFunnel",
    "mouthStretch",
    "cheekPuff",
    "eyeWide",
    "noseSneer",
    "mouthLeft",
    "mouthRight",
    "mouthUpperUp",
    "eyeSquint",
)
_LARGEST = {"jawOpen": 0.7}

Weights = dict[str, float]
Draw = Callable[[np.random.Generator], float]


def gesture(generator: np.random.Generator) -> Weights:
    """One to three gestures of random strength, as unit weights."""
    weights: Weights = {}
    for name in generator.choice(GESTURES, generator.integers(1, 4), replace=False):
        weight = float(generator.uniform(0.2, 1.0)) * _LARGEST.get(name, 1.0)
        sides = (name,) if name in head().units else (f"{name}Left", f"{name}Right")
        weights |= dict.fromkeys(sides, weight)
    return weights


@dataclass(frozen=True)
class Clip:
    """One clip of ``identity`` in ``split``; `state` returns the frame state at any time."""

    seed: int
    identity: str
    split: str
    index: int
    profile: IdentityProfile

    @property
    def name(self) -> str:
        """The clip's name, unique within the identity's faceset."""
        return f"{self.split}-{self.index:04d}"

    @cached_property
    def _offsets(self) -> dict[str, float]:
        """Shift of each value's keyframes, as a share of its period; drawn at first use."""
        return {}

    def _draw(self, what: str, *where: int) -> np.random.Generator:
        return generator_at(self.seed, "clip", self.identity, self.split, self.index, what, *where)

    def times(self) -> list[float]:
        """The times of the clip's images in seconds from its start, 1 / rate apart, rounded to milliseconds."""
        start = float(self._draw("start").uniform(0, 1))
        rate, count = self.profile.rate.of(self.split), int(self.profile.images.of(self.split))
        return [round(start + k / rate, 3) for k in range(count)]

    def state(self, time: float) -> FrameState:
        """The frame state at ``time`` >= 0 seconds."""
        profile = self.profile
        return FrameState(
            expression=self._expression(time),
            yaw=self._between("yaw", 0.8, time, self._yaw),
            pitch=self._between("pitch", 1.1, time, lambda g: profile.pitch_range * g.uniform(-1, 1)),
            roll=self._between("roll", 1.3, time, lambda g: profile.roll_range * g.uniform(-1, 1)),
            gaze=(
                self._between("gaze right", 0.7, time, lambda g: g.uniform(-0.3, 0.3), move=0.25),
                self._between("gaze up", 0.7, time, lambda g: g.uniform(-0.15, 0.15), move=0.25),
            ),
            light=self._light,
            background=self._background,
            camera=self._camera(time),
            beautify=profile.beautify,
            beard=self._beard,
            glasses=self._glasses,
            occluder=self._occluder(time),
        )

    def _yaw(self, generator: np.random.Generator) -> float:
        u, reach = generator.uniform(-1, 1), self.profile.yaw_range
        if self.profile.yaw_shape == "sides":
            return float(reach * np.sign(u) * (0.5 + 0.5 * abs(u)))
        if self.profile.yaw_shape == "normal":
            return float(np.clip(generator.normal(), -2, 2) * reach / 2)
        return float(reach * u)

    def _between(self, what: str, period: float, time: float, draw: Draw, move: float = 1.0) -> float:
        """A value that changes smoothly from draw to draw during the first ``move`` (a share) of each ``period``."""
        step, share = self._keyframe(what, period, time, move)
        before, after = (float(draw(self._draw(what, step + k))) for k in (0, 1))
        return before + (after - before) * share

    def _keyframe(self, what: str, period: float, time: float, move: float) -> tuple[int, float]:
        if what not in self._offsets:
            self._offsets[what] = float(self._draw(f"{what} offset").uniform(0, 1))
        offset = self._offsets[what]
        step = int(np.floor(time / period + offset))
        t = min((time / period + offset - step) / move, 1.0)
        return step, t * t * (3 - 2 * t)

    def _expression(self, time: float) -> Weights:
        """Consecutive gestures, speech and blinks; weights stay in [0, 1]."""
        step, share = self._keyframe("gesture", 0.6, time, 0.7)
        before, after = (gesture(self._draw("gesture", step + k)) for k in (0, 1))
        weights = {unit: weight * (1 - share) for unit, weight in before.items()}
        for unit, weight in after.items():
            weights[unit] = weights.get(unit, 0.0) + weight * share
        for unit, weight in (self._speech(time) | self._blink(time)).items():
            weights[unit] = max(weights.get(unit, 0.0), weight)
        scaled = {unit: round(weight * self.profile.expression, 4) for unit, weight in sorted(weights.items())}
        return {unit: weight for unit, weight in scaled.items() if weight > 0}

    def _speech(self, time: float) -> Weights:
        """Phrases with three to five syllables per second: the jaw opens and closes, the lips round or widen."""
        loud = self._between("loudness", 1.2, time, lambda g: max(0.0, g.uniform(-0.4, 0.45)))
        rate, phase = self._draw("syllables").uniform((3.0, 0.0), (5.0, 1.0))
        beat = 0.5 - 0.5 * np.cos(2 * np.pi * (rate * time + phase))
        rounded = self._between("rounding", 0.45, time, lambda g: g.uniform(0, 1))
        wide = dict.fromkeys(("mouthLowerDownLeft", "mouthLowerDownRight"), 0.6 * loud * (1 - rounded))
        return {"jawOpen": float(loud * beat), "mouthFunnel": 0.8 * loud * rounded, **wide}

    def _blink(self, time: float) -> Weights:
        """One blink of 0.3 s at a random time in every three seconds."""
        period, length = 3.0, 0.3
        slot = int(time // period)
        start = slot * period + float(self._draw("blink", slot).uniform(0, period - length))
        closed = float(np.sin(np.pi * np.clip((time - start) / length, 0, 1)) ** 2)
        return {"eyeBlinkLeft": closed, "eyeBlinkRight": closed}

    @cached_property
    def _light(self) -> Light:
        """From slightly off-centre (light 0) to anywhere in front and tinted (light 1)."""
        strong, g = self.profile.light, self._draw("light")
        side, up, ambient, diffuse = g.uniform(-1, 1, 4)
        tint = 1 + strong * self._draw("tint").uniform(-0.1, 0.08, 3)
        return Light(
            direction=(float(side * (0.5 + 0.9 * strong)), float(0.4 + 0.5 * strong * up), 1.0),
            ambient=float(0.5 + (0.02 + 0.14 * strong) * ambient),
            diffuse=float(0.6 + (0.03 + 0.17 * strong) * diffuse),
            tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        )

    @cached_property
    def _background(self) -> Background:
        red, green, blue = self._draw("background").uniform(-0.08, 0.08, 3)
        colour = (float(0.50 + red), float(0.55 + green), float(0.58 + blue))
        return Background(colour, self.profile.background, int(self._draw("pattern").integers(2**31)))

    def _camera(self, time: float) -> Camera:
        """A hand-held camera: the clip's zoom and position, with a slow drift."""
        zoom, right, down = self._place
        drift = [self._between(f"drift {axis}", 2.0, time, lambda g: g.uniform(-0.006, 0.006)) for axis in ("x", "y")]
        noise = int(self._draw("noise", round(time * 1000)).integers(2**31))
        return Camera(zoom, (right + drift[0], down + drift[1]), noise_seed=noise)

    @cached_property
    def _place(self) -> tuple[float, float, float]:
        """The camera's zoom and shift (right, down)."""
        right, down = self._draw("shift").uniform(-0.025, 0.025, 2)
        return float(self._draw("zoom").uniform(0.9, 1.05)), float(right), float(down)

    @cached_property
    def _beard(self) -> float:
        chance, density = self._draw("beard").uniform((0, 0.4), (1, 1.0))
        return float(density) if chance < self.profile.p_beard else 0.0

    @cached_property
    def _glasses(self) -> str | None:
        g = self._draw("glasses")
        worn = g.random() < self.profile.p_glasses
        return GLASSES[g.integers(len(GLASSES))] if worn else None

    def _occluder(self, time: float) -> Occluder | None:
        """An object in front of the lower face that sways over time."""
        g = self._draw("occluder")
        if g.random() >= self.profile.p_occluder:
            return None
        kind = OCCLUDERS[g.integers(len(OCCLUDERS))]
        x, y, size, angle = g.uniform((0.30, 0.52, 0.13, -40), (0.70, 0.85, 0.22, 40))
        sway = [self._between(f"occluder {axis}", 0.8, time, lambda g: g.uniform(-0.05, 0.05)) for axis in ("x", "y")]
        return Occluder(kind, (float(x) + sway[0], float(y) + sway[1]), float(size), float(angle))
