"""What is measured, in the order of the tables, and in which direction it is good."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """``better``: ``higher``, ``lower``, ``one`` (nearest to 1); None: neither is good or bad.

    ``several``: what the bracket of its full name chooses among; empty where a model has one such number.
    """

    group: str
    better: str | None
    meaning: str
    several: str = ""


SETS = "candidates: mixed, expression or pose"
BANDS = "octaves of cycles per pixel: 0.25-0.5 is the finest, 0.125-0.25 the next"

CATALOGUE = {
    "score": Metric("swap", "higher", "1 - MSE / MSE of the best trivial answer, inside the face of the true swap"),
    "psnr": Metric("swap", "higher", "dB to the true swap inside its face"),
    "mse": Metric("swap", "lower", "mean squared error to the true swap inside its face"),
    "ssim": Metric("swap", "higher", "structural similarity to the true swap inside its face"),
    "retrieval_top1": Metric("kept", "higher", "share of frames whose true swap is the nearest candidate", SETS),
    "retrieval_mrr": Metric("kept", "higher", "mean reciprocal rank of the true swap", SETS),
    "identity": Metric("identity", "higher", "cosine to the target; 0 is the real source, 1 the real target"),
    "identity_cosine": Metric("identity", "higher", "cosine of descriptors to the target's centroid"),
    "identity_distance": Metric("identity", "lower", "Euclidean distance to the target's centroid"),
    "nearer_to_target": Metric("identity", "higher", "share of frames nearer to the target than to the source"),
    "copy_index": Metric("identity", "lower", "share of frames more like the source than the target (cosine)"),
    "copy_ratio": Metric("identity", "one", "change of the query in units of the true change; 0 is a copy"),
    "landmark_distance": Metric("landmarks", "lower", "mean distance of 68 landmarks to the query's / interocular"),
    "landmark_distance_aligned": Metric("landmarks", "lower", "the same after the best similarity"),
    "pose_difference": Metric("landmarks", "lower", "degrees of the turn between the query's head and the answer's"),
    "yaw_difference": Metric("landmarks", "lower", "degrees between the yaws of query and answer"),
    "pitch_difference": Metric("landmarks", "lower", "degrees between the pitches of query and answer"),
    "roll_difference": Metric("landmarks", "lower", "degrees between the rolls of query and answer"),
    "yaw_correlation": Metric("landmarks", "higher", "correlation over frames of the query's yaw and the answer's"),
    "pitch_correlation": Metric("landmarks", "higher", "correlation over frames of the pitches"),
    "mouth_correlation": Metric("landmarks", "higher", "correlation over frames of the openings of the mouths"),
    "eye_correlation": Metric("landmarks", "higher", "correlation over frames of the openings of the eyes"),
    "tenengrad_ratio": Metric("sharpness", "one", "squared gradient over the reference's"),
    "high_frequency_share": Metric("sharpness", None, "spectral energy above 0.25 cycles per pixel"),
    "spectral_gap": Metric("sharpness", "lower", "mean |log2| of octave energies over the reference's"),
    "coherence": Metric("sharpness", "higher", "band coherence with the true swap; noise lowers it", BANDS),
    "octave_log2": Metric("spectrum", None, "log2 of an octave's energy over the reference's", BANDS),
    "mask_iou": Metric("model", "higher", "predicted mask against the query's face"),
    "reconstruction_psnr": Metric("model", "higher", "dB of source to source inside the query's face"),
    "reconstruction_ssim": Metric("model", "higher", "structural similarity of source to source"),
}


def metric(name: str) -> Metric:
    """The entry of a full metric name such as ``retrieval_top1[mixed]@100``."""
    return CATALOGUE[name.split("[")[0]]


def goodness(name: str, value: float) -> float | None:
    """``value`` turned so that more is better; None where the metric has no better side."""
    better = metric(name).better
    if better is None:
        return None
    return {"higher": value, "lower": -value, "one": -abs(value - 1)}[better]


def order(name: str) -> int:
    """Place of a full metric name in the tables."""
    return list(CATALOGUE).index(name.split("[")[0])
