"""From a clip's frame to a stored face: the unit of work of a process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swaplab.faces.alignment import Alignment, five_points
from swaplab.randomness import generator_at
from swaplab.synthetic import corruption
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.people import Person, invented
from swaplab.synthetic.rendering import Rendering, render
from swaplab.synthetic.states import FrameState

# wrong identities are other people, never another identity of the data, which would be a true swap
_STRANGERS = range(900_001, 900_005)


@dataclass(frozen=True)
class Shot:
    """One face to render: a person in a state, its split, clip, frame and time (seconds), and its faults."""

    person: Person
    state: FrameState
    split: str
    clip: str
    frame: int
    time: float
    seed: int = 0
    faults: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Face:
    """A finished face: the crop, its masks, and the fields of its record."""

    crop: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    record: dict[str, Any]


def clip_shots(clip: Clip, person: Person) -> list[Shot]:
    """The shots of a clip; those of a train clip with the faults of its profile."""
    times = clip.times()
    shots = []
    for frame, time in enumerate(times):
        where = (clip.identity, clip.index, frame)
        doses = clip.profile.corruption
        faults = corruption.faults(doses, clip.seed, *where) if clip.split == "train" else []
        if "duplicate" in faults and frame:
            time = times[frame - 1]
        elif "duplicate" in faults:
            faults.remove("duplicate")
        shots.append(Shot(person, clip.state(time), clip.split, clip.name, frame, time, clip.seed, tuple(faults)))
    return shots


def shoot(shot: Shot, alignment: Alignment) -> Face:
    """Render, corrupt and crop one face. The frame is twice as wide as the face region."""
    rendering = _spoiled(render(_sitter(shot), shot.state, 2 * alignment.region), shot)
    landmarks = rendering.landmarks
    if "bad_landmarks" in shot.faults:
        landmarks = corruption.misplaced(landmarks, _generator(shot, "bad_landmarks"))
    matrix = alignment.matrix(five_points(landmarks))
    record = {
        "source": f"synthetic:{shot.person.name}",
        "clip": shot.clip,
        "frame": shot.frame,
        "time": shot.time,
        "box": [*landmarks.min(0).tolist(), *landmarks.max(0).tolist()],
        "landmarks": landmarks.round(3).tolist(),
        "matrix": matrix.tolist(),
        "flags": list(shot.faults),
        "split": shot.split,
        "parameters": shot.state.to_dict(),
    }
    return Face(alignment.cut(rendering.image, matrix), alignment.cut(rendering.masks, matrix), record)


def _generator(shot: Shot, fault: str) -> np.random.Generator:
    return generator_at(shot.seed, fault, shot.person.name, shot.clip, shot.frame)


def _sitter(shot: Shot) -> Person:
    if "wrong_identity" not in shot.faults:
        return shot.person
    return invented(int(_generator(shot, "wrong_identity").choice(_STRANGERS)))


def _spoiled(rendering: Rendering, shot: Shot) -> Rendering:
    image, masks = rendering.image, rendering.masks
    if "non_face" in shot.faults:
        image = corruption.non_face(len(image), _generator(shot, "non_face"))
        masks = np.zeros_like(masks)
    if "blur" in shot.faults:
        image = corruption.blurred(image, _generator(shot, "blur"))
    if "jpeg" in shot.faults:
        image = corruption.compressed(image, _generator(shot, "jpeg"))
    return Rendering(image, masks, rendering.landmarks)
