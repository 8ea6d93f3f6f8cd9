"""A held-out clip of each person at the frame rate of a video, beside its true swaps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import Faceset
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.dataset import Album, cache_folder, identified, people_of, published, true_swaps, write
from swaplab.synthetic.frames import Shot
from swaplab.synthetic.people import Person
from swaplab.synthetic.profile import profiles

RATE = 25  # frames per second
SECONDS = 3


@dataclass(frozen=True)
class Film:
    """``facesets[name]``: a clip of each person; ``truth[source, target]``: the true swap of every frame of it."""

    facesets: Mapping[str, Faceset]
    truth: Mapping[tuple[str, str], Faceset]


def build_film(data: Mapping[str, Any], split: str) -> Film:
    """The first clip of ``split`` of the people of a config's data section, at `RATE` for `SECONDS`.

    It begins with that clip's first face, and no training saw any of it: ``split`` is val or test. From the cache or
    rendered into it; raises UserError if the cache cannot be written.
    """
    people = people_of(data["identities"])
    settings = profiles(data["profile"], people)
    region, seed = int(data["resolution"]), int(data["seed"])
    known, key = identified(people, settings, region, seed, film=[split, RATE, SECONDS])
    folder = cache_folder(data["cache"]) / "films" / key
    if not folder.is_dir():
        shots = {name: _shots(Clip(seed, name, split, 0, settings[name]), who) for name, who in people.items()}
        albums = [Album(name, name, shots[name]) for name in people]
        albums += [Album(f"{a}_to_{b}", b, true_swaps(shots[a], people[b])) for a, b in permutations(people, 2)]
        with published(folder) as unfinished:
            write(albums, unfinished, Alignment(region), int(data["workers"]))
            (unfinished / "film.json").write_text(json.dumps(known, indent=2) + "\n")
    return _loaded(folder, list(people))


def _loaded(folder: Path, names: list[str]) -> Film:
    facesets = {name: Faceset.load(folder / name) for name in names}
    truth = {(a, b): Faceset.load(folder / f"{a}_to_{b}") for a, b in permutations(names, 2)}
    return Film(facesets, truth)


def _shots(clip: Clip, who: Person) -> list[Shot]:
    begin = clip.times()[0]
    times = [round(begin + frame / RATE, 3) for frame in range(RATE * SECONDS)]
    return [Shot(who, clip.state(time), clip.split, clip.name, frame, time) for frame, time in enumerate(times)]
