"""The catalogue of all metrics, in the order of the tables: meaning, unit, better side and source.

Training, sweeps, dashboards, reports and evaluations all read it; none of them decides by itself what is better.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from swaplab.errors import UserError


@dataclass(frozen=True)
class Metric:
    """One metric.

    ``better``: ``higher``, ``lower``, ``zero`` or ``one`` (nearest to 0 or 1); None if it has no better side. ``unit``:
    empty for a pure number. ``source``: who proposed it; empty for our own and common ones. ``several``: what the
    bracket in its full name selects; empty if there is only one. ``counted``: determined by the config, so equal for
    all seeds. ``relative``: relative to a yardstick of real faces, so only comparable with the same yardstick.
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
REGIONS = "face (without occluders), occluder or surroundings"
KEPT = "occluder or surroundings"
GREY = "255ths"
WANG = "Wang et al. 2004"

CATALOGUE = {
    "score": Metric(
        "swap", "higher", "1 - MSE / MSE of the best trivial baseline, inside the face of the true swap", relative=True
    ),
    "psnr": Metric("swap", "higher", "PSNR to the true swap inside its face", "dB"),
    "mse": Metric("swap", "lower", "mean squared error to the true swap inside its face"),
    "ssim": Metric("swap", "higher", "structural similarity to the true swap inside its face", source=WANG),
    "retrieval_top1": Metric(
        "kept", "higher", "share of frames whose true swap is the nearest candidate", several=SETS
    ),
    "retrieval_mrr": Metric("kept", "higher", "mean reciprocal rank of the true swap", several=SETS),
    "identity": Metric(
        "identity", "higher", "cosine to the target; 0 is the real source, 1 the real target", relative=True
    ),
    "identity_cosine": Metric("identity", "higher", "cosine of the descriptor to the target's centroid", relative=True),
    "identity_distance": Metric("identity", "lower", "Euclidean distance to the target's centroid", relative=True),
    "nearer_to_target": Metric(
        "identity", "higher", "share of frames nearer to the target than to the source", relative=True
    ),
    "leak": Metric("identity", "zero", "how much of the source's face is left: 0 is nothing, 1 a copy"),
    "copy_ratio": Metric("identity", "one", "change from the query relative to the true change; 0 is a copy"),
    "error": Metric("regions", "lower", "mean absolute difference to the true swap", GREY, several=REGIONS),
    "kept_error": Metric(
        "regions", "lower", "mean absolute difference to the query outside the face", GREY, several=KEPT
    ),
    "landmark_distance": Metric(
        "landmarks", "lower", "mean distance of 68 landmarks to the query's, in interocular distances"
    ),
    "landmark_distance_aligned": Metric("landmarks", "lower", "the same after the best similarity transform"),
    "pose_difference": Metric("landmarks", "lower", "rotation between the heads of query and answer", "degrees"),
    "yaw_difference": Metric("landmarks", "lower", "difference in yaw between query and answer", "degrees"),
    "pitch_difference": Metric("landmarks", "lower", "difference in pitch between query and answer", "degrees"),
    "roll_difference": Metric("landmarks", "lower", "difference in roll between query and answer", "degrees"),
    "yaw_correlation": Metric("landmarks", "higher", "correlation over frames of the yaws of query and answer"),
    "pitch_correlation": Metric("landmarks", "higher", "correlation over frames of the pitches"),
    "mouth_correlation": Metric("landmarks", "higher", "correlation over frames of the mouth openings"),
    "eye_correlation": Metric("landmarks", "higher", "correlation over frames of the eye openings"),
    "tenengrad_ratio": Metric(
        "sharpness", "one", "squared gradient relative to the reference, inside the face", source="Tenenbaum 1970"
    ),
    "high_frequency_share": Metric("sharpness", None, "share of spectral energy above 0.25 cycles per pixel"),
    "spectral_gap": Metric("sharpness", "lower", "mean |log2| of octave energies relative to the reference"),
    "coherence": Metric("sharpness", "higher", "band coherence with the true swap; noise lowers it", several=BANDS),
    "octave_log2": Metric("spectrum", None, "log2 of an octave's energy relative to the reference", several=BANDS),
    "mask_iou": Metric("model", "higher", "overlap (IoU) of the predicted mask with the query's face"),
    "reconstruction_psnr": Metric("model", "higher", "PSNR of the reconstructed source inside its face", "dB"),
    "reconstruction_ssim": Metric("model", "higher", "structural similarity of the reconstructed source", source=WANG),
    "val/reconstruction_mse": Metric("training", "lower", "error of each identity's reconstruction, inside its face"),
    "val/reconstruction_psnr": Metric("training", "higher", "each identity's reconstruction, inside its face", "dB"),
    "val/oracle_swap_psnr": Metric("training", "higher", "to the true swap; never used to choose a model", "dB"),
    "train/images_per_second": Metric("training", "higher", "training speed", "images/s"),
    "train/progress": Metric("training", None, "share of the budget used so far"),
    "loss/generator": Metric("training", "lower", "a loss of the generator, raw or weighted"),
    "loss/discriminator": Metric("training", None, "a loss of the discriminator; low may mean a weak generator"),
    "cost/parameters": Metric("cost", "lower", "number of generator parameters", counted=True),
    "cost/macs": Metric("cost", "lower", "multiply-accumulates to encode and decode one face", counted=True),
    "cost/seconds": Metric("cost", "lower", "time of all sessions", "s"),
    "cost/images_per_second": Metric("cost", "higher", "training speed", "images/s"),
    "cost/peak_memory_mb": Metric("cost", "lower", "peak memory", "MB"),
}
OF_A_RUN = ("val/", "loss/", "train/", "cost/")  # metrics of training; all others are measured by an evaluation
EXACT_PSNR = 100.0  # dB, the PSNR of equal images
ORACLE = "val/oracle_swap_psnr"


