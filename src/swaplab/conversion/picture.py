"""Read the metadata of pictures and write converted pictures."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

JPEG_QUALITY = 95


def read_alpha_and_profile(path: Path) -> tuple[NDArray[np.uint8] | None, bytes | None]:
    """The alpha (H, W) of the upright picture and its ICC profile, if it is an RGB profile; None if absent."""
    with Image.open(path) as image:
        profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P") else None
        if not image.has_transparency_data:
            return None, profile
        return np.array(ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")), profile


def write_picture(
    path: Path, image: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, profile: bytes | None
) -> list[str]:
    """Write RGB (H, W, 3) as PNG or JPEG, by the suffix of ``path``; returns notes on what could not be kept.

    PNG keeps the alpha (H, W). Other metadata of the original, such as its location, are left out.
    """
    picture = Image.fromarray(image)
    if path.suffix.lower() == ".png":
        if alpha is not None:
            picture.putalpha(Image.fromarray(alpha))
        picture.save(path, icc_profile=profile)
        return []
    picture.save(path, icc_profile=profile, quality=JPEG_QUALITY, subsampling="4:4:4", optimize=True)
    return [] if alpha is None else [f"{path.suffix} does not support transparency, so it was left out"]
