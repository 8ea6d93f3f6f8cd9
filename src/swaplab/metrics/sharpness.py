"""Is an image sharp, and is its sharpness right? Every function answers float64 numbers per frame.

Gradients and high frequencies alone are won by noise, so coherence with the truth stands beside them. Spectra
are those of the whole face region under a Hann window, because a mask's outline would be a frequency of its
own.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from swaplab.metrics.pixels import luma, masked_mean

HIGH = 0.25  # cycles per pixel; half of what a pixel grid can hold
TINY = 1e-20


def tenengrad(image: Tensor, mask: Tensor) -> Tensor:
    """Mean squared Sobel gradient of the luma inside the mask, (N,): Tenenbaum 1970, without a threshold."""
    smooth, slope = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.tensor([-1.0, 0.0, 1.0]) / 2
    kernels = torch.stack([smooth[:, None] * slope, slope[:, None] * smooth])[:, None]
    gradients = F.conv2d(F.pad(luma(image).float(), [1] * 4, mode="replicate"), kernels)
    return masked_mean(gradients.square().sum(1, keepdim=True), mask)


def spectrum(image: Tensor) -> Tensor:
    """Fourier transform (N, R, R) of the luma, freed of its mean, under a Hann window in both directions."""
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
    """Bands (low, high) in cycles per pixel from fine to coarse; none is below two cycles per region."""
    count = max(int(math.log2(side)) - 2, 1)
    return [(2.0 ** -(i + 2), 2.0 ** -(i + 1)) for i in range(count)]


def band_energy(power: Tensor, low: float, high: float) -> Tensor:
    """Sum of ``power`` (N, R, R) over low < frequency <= high, (N,); the finest octave has no upper end."""
    frequency = radial_frequency(power.shape[-1])
    inside = (frequency > low) & ((frequency <= high) | (high >= 0.5))
    return power[:, inside].sum(1)


def high_frequency_share(ours: Tensor) -> Tensor:
    """Share of the energy of a spectrum (N, R, R) above ``HIGH`` cycles per pixel, (N,)."""
    power = ours.abs().square()
    return band_energy(power, HIGH, 0.5) / power.sum((1, 2)).clamp_min(TINY)


def octave_log_ratio(ours: Tensor, reference: Tensor) -> Tensor:
    """log2 of the energy of a spectrum over the reference's in each of `octaves`, (N, octaves); 0 is equal."""
    powers = ours.abs().square(), reference.abs().square()
    energies = [[band_energy(power, *band).clamp_min(TINY) for power in powers] for band in octaves(ours.shape[-1])]
    return torch.stack([(own / other).log2() for own, other in energies], 1)


def coherence(ours: Tensor, truth: Tensor, band: tuple[float, float]) -> Tensor:
    """|<Y T*>|^2 / (<|Y|^2> <|T|^2>) over a band of two spectra, (N,): 1 is right, noise is near 0.

    The noise guard: a sharpened or noisy image gains energy in the band, never coherence.
    """
    product = ours * truth.conj()
    cross = torch.complex(band_energy(product.real, *band), band_energy(product.imag, *band))
    energy = band_energy(ours.abs().square(), *band) * band_energy(truth.abs().square(), *band)
    return cross.abs().square() / energy.clamp_min(TINY)
