"""A folder to look at: facesets, a preview sheet and clips of rendered people."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from swaplab.errors import UserError
from swaplab.synthetic.dataset import build_from_config, people_of, published
from swaplab.synthetic.preview import preview_clip, sheet, write_clip
from swaplab.synthetic.profile import profiles
from swaplab.synthetic.yardstick import build_yardstick


def publish(output: Path, data: Mapping[str, Any], video: Mapping[str, Any]) -> None:
    """Write facesets, ``preview.png`` and ``clips/*.mp4`` of the people of a ``data`` config to a new folder.

    ``video``: seconds, rate and size of the clips. Raises UserError if the folder exists.
    """
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