def known(name: str) -> Metric | None:
    """The entry for a full name, such as ``retrieval_top1[mixed]@100``, ``evaluation/final/test/psnr/A_to_B``,
    ``val/reconstruction_psnr/A`` or ``loss/generator/pixel``; None for an unknown metric."""
    key = _key(name)
    return None if key is None else CATALOGUE[key]


def metric(name: str) -> Metric:
    """The entry for a full name. Raises KeyError for an unknown metric."""
    return CATALOGUE[_key(name) or name]


def _key(name: str) -> str | None:
    parts = name.split("/")
    if parts[0] == "evaluation":
        parts = parts[3:]
    found = "/".join(parts[: 2 if name.startswith(OF_A_RUN) else 1]).split("[")[0].split("@")[0]
    return found if found in CATALOGUE else None


def goodness(name: str, value: float) -> float | None:
    """``value`` transformed so that higher is better; None if the metric is unknown or has no better side."""
    entry = known(name)
    return None if entry is None else turned(entry.better, value)


def turned(better: str | None, value: float) -> float | None:
    """``value`` transformed by its ``better`` side so that higher is better; None without a better side."""
    return {"higher": value, "lower": -value, "zero": -abs(value), "one": -abs(value - 1)}.get(str(better))


def loss_of(name: str, value: float) -> float:
    """``value`` transformed so that lower is better, for minimisers; unchanged without a better side."""
    good = goodness(name, value)
    return value if good is None else -good


def better(name: str, value: float, than: float | None) -> bool:
    """Whether ``value`` beats ``than`` (None: no value yet); False for a non-finite value or without a better side."""
    if goodness(name, value) is None or not math.isfinite(value):
        return False
    return than is None or loss_of(name, value) < loss_of(name, than)


def written(name: str, value: float) -> str:
    """A metric's value with its significant digits; a PSNR that float32 cannot tell from equality is "exact"."""
    base = name.split("[")[0].split("/")
    if any(part.endswith("psnr") for part in base):
        return "exact" if value >= EXACT_PSNR - 1e-6 else f"{value:.2f}"
    digits = 5 if base[-1].endswith("mse") else 3
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: avoids -0


def order(name: str) -> int:
    """Position of a full metric name in the tables."""
    return list(CATALOGUE).index(_key(name) or name)


def check_choice(name: str, identities: Collection[str], rendered: bool) -> None:
    """Raises UserError unless a model can be chosen by the metric ``name``: measured at every validation, with a better
    side. ``rendered``: whether true swaps are known."""
    names = [key for key, entry in CATALOGUE.items() if key.startswith("val/") and entry.better is not None]
    names = [key for key in names if rendered or key != ORACLE]
    names += [f"val/reconstruction_psnr/{identity}" for identity in identities]
    if name not in names:
        raise UserError(f"checkpoint.best={name} is not measured during training; choose one of {', '.join(names)}")
