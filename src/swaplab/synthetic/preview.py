"""Previews of rendered people: a sheet of pictures, and clips as video."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.randomness import generator_at
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.people import Person
from swaplab.synthetic.profile import IdentityProfile
from swaplab.synthetic.rendering import Rendering, render, true_swap
from swaplab.synthetic.states import FrameState, Occluder

Image = NDArray[np.uint8]

SMILE = {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5}
ANGRY = {"browDownLeft": 1.0, "browDownRight": 1.0, "noseSneerLeft": 0.7, "noseSneerRight": 0.7, "mouthFrownLeft": 0.5}

STATES: dict[str, FrameState] = {
    "neutral": FrameState(),
    "smile": FrameState(SMILE),
    "speech": FrameState({"jawOpen": 0.5, "mouthLowerDownLeft": 0.4, "mouthLowerDownRight": 0.4}, yaw=12),
    "anger": FrameState(ANGRY, yaw=-14),
    "blink": FrameState({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}),
    "yaw 30": FrameState(yaw=30),
    "pitch, gaze": FrameState({"browInnerUp": 0.8}, yaw=-20, pitch=10, gaze=(0.3, 0.1)),
    "beard": FrameState(beard=0.9, yaw=8),
    "round glasses": FrameState(SMILE, glasses="round", yaw=-10),
    "square, hand": FrameState(glasses="square", occluder=Occluder("hand", (0.62, 0.74), 0.18, 20)),
    "microphone": FrameState({"jawOpen": 0.3}, occluder=Occluder("microphone", (0.45, 0.74), 0.17, -20)),
    "bar, beautify": FrameState(occluder=Occluder("bar", (0.5, 0.66), 0.2, 8), beautify=1.0),
}


def captioned(image: Image, text: str) -> Image:
    """A copy of ``image`` (H, W, 3) with ``text`` in its lower left corner."""
    image, scale = image.copy(), image.shape[0] / 480
    place = (round(8 * scale), image.shape[0] - round(10 * scale))
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
    return image


def _marked(rendering: Rendering) -> Image:
    image = rendering.image.copy()
    for x, y in rendering.landmarks.round().astype(int):
        cv2.circle(image, (int(x), int(y)), max(1, len(image) // 128), (0, 255, 0), -1, cv2.LINE_AA)
    return image


def _masked(rendering: Rendering) -> Image:
    """Face grey, eyes blue, mouth red, occluder green."""
    face, eyes, mouth, occluder = np.moveaxis(rendering.masks.astype(np.int64), -1, 0)
    layers = [face // 2 + mouth // 2, face // 2 + occluder, face // 2 + eyes // 2]
    return np.clip(np.stack(layers, -1), 0, 255).astype(np.uint8)


def sheet(people: Mapping[str, Person], size: int = 192) -> Image:
    """Every person in all STATES, landmarks and masks of the first, and true swaps of each person to the next."""
    rows = {
        name: [captioned(render(who, state, size).image, text) for text, state in STATES.items()]
        for name, who in people.items()
    }
    first = next(iter(people.values()))
    shown = [render(first, state, size) for state in STATES.values()]
    rows |= {"landmarks": [_marked(r) for r in shown], "masks": [_masked(r) for r in shown]}
    names = list(people)
    for source, target in zip(names, names[1:] + names[:1], strict=True):
        if source != target:
            swaps = [true_swap(state, people[target], size).image for state in STATES.values()]
            rows[f"{source} to {target}"] = [captioned(i, f"{source} to {target}") for i in swaps]
    return np.concatenate([np.concatenate(row, 1) for row in rows.values()])


def write_clip(
    path: Path, clip: Clip, people: Sequence[Person], seconds: float, rate: int = 25, size: int = 256
) -> None:
    """Write an H.264 video of ``clip``: the first person and, side by side, the true swaps to the others."""
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = size * len(people), size, "yuv420p"
        for index in range(round(seconds * rate)):
            state = clip.state(index / rate)
            frames = [render(people[0], state, size), *(true_swap(state, who, size) for who in people[1:])]
            image = captioned(np.concatenate([frame.image for frame in frames], 1), "synthetic")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def preview_clip(seed: int, identity: str, profile: IdentityProfile) -> Clip:
    """A clip with the identity's profile that is in none of its splits."""
    index = int(generator_at(seed, "preview", identity).integers(2**31))
    return Clip(seed, identity, "preview", index, profile)
