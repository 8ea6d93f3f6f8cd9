import json
from dataclasses import fields, replace

from swaplab.synthetic.states import KEPT_BY_SWAP, Background, Camera, FrameState, Light, Occluder, swapped

EVERYTHING = FrameState(
    expression={"jawOpen": 0.5},
    yaw=10.0,
    pitch=-5.0,
    roll=3.0,
    gaze=(0.1, -0.1),
    light=Light((1.0, 0.0, 1.0), 0.3, 0.7, (1.0, 0.9, 0.8)),
    background=Background((0.1, 0.2, 0.3), 0.5, 9),
    camera=Camera(0.9, (0.01, 0.02), 0.01, 4),
    beautify=0.5,
    beard=0.8,
    glasses="round",
    occluder=Occluder("bar", (0.5, 0.6), 0.2, 10.0),
)


def test_a_state_survives_json() -> None:
    for state in (FrameState(), EVERYTHING):
        assert FrameState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_every_state_has_a_rule_and_the_swap_follows_it() -> None:
    assert set(KEPT_BY_SWAP) == {f.name for f in fields(FrameState)}
    swap, plain = swapped(EVERYTHING), FrameState()
    for name, kept in KEPT_BY_SWAP.items():
        assert getattr(swap, name) == getattr(EVERYTHING if kept else plain, name), name
    clean = replace(EVERYTHING, beard=0.0)
    assert swapped(clean) == clean
