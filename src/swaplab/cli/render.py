"""swaplab render: invented people as facesets, a preview picture and videos."""

import re
from collections.abc import Sequence

from swaplab.cli.words import CommandLine
from swaplab.config.commands import Render as KEYS

HELP = """
swaplab render: render invented people: a faceset and a clip of each beside the true swaps, and a preview sheet.

  swaplab render output=people                                     the built-in pair
  swaplab render output=people data/profile=hard                   full pose, strong light, objects in front of faces
  swaplab render output=three '+data.identities.C={seed: 7}'       a third person, invented from a seed
  swaplab render output=people data.profile.default.p_glasses=0.5  any setting of the profile

Data keys are those of `swaplab train`, so you see the faces that you train on (`swaplab options data`).
Faces that were rendered before come from the cache (data.cache).
"""
ADVICE = "; no output was written"
DATA = re.compile(r"[+~]*data[./=]")  # overrides that Hydra composes


def run(words: Sequence[str]) -> None:
    """Render the people of the command line."""
    from swaplab.config.compose import run_config
    from swaplab.config.keys import parsed
    from swaplab.places import expanded
    from swaplab.synthetic.publishing import publish

    config = parsed(KEYS, [word for word in words if not DATA.match(word)])
    of_data = CommandLine(tuple(word for word in words if DATA.match(word))).with_names(("data.cache",))
    output = expanded(config["output"])
    publish(output, run_config(*of_data.overrides)["data"], config["video"])
    print(f"facesets, preview.png and clips are in {output}")
