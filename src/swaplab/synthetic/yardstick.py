"""The yardstick of rendered people: one fixed, clean set of faces, independent of a run's training data."""

from collections.abc import Mapping
from typing import Any

from swaplab.synthetic.dataset import SyntheticDataset, build, cache_folder, people_of
from swaplab.synthetic.profile import Count, IdentityProfile

# No beard, glasses or occluders, mild light, no faults. A change also needs a new RENDERER_VERSION.
PROFILE = IdentityProfile(clips=Count(50, 18, 0), images=Count(4, 2, 1), rate=Count(2.5, 0.8, 0.8))
SEED = 1_979_261_131  # a separate seed, so that no frame occurs in a run's data


def build_yardstick(data: Mapping[str, Any]) -> SyntheticDataset:
    """The yardstick for a config's data section, loaded from the cache or rendered into it.

    It depends only on the section's people and resolution. Raises UserError if the cache cannot be written.
    """
    people = people_of(data["identities"])
    return build(
        people,
        dict.fromkeys(people, PROFILE),
        region=int(data["resolution"]),
        seed=SEED,
        cache=cache_folder(data["cache"]) / "rendered",
        workers=int(data["workers"]),
        retrieval=(),
    )
