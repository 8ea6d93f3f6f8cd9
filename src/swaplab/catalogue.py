"""Every number that a run can have, in the order of the tables: its unit, its better side, who proposed it.

Training, sweeps, dashboards, reports and evaluations all read this one; none of them decides what is good.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from swaplab.errors import UserError


@dataclass(frozen=True)
class Metric:
    """``better``: ``higher``, ``lower``, ``zero``, ``one`` (nearest to 0, to 1); None: neither is good or bad.

    ``unit``: empty for a pure number. ``source``: who proposed it; empty for what is ours or everybody's. ``several``:
    what the bracket of its full name chooses among; empty where a model has one such number. ``counted``: the config
    alone decides it, so that seeds cannot differ. ``relative``: measured against a yardstick of real faces, so that
    numbers by another one do not compare.
    """

    group: str
    better: str | None
    meaning: str
    unit: str = ""
    source: str = ""
    several: str = ""
    counted: bool = False
    relative: bool = False


SETS = "candidates: mixed, expression or pose"
BANDS = "octaves of cycles per pixel: 0.25-0.5 is the finest, 0.125-0.25 the next"
REGIONS = "face (without what is before it), occluder or surroundings"
KEPT = "occluder or surroundings"
GREY = "255ths"
WANG = "Wang et al. 2004"

CATALOGUE = {
    "score": Metric(
        "swap", "higher", "1 - MSE / MSE of the best trivial baseline, inside the face of the true swap", relative=True
    ),
    "psnr": Metric("swap", "higher", "dB to the true swap inside its face", "dB"),
    "mse": Metric("swap", "lower", "mean squared error to the true swap inside its face"),
    "ssim": Metric("swap", "higher", "structural similarity to the true swap inside its face", source=WANG),
    "retrieval_top1": Metric(
        "kept", "higher", "share of frames whose true swap is the nearest candidate", several=SETS
    ),
    "retrieval_mrr": Metric("kept", "higher", "mean reciprocal rank of the true swap", several=SETS),
    "identity": Metric(
        "identity", "higher", "cosine to the target; 0 is the real source, 1 the real target", relative=True
    ),
    "identity_cosine": Metric("identity", "higher", "cosine of descriptors to the target's centroid", relative=True),
    "identity_distance": Metric("identity", "lower", "Euclidean distance to the target's centroid", relative=True),
    "nearer_to_target": Metric(
        "identity", "higher", "share of frames nearer to the target than to the source", relative=True
    ),
    "leak": Metric("identity", "zero", "part of the source's face in the answer's: 0 nothing of it, 1 a copy"),
    "copy_ratio": Metric("identity", "one", "change of the query in units of the true change; 0 is a copy"),
    "error": Metric("regions", "lower", "mean difference to the true swap", GREY, several=REGIONS),
    "kept_error": Metric("regions", "lower", "mean difference to the query, which stays there", GREY, several=KEPT),
    "landmark_distance": Metric("landmarks", "lower", "mean distance of 68 landmarks to the query's / interocular"),
    "landmark_distance_aligned": Metric("landmarks", "lower", "the same after the best similarity"),
    "pose_difference": Metric("landmarks", "lower", "turn between the query's head and the answer's", "degrees"),
    "yaw_difference": Metric("landmarks", "lower", "between the yaws of query and answer", "degrees"),
    "pitch_difference": Metric("landmarks", "lower", "between the pitches of query and answer", "degrees"),
    "roll_difference": Metric("landmarks", "lower", "between the rolls of query and answer", "degrees"),
    "yaw_correlation": Metric("landmarks", "higher", "correlation over frames of the query's yaw and the answer's"),
    "pitch_correlation": Metric("landmarks", "higher", "correlation over frames of the pitches"),
    "mouth_correlation": Metric("landmarks", "higher", "correlation over frames of the openings of the mouths"),
    "eye_correlation": Metric("landmarks", "higher", "correlation over frames of the openings of the eyes"),
    "tenengrad_ratio": Metric(
        "sharpness", "one", "squared gradient over the reference's, inside the face", source="Tenenbaum 1970"
    ),
    "high_frequency_share": Metric("sharpness", None, "spectral energy above 0.25 cycles per pixel"),
    "spectral_gap": Metric("sharpness", "lower", "mean |log2| of octave energies over the reference's"),
    "coherence": Metric("sharpness", "higher", "band coherence with the true swap; noise lowers it", several=BANDS),
    "octave_log2": Metric("spectrum", None, "log2 of an octave's energy over the reference's", several=BANDS),
    "mask_iou": Metric("model", "higher", "predicted mask against the query's face"),
    "reconstruction_psnr": Metric("model", "higher", "source to source inside the query's face", "dB"),
    "reconstruction_ssim": Metric("model", "higher", "structural similarity of source to source", source=WANG),
    "val/reconstruction_mse": Metric("training", "lower", "each identity as itself, inside its face mask"),
    "val/reconstruction_psnr": Metric("training", "higher", "each identity as itself, inside its face mask", "dB"),
    "val/oracle_swap_psnr": Metric("training", "higher", "to the true swap, which no model may be chosen by", "dB"),
    "train/images_per_second": Metric("training", "higher", "speed of training", "images/s"),
    "train/progress": Metric("training", None, "share of the budget that is spent"),
    "loss/generator": Metric("training", "lower", "a loss of the generator, raw or weighted"),
    "loss/discriminator": Metric("training", None, "a loss of the discriminator: low is a weak generator, too"),
    "cost/parameters": Metric("cost", "lower", "scalars of the generator", counted=True),
    "cost/macs": Metric("cost", "lower", "multiply-accumulates of one face encoded and decoded", counted=True),
    "cost/seconds": Metric("cost", "lower", "time of all sessions", "s"),
    "cost/images_per_second": Metric("cost", "higher", "speed of training", "images/s"),
    "cost/peak_memory_mb": Metric("cost", "lower", "the most memory held", "MB"),
}
OF_A_RUN = ("val/", "loss/", "train/", "cost/")  # what training leaves; all else is measured by an evaluation
ORACLE = "val/oracle_swap_psnr"


def known(name: str) -> Metric | None:
    """The entry of a full name: ``retrieval_top1[mixed]@100``, ``evaluation/final/test/psnr/A_to_B``,
    ``val/reconstruction_psnr/A``, ``loss/generator/pixel``; None for what is not in the catalogue."""
    key = _key(name)
    return None if key is None else CATALOGUE[key]


def metric(name: str) -> Metric:
    """The entry of a full name; KeyError where there is none."""
    return CATALOGUE[_key(name) or name]


def _key(name: str) -> str | None:
    parts = name.split("/")
    if parts[0] == "evaluation":
        parts = parts[3:]
    found = "/".join(parts[: 2 if name.startswith(OF_A_RUN) else 1]).split("[")[0].split("@")[0]
    return found if found in CATALOGUE else None


def goodness(name: str, value: float) -> float | None:
    """``value`` turned so that more is better; None where the metric is unknown or has no better side."""
    entry = known(name)
    return None if entry is None else turned(entry.better, value)


def turned(better: str | None, value: float) -> float | None:
    """``value`` turned by a better side so that more is better; None where there is none."""
    return {"higher": value, "lower": -value, "zero": -abs(value), "one": -abs(value - 1)}.get(str(better))


def loss_of(name: str, value: float) -> float:
    """``value`` turned so that less is better, as every minimiser wants it; as it is where no side is better."""
    good = goodness(name, value)
    return value if good is None else -good


def better(name: str, value: float, than: float | None) -> bool:
    """Whether a value beats another (None: there is none yet); never where it is no number or no side is better."""
    if goodness(name, value) is None or not math.isfinite(value):
        return False
    return than is None or loss_of(name, value) < loss_of(name, than)


def order(name: str) -> int:
    """Place of a full metric name in the tables."""
    return list(CATALOGUE).index(_key(name) or name)


def check_choice(name: str, identities: Collection[str], rendered: bool) -> None:
    """UserError unless a model can be chosen by ``name``: a value of every validation, with a better side.

    ``rendered``: whether true swaps are known.
    """
    names = [key for key, entry in CATALOGUE.items() if key.startswith("val/") and entry.better is not None]
    names = [key for key in names if rendered or key != ORACLE]
    names += [f"val/reconstruction_psnr/{identity}" for identity in identities]
    if name not in names:
        raise UserError(f"checkpoint.best={name} is not measured while training; choose one of {', '.join(names)}")
