"""Is an image sharp, and is its sharpness correct? Every function returns float64 values per frame.

Noise alone increases gradients and high frequencies, so coherence with the truth is measured, too. Spectra cover the
whole face region under a Hann window, because the outline of a mask would add frequencies.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from swaplab.metrics.pixels import luma, masked_mean

HIGH = 0.25  # cycles per pixel; half of the Nyquist frequency
TINY = 1e-20


def tenengrad(image: Tensor, mask: Tensor) -> Tensor:
    """Mean squared Sobel gradient of the luma inside the mask, (N,): Tenenbaum 1970, without a threshold."""
    smooth, slope = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.tensor([-1.0, 0.0, 1.0]) / 2
    kernels = torch.stack([smooth[:, None] * slope, slope[:, None] * smooth])[:, None]
    gradients = F.conv2d(F.pad(luma(image).float(), [1] * 4, mode="replicate"), kernels)
    return masked_mean(gradients.square().sum(1, keepdim=True), mask)


def spectrum(image: Tensor) -> Tensor:
    """Fourier transform (N, R, R) of the luma minus its mean, under a Hann window in both directions."""
    side = image.shape[-1]
    hann = torch.sin(math.pi * (torch.arange(side, dtype=torch.float64) + 0.5) / side) ** 2
    window = hann[:, None] * hann
    grey = luma(image)[:, 0]
    mean = (grey * window).sum((1, 2), keepdim=True) / window.sum()
    return torch.fft.fft2((grey - mean) * window)


def radial_frequency(side: int) -> Tensor:
    """Cycles per pixel (side, side) of every coefficient of `spectrum`."""
    frequency = torch.fft.fftfreq(side, dtype=torch.float64)
    return torch.hypot(frequency[:, None], frequency[None])


def octaves(side: int) -> list[tuple[float, float]]:
    """Bands (low, high) in cycles per pixel, from fine to coarse; none goes below two cycles per region."""
    count = max(int(math.log2(side)) - 2, 1)
    return [(2.0 ** -(i + 2), 2.0 ** -(i + 1)) for i in range(count)]


def band_energy(power: Tensor, low: float, high: float) -> Tensor:
    """Sum of ``power`` (N, R, R) over low < frequency <= high, (N,); the finest octave has no upper bound."""
    frequency = radial_frequency(power.shape[-1])
    inside = (frequency > low) & ((frequency <= high) | (high >= 0.5))
    return power[:, inside].sum(1)


def high_frequency_share(ours: Tensor) -> Tensor:
    """Share of a spectrum's (N, R, R) energy above ``HIGH`` cycles per pixel, (N,)."""
    power = ours.abs().square()
    return band_energy(power, HIGH, 0.5) / power.sum((1, 2)).clamp_min(TINY)


def octave_log_ratio(ours: Tensor, reference: Tensor) -> Tensor:
    """log2 of the energy ratio of a spectrum to the reference in each of `octaves`, (N, octaves); 0 means equal."""
    powers = ours.abs().square(), reference.abs().square()
    energies = [[band_energy(power, *band).clamp_min(TINY) for power in powers] for band in octaves(ours.shape[-1])]
    return torch.stack([(own / other).log2() for own, other in energies], 1)


def coherence(ours: Tensor, truth: Tensor, band: tuple[float, float]) -> Tensor:
    """|<Y T*>|^2 / (<|Y|^2> <|T|^2>) over a band of two spectra, (N,): 1 is correct, noise is near 0.

    A guard against noise: sharpening or noise adds energy to the band, never coherence.
    """
    product = ours * truth.conj()
    cross = torch.complex(band_energy(product.real, *band), band_energy(product.imag, *band))
    energy = band_energy(ours.abs().square(), *band) * band_energy(truth.abs().square(), *band)
    return cross.abs().square() / energy.clamp_min(TINY)
