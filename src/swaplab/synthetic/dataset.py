"""Rendered datasets on disk: facesets of invented people, their true swaps, and sets for retrieval.

dataset.json                       the settings it was rendered with
facesets/NAME/                     train, val and test clips of each identity
truth/A_to_B/                      faceset of B: the true swap of every val and test frame of A, in that order
retrieval/expression|pose/NAME/    frames that differ only in expression (or pose), with the same states for all
                                   identities, and different states for val and test
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice, permutations
from pathlib import Path
from typing import Any, cast

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import SPLITS, Faceset, FacesetWriter
from swaplab.faces.ground import Ground
from swaplab.panel import person_seed
from swaplab.places import expanded
from swaplab.randomness import generator_at
from swaplab.synthetic.clips import Clip, gesture
from swaplab.synthetic.frames import Shot, clip_shots
from swaplab.synthetic.people import Person, person
from swaplab.synthetic.profile import IdentityProfile, profiles
from swaplab.synthetic.rendering import RENDERER_VERSION
from swaplab.synthetic.states import FrameState, swapped
from swaplab.synthetic.studio import Studio
from swaplab.unfinished import unfinished_folder

RETRIEVAL = ("expression", "pose")
CANDIDATES = 100  # per held-out split
_HELD_OUT = ("val", "test")


@dataclass(frozen=True)
class SyntheticDataset:
    """A complete dataset: ``facesets[name]``, ``truth[source, target]``, ``retrieval[kind][name]``."""

    folder: Path
    facesets: Mapping[str, Faceset]
    truth: Mapping[tuple[str, str], Faceset]
    retrieval: Mapping[str, Mapping[str, Faceset]]

    @classmethod
    def load(cls, folder: Path) -> "SyntheticDataset":
        """Read the manifests. Raises UserError if the folder is not a rendered dataset."""
        try:
            known = json.loads((folder / "dataset.json").read_text())
            names, kinds = list(known["identities"]), list(known["retrieval"])
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(f"{folder} is not a rendered dataset; remove it to render it again") from None
        return cls(
            folder,
            {name: Faceset.load(folder / "facesets" / name) for name in names},
            {(a, b): Faceset.load(folder / "truth" / f"{a}_to_{b}") for a, b in permutations(names, 2)},
            {kind: {n: Faceset.load(folder / "retrieval" / kind / n) for n in names} for kind in kinds},
        )

    def digest(self) -> str:
        """SHA-256 over every face and label."""
        facesets = [*self.facesets.values(), *self.truth.values()]
        facesets += [faceset for sets in self.retrieval.values() for faceset in sets.values()]
        digests = [faceset.digest() for faceset in facesets]
        return hashlib.sha256("".join(digests).encode()).hexdigest()


def build(
    identities: Mapping[str, Person],
    profile: Mapping[str, IdentityProfile],
    region: int,
    seed: int,
    cache: Path,
    workers: int,
    retrieval: Sequence[str] = RETRIEVAL,
) -> SyntheticDataset:
    """The dataset of these people, loaded from the cache or rendered into it by ``workers`` processes.

    ``region``: side of the face region in pixels. ``retrieval``: the kinds of retrieval sets. The content depends on
    all arguments except ``cache`` and ``workers``. Two processes may build the same dataset at once; one result is
    kept. Raises UserError if ``cache`` cannot be written.
    """
    known, key = identified(identities, profile, region, seed, retrieval=list(retrieval))
    folder = cache / key
    if folder.is_dir():
        return SyntheticDataset.load(folder)
    with published(folder) as unfinished:
        write(albums(identities, profile, seed, retrieval), unfinished, Alignment(region), workers)
        (unfinished / "dataset.json").write_text(json.dumps(known, indent=2) + "\n")
    return SyntheticDataset.load(folder)


def identified(
    identities: Mapping[str, Person], profile: Mapping[str, IdentityProfile], region: int, seed: int, **more: Any
) -> tuple[dict[str, Any], str]:
    """All that rendered pixels depend on, and 16 hex digits over it; ``more``: what else is asked for."""
    known = {
        "renderer": RENDERER_VERSION,
        "region": region,
        "seed": seed,
        "identities": {name: who.to_dict() for name, who in identities.items()},
        "profile": {name: asdict(profile[name]) for name in identities},
        **more,
    }
    return known, hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Album:
    """A faceset to render: its path below the dataset, its identity and its shots."""

    path: str
    identity: str
    shots: Sequence[Shot]


def albums(
    identities: Mapping[str, Person], profile: Mapping[str, IdentityProfile], seed: int, retrieval: Sequence[str]
) -> Iterator[Album]:
    """The albums of a dataset, before rendering. Their states take seconds to draw: nothing is before the first one."""
    shots = {
        name: [
            shot
            for split in SPLITS
            for index in range(int(profile[name].clips.of(split)))
            for shot in clip_shots(Clip(seed, name, split, index, profile[name]), who)
        ]
        for name, who in identities.items()
    }
    for name in identities:
        yield Album(f"facesets/{name}", name, shots[name])
    for source, target in permutations(identities, 2):
        yield Album(f"truth/{source}_to_{target}", target, true_swaps(shots[source], identities[target]))
    for kind in retrieval:
        for name, who in identities.items():
            yield Album(f"retrieval/{kind}/{name}", name, _retrieval_shots(kind, who, seed))


def write(plan: Iterable[Album], folder: Path, alignment: Alignment, workers: int) -> None:
    """Render the albums into ``folder`` with ``workers`` processes."""
    with Studio(alignment, workers) as studio:
        planned = list(plan)
        # shots of all albums at once: between two of them no process has to wait
        faces = studio.shoot([shot for album in planned for shot in album.shots])
        for album in planned:
            with FacesetWriter(folder / album.path, album.identity, Ground("synthetic"), alignment) as writer:
                for face in islice(faces, len(album.shots)):
                    writer.add(face.crop, face.masks, **face.record)


def true_swaps(shots: Sequence[Shot], target: Person) -> list[Shot]:
    """The true swaps to ``target`` of those of the shots that are held out, in their order."""
    return [replace(s, person=target, state=swapped(s.state)) for s in shots if s.split in _HELD_OUT]


def _retrieval_shots(kind: str, who: Person, seed: int) -> list[Shot]:
    """Shots that vary one base state in expression (or pose); draws are independent of identity, so all share them."""
    return [
        Shot(who, _retrieval_state(kind, seed, split, index), split, f"retrieval-{split}-{kind}-{index:03d}", 0, 0.0)
        for split in _HELD_OUT
        for index in range(CANDIDATES)
    ]


def _retrieval_state(kind: str, seed: int, split: str, index: int) -> FrameState:
    base = FrameState(expression={"mouthSmileLeft": 0.2, "mouthSmileRight": 0.2})
    generator = generator_at(seed, "retrieval", split, kind, index)
    if kind == "expression":
        return replace(base, expression=gesture(generator))
    yaw, pitch, roll = (float(angle) for angle in generator.uniform((-24, -9, -10), (24, 9, 10)))
    return replace(base, yaw=yaw, pitch=pitch, roll=roll)


@contextmanager
def published(folder: Path) -> Iterator[Path]:
    """A temporary folder, renamed to ``folder`` if the block succeeds, unless another process was first."""
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            unfinished = stack.enter_context(unfinished_folder(folder)) / "dataset"
            unfinished.mkdir()
        except OSError as error:
            raise UserError(f"folder {folder.parent} cannot be written ({error.strerror}); choose another") from None
        yield unfinished
        try:
            os.rename(unfinished, folder)
        except OSError:
            if not folder.is_dir():
                raise


def people_of(specifications: Mapping[str, Mapping[str, Any]]) -> dict[str, Person]:
    """The people named in a config, ``{A: {person: A}, C: {seed: 7}, D: {couple: 1, member: a}}``.

    Raises UserError for anything else.
    """
    if not specifications:
        raise UserError("data.identities is empty; add at least one identity, such as 'A: {person: A}'")
    people = {}
    for name, specification in specifications.items():
        if not re.fullmatch(r"[A-Za-z0-9-]+", str(name)):
            raise UserError(f"data.identities: '{name}' is not a valid name; use letters, digits and '-'")
        known = set(specification) if isinstance(specification, Mapping) else set()
        if known not in ({"person"}, {"seed"}, {"couple", "member"}):
            raise UserError(
                f"data.identities.{name} must be like {{person: A}}, {{seed: 7}} or {{couple: 1, member: a}}; got "
                f"{specification!r}"
            )
        people[str(name)] = person(_person_of(specification))
    return people


def _person_of(specification: Mapping[str, Any]) -> str | int:
    if "couple" in specification:
        return person_seed(specification["couple"], specification["member"])
    return cast(str | int, specification.get("person", specification.get("seed")))


def cache_folder(given: str | None) -> Path:
    """The folder of cached datasets: the given one, else $SWAPLAB_CACHE, else ~/.cache/swaplab."""
    return expanded(given or os.environ.get("SWAPLAB_CACHE") or "~/.cache/swaplab", "set SWAPLAB_CACHE=DIR")


def build_from_config(data: Mapping[str, Any]) -> SyntheticDataset:
    """The dataset of a config section like conf/data/synthetic.yaml."""
    people = people_of(data["identities"])
    return build(
        people,
        profiles(data["profile"], people),
        region=int(data["resolution"]),
        seed=int(data["seed"]),
        cache=cache_folder(data["cache"]) / "rendered",
        workers=int(data["workers"]),
    )
