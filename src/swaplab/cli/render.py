"""swaplab render: invented people as facesets, a preview picture and videos."""

import re
from collections.abc import Sequence
from typing import Any

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
    from swaplab import compose
    from swaplab.config.keys import parsed

    config = parsed(KEYS, [word for word in words if not DATA.match(word)])
    of_data = CommandLine(tuple(word for word in words if DATA.match(word))).with_names(("data.cache",))
    render(config | {"data": compose(*of_data.overrides)["data"]})


def render(config: dict[str, Any]) -> None:
    """Write facesets, ``preview.png`` and ``clips/*.mp4`` to a new folder. Raises UserError if it exists."""
    import shutil

    import cv2

    from swaplab.errors import UserError
    from swaplab.places import expanded
    from swaplab.synthetic.dataset import build_from_config, people_of, published
    from swaplab.synthetic.preview import preview_clip, sheet, write_clip
    from swaplab.synthetic.profile import profiles
    from swaplab.synthetic.yardstick import build_yardstick

    output, data, video = expanded(config["output"]), config["data"], config["video"]
    if output.exists():
        raise UserError(f"output folder {output} already exists; choose another with output=DIR or remove it first")
    if data["kind"] != "synthetic":
        raise UserError(f"data={data['kind']} cannot be rendered; set data=synthetic")
    people = people_of(data["identities"])
    settings = profiles(data["profile"], people)
    with published(output) as unfinished:
        dataset = build_from_config(data)
        build_yardstick(data)  # evaluation needs it, and the cache may later be read-only
        for name, faceset in dataset.facesets.items():
            shutil.copytree(faceset.folder, unfinished / "facesets" / name)
        cv2.imwrite(str(unfinished / "preview.png"), cv2.cvtColor(sheet(people), cv2.COLOR_RGB2BGR))
        if video["seconds"]:
            (unfinished / "clips").mkdir()
        for name, who in people.items() if video["seconds"] else ():
            others = [other for other in people.values() if other is not who]
            clip = preview_clip(int(data["seed"]), name, settings[name])
            write_clip(unfinished / "clips" / f"{name}.mp4", clip, [who, *others], **video)
    print(f"facesets, preview.png and clips are in {output}")
