"""Distances between images inside a mask. Every metric returns one float64 value per frame.

Images are RGB (N, 3, R, R) in [0, 1]; masks (N, 1, R, R) in [0, 1] weight the pixels, so that a half-covered pixel
counts half.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from swaplab.catalogue import EXACT_PSNR

# PSNR of equal images in dB, also used for mean squared errors below 1e-10 (float32 rounding)
EXACT = EXACT_PSNR
GREY = 1 / 255
LEAST = 0.005  # minimum share of all pixels for a region to be measured
WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03  # SSIM, Wang et al. 2004, section III.B


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` (N, C, R, R) over channels and pixels weighted by ``mask`` (N, 1, R, R): (N,)."""
    weighted = (values * mask).sum((1, 2, 3), dtype=torch.float64)
    return weighted / (values.shape[1] * mask.sum((1, 2, 3), dtype=torch.float64))


def masked_mse(image: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error inside the mask, (N,)."""
    return masked_mean((image - reference).square(), mask)


def psnr(mse: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for mean squared errors of images in [0, 1], at most ``EXACT``."""
    return -10 * mse.clamp_min(10 ** (-EXACT / 10)).log10()


def luma(image: Tensor) -> Tensor:
    """Luma (N, 1, R, R) of RGB images (ITU-R BT.601), float64."""
    return torch.einsum("nchw,c->nhw", image, image.new_tensor([0.299, 0.587, 0.114]))[:, None].double()


def ssim(image: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Mean structural similarity of the luma inside the mask, (N,): Wang et al. 2004, equation 13.

    Gaussian windows of 11 x 11 pixels, sigma 1.5, K = (0.01, 0.03), range 1; the border is mirrored.
    """
    x, y = luma(image), luma(reference)
    mean_x, mean_y = _gaussian(x), _gaussian(y)
    variance_x, variance_y = _gaussian(x * x) - mean_x**2, _gaussian(y * y) - mean_y**2
    covariance = _gaussian(x * y) - mean_x * mean_y
    c1, c2 = K1**2, K2**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
    return masked_mean(similarity, mask)


def _gaussian(x: Tensor) -> Tensor:
    """``x`` (N, 1, R, R) filtered by the SSIM window, same size; two matrix products are faster than a convolution."""
    offsets = torch.arange(WINDOW, dtype=x.dtype) - WINDOW // 2
    weights = torch.softmax(-(offsets**2) / (2 * SIGMA**2), 0)
    positions = F.pad(torch.arange(x.shape[-1], dtype=x.dtype)[None], [WINDOW // 2] * 2, mode="reflect")[0].long()
    rows = torch.zeros(x.shape[-1], x.shape[-1], dtype=x.dtype)
    for i, row in enumerate(rows):
        row.index_add_(0, positions[i : i + WINDOW], weights)
    return rows @ x @ rows.T


def mask_iou(alpha: Tensor, mask: Tensor) -> Tensor:
    """Intersection over union of two masks (N, 1, R, R), thresholded at 1/2: (N,); 1 if both are empty."""
    a, b = alpha > 0.5, mask > 0.5
    union = (a | b).sum((1, 2, 3), dtype=torch.float64)
    return torch.where(union > 0, (a & b).sum((1, 2, 3), dtype=torch.float64) / union, 1.0)


def telling(query: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Whether true swap and query differ inside the mask by more than one grey level (root mean square), (N,) bool.

    Below that, `leak` and `copy_ratio` would divide rounding errors by rounding errors.
    """
    return masked_mse(query, truth, mask) > GREY**2


def leak(image: Tensor, query: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """How much of the source is left in the answer, (N,), for `telling` frames.

    <answer - truth, query - truth> / |query - truth|^2 inside the mask: s for answer = (1 - s) truth + s query.
    Differences orthogonal to query - truth (blur, noise) do not count.
    """
    way = query - truth
    return masked_mean((image - truth) * way, mask) / masked_mean(way.square(), mask)


def copy_ratio(image: Tensor, query: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """The answer's change from the query, in units of the true swap's change, (N,), for `telling` frames.

    |answer - query|_1 / |truth - query|_1 inside the mask: 0 is a copy, 1 a change as large as the true one.
    """
    return masked_mean((image - query).abs(), mask) / masked_mean((truth - query).abs(), mask)


def masked_error(image: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference inside the mask, in 255ths of the range, (N,)."""
    return masked_mean((image - reference).abs(), mask) / GREY


def large(mask: Tensor) -> Tensor:
    """Whether a mask (N, 1, R, R) covers enough to be measured, (N,) bool."""
    return mask.mean((1, 2, 3)) >= LEAST


def score(mse: Tensor, trivial_mse: Tensor) -> float:
    """1 - mean MSE / mean MSE of the best trivial baseline: 1 is the true swap, 0 as good as that baseline."""
    return 1 - float(mse.mean()) / float(trivial_mse.mean())
