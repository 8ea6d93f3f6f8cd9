"""Differentiable structural similarity of images in [0, 1]."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, DEVIATION = 11, 1.5
# (K1 L)^2 and (K2 L)^2 of Wang et al. 2004 for a range L of 1
LUMINANCE, CONTRAST = 0.01**2, 0.03**2
# Wang et al. 2003, section 3.2: fine to coarse
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
FLOOR = 1e-6  # keeps the gradient of fractional powers finite


@lru_cache(maxsize=8)
def _windows(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The Gaussian at every place where it fits into ``side`` pixels: (side - 10, side), rows with sum 1."""
    at = torch.arange(WINDOW, dtype=dtype, device=device) - WINDOW // 2
    taps = torch.exp(-(at**2) / (2 * DEVIATION**2))
    rows = torch.zeros(side - WINDOW + 1, side, dtype=dtype, device=device)
    for i, row in enumerate(rows):
        row[i : i + WINDOW] = taps / taps.sum()
    return rows


def _smooth(x: Tensor) -> Tensor:
    """Gaussian filter without padding: (n, c, h, w) -> (n, c, h - 10, w - 10).

    Two matrix products; a convolution gives the same numbers, in ten times the time on a CPU.
    """
    down, across = (_windows(side, x.dtype, x.device) for side in x.shape[-2:])
    return down @ x @ across.T


def similarity_map(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure of two images (n, c, h, w): two maps (n, c, h - 10, w - 10), at most 1.

    Their product is SSIM (Wang et al. 2004, equation 13). Images need at least 11 pixels per side. Computed outside
    autocast, because variances are differences of nearly equal numbers.
    """
    with torch.autocast(a.device.type, enabled=False):
        mean_a, mean_b, aa, bb, ab = _smooth(torch.cat([a, b, a * a, b * b, a * b])).chunk(5)
    luminance = (2 * mean_a * mean_b + LUMINANCE) / (mean_a**2 + mean_b**2 + LUMINANCE)
    variance_a, variance_b, covariance = aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b
    return luminance, (2 * covariance + CONTRAST) / (variance_a + variance_b + CONTRAST)


def scales_of(side: int) -> int:
    """The number of scales of an image of ``side`` pixels that hold a window, 1 to 5."""
    return max(1, min(len(EXPONENTS), (side // WINDOW).bit_length()))


def multi_scale_similarity(a: Tensor, b: Tensor, scales: int) -> Tensor:
    """MS-SSIM (Wang et al. 2003, equation 7) per image and channel: (n, c) in [0, 1].

    Each scale halves the previous one by 2x2 means. Exponents are the paper's first ``scales``, divided by their sum;
    factors below 1e-6, including negative ones, are raised to it.
    """
    exponents = [e / sum(EXPONENTS[:scales]) for e in EXPONENTS[:scales]]
    value = torch.ones(a.shape[:2], dtype=a.dtype, device=a.device)
    for scale, exponent in enumerate(exponents):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        luminance, contrast = similarity_map(a, b)
        factor = (luminance * contrast if scale == scales - 1 else contrast).mean((2, 3))
        value = value * factor.clamp(min=FLOOR) ** exponent
    return value
