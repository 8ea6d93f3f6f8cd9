"""A contact sheet: some faces of a faceset with their annotations."""

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.faces.faceset import FaceRecord, Faceset

Pixels = NDArray[np.uint8]

_SIDE = 144
_CAPTION = 34
_GREEN, _RED, _WHITE = (90, 220, 90), (255, 90, 80), (235, 235, 235)


def contact_sheet(faceset: Faceset, faces: int = 24, columns: int = 8) -> Pixels:
    """Up to ``faces`` crops, evenly spread over the faceset, as an RGB image (H, W, 3).

    Each shows the face region and landmarks; below are clip and frame, and flags in red. The choice of faces depends
    only on their number.
    """
    count = len(faceset.records)
    indices = np.linspace(0, count - 1, min(faces, count)).round().astype(int)
    chosen = faceset.select(indices.tolist())
    tiles = [_tile(crop, r, faceset.alignment.border) for crop, r in zip(chosen.faces(), chosen.records, strict=True)]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % min(columns, len(tiles)))
    rows = [np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def _tile(crop: Pixels, record: FaceRecord, border: int) -> Pixels:
    scale = _SIDE / len(crop)
    tile = np.zeros((_SIDE + _CAPTION, _SIDE, 3), np.uint8)
    tile[:_SIDE] = cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    colour = _RED if record.flags else _GREEN
    corners = [round(edge * scale) for edge in (border, len(crop) - border)]
    cv2.rectangle(tile, (corners[0], corners[0]), (corners[1], corners[1]), colour, 1)
    points = np.array(record.landmarks) @ np.array(record.matrix)[:, :2].T + np.array(record.matrix)[:, 2]
    for x, y in ((points + 0.5) * scale - 0.5).round().astype(int):
        cv2.circle(tile, (int(x), int(y)), 1, _WHITE, -1, cv2.LINE_AA)
    # OpenCV's fonts have only ASCII
    name = record.clip.encode("ascii", "replace").decode()
    lines = ((f"{name[:14]} {record.frame}", _WHITE), (" ".join(record.flags), _RED))
    for line, (text, ink) in enumerate(lines):
        place = (3, _SIDE + 13 + 15 * line)
        cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, ink, 1, cv2.LINE_AA)
    return tile
