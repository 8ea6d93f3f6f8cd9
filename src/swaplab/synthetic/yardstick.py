"""One fixed, clean set of faces of every person: what answers are measured against, whatever a run was trained on."""

from collections.abc import Mapping
from typing import Any

from swaplab.synthetic.dataset import SyntheticDataset, build, cache_folder, people_of
from swaplab.synthetic.profile import Count, IdentityProfile

# Nothing on or before a face, mild light, no fault. It is never changed without RENDERER_VERSION: both are in its key.
PROFILE = IdentityProfile(clips=Count(50, 18, 0), images=Count(4, 2, 1), rate=Count(2.5, 0.8, 0.8))
SEED = 1_979_261_131  # of its own, so that no frame is one of a run's data


def build_yardstick(data: Mapping[str, Any]) -> SyntheticDataset:
    """The yardstick of the people of a config's data section, at its resolution, from the cache or rendered into it.

    Of the section it depends on the people and the resolution alone. Raises UserError if the cache cannot be written.
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
