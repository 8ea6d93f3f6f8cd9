"""The one table of slots: which places of a run's config take a component, and which components may stand there.

A new slot is a line here, and its options are a folder of conf/. The checks (`swaplab.config.trust`,
`swaplab.config.border`), the types of a run's keys (`swaplab.config.train`), `swaplab options`, completion and
docs/components.md read this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

# The groups at the top of conf/, in the order of a page; all others are nested below what they belong to.
GROUPS = (
    "data",
    "noise",
    "generator",
    "discriminator",
    "mask",
    "attention",
    "norm",
    "spectral",
    "loss",
    "optimizer",
    "updates",
    "schedule",
    "trainer",
    "logger",
    "callbacks",
    "size",
    "experiment",
    "ablation",
    "debug",
)
# Those that hold no components: data, where a run is computed, what records it, questions to several runs.
OF_A_RUN = ("data", "trainer", "ablation", "debug")


def _named(*kinds: str) -> dict[str, str]:
    return {kind: kind for kind in kinds}


@dataclass(frozen=True)
class Kind:
    """Components that can replace each other.

    ``supplied``: keyword arguments that the program passes; a config must not set them. ``first``: number of leading
    positional arguments that the program passes, whatever their names; such a component needs ``_partial_: true``.
    ``inside``: arguments that take a component, with its kind. ``beside``: the same for components that the program
    adds to the built one; in the config they stand among its arguments, and so do plain values for the program,
    ``own``, whose types are in `swaplab.config.components`.
    """

    supplied: tuple[str, ...] = ()
    first: int = 0
    inside: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    own: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slot:
    """A place in the config. ``off``: null is allowed. ``absent``: the key may be missing."""

    kind: str
    off: bool = False
    absent: bool = False
    meaning: str = ""


_NETWORK = ("identities", "resolution")
KINDS = {
    "generator": Kind(
        _NETWORK,
        inside=_named("decoder", "bottleneck", "upsampling", "output", "norm", "attention", "mask"),
        beside=_named("code_match"),
    ),
    "decoder": Kind(first=2),
    "bottleneck": Kind(),
    "upsampling": Kind(("slope", "norm"), first=2),
    "output": Kind(),
    "code_match": Kind(("identities", "shape")),
    "discriminator": Kind(_NETWORK, inside=_named("norm", "attention") | {"network": "judge"}),
    "judge": Kind(first=6),
    "norm": Kind(first=1),
    "attention": Kind(first=1, inside=_named("norm")),
    "mask": Kind(first=1),
    "mask_network": Kind(("identities", "shape", "resolution")),
    "noise": Kind(inside={"transform": "transform", "transforms": "transform"}),
    "transform": Kind(),
    "mixup": Kind(),
    "loss": Kind(inside=_named("history", "backbone") | {"weight": "schedule", "margin": "schedule"}),
    "history": Kind(),
    "backbone": Kind(),
    "optimizer": Kind(first=1, own=("clip", "groups")),
    "updates": Kind(),
    "schedule": Kind(),
    "action": Kind(),
    "callback": Kind(),
    "logger": Kind(),
}
# Dotted keys of a run; * is any name.
SLOTS = {
    "noise.*": Slot("noise", off=True),
    "noise.mixup": Slot("mixup", off=True),
    "norm": Slot("norm", off=True),
    "attention": Slot("attention", off=True),
    "mask": Slot("mask", off=True),
    "mask_network": Slot("mask_network", off=True),
    "generator": Slot("generator"),
    "discriminator": Slot("discriminator", off=True),
    "loss.*": Slot("loss", off=True),
    "optimizer.generator": Slot("optimizer"),
    "optimizer.discriminator": Slot("optimizer", off=True),
    "updates": Slot("updates"),
    "schedule": Slot("schedule", meaning="multiplies every learning rate"),
    "phases.*": Slot("schedule", absent=True),
    "actions.*": Slot("action", off=True, absent=True),
    "callbacks.*": Slot("callback", off=True, absent=True),
    "logger.*": Slot("logger", off=True),
}
# Components of the whole run that networks may use.
SHARED = tuple(key for key in SLOTS if any(key in KINDS[network].inside for network in ("generator", "discriminator")))


def kind_of(path: tuple[str, ...]) -> str | None:
    """The kind of component that a config path takes, or None.

    An argument that its owner's kind does not list has that kind itself, so that a user's class can hold others.
    """
    for slot, arguments in ((path[:1], path[1:]), (path[:2], path[2:]), ((*path[:1], "*"), path[2:])):
        if len(slot) <= len(path) and ".".join(slot) in SLOTS:
            return _below(SLOTS[".".join(slot)].kind, arguments)
    return None


def _below(kind: str, arguments: tuple[str, ...]) -> str:
    known: dict[str, str] = {}
    for argument in arguments:
        known |= {**KINDS[kind].inside, **KINDS[kind].beside}
        kind = known.get(argument, kind)
    return kind
