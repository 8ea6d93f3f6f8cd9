import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from swaplab.metrics.sharpness import (
    band_energy,
    coherence,
    high_frequency_share,
    octave_log_ratio,
    octaves,
    spectrum,
    tenengrad,
)

SIDE = 64


def wave(frequency: float, phase: float = 0.0) -> torch.Tensor:
    """A grey grating (1, 3, SIDE, SIDE) of ``frequency`` cycles per pixel across."""
    x = torch.arange(SIDE, dtype=torch.float64)
    row = 0.5 + 0.2 * torch.sin(2 * math.pi * frequency * x + phase)
    return row.expand(1, 3, SIDE, SIDE).float()


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    """Images whose energy falls with frequency, as that of photographs does."""
    noise = torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    images = sum(F.interpolate(F.avg_pool2d(noise, k), SIDE, mode="bilinear") * k for k in (1, 2, 4, 8, 16))
    return (0.5 + 0.03 * images).clamp(0, 1)


def blurred(images: torch.Tensor) -> torch.Tensor:
    offsets = torch.arange(-4, 5)
    weights = torch.exp(-(offsets**2) / 2)
    kernel = (weights[:, None] * weights / weights.sum() ** 2).expand(3, 1, 9, 9)
    return F.conv2d(F.pad(images, [4] * 4, mode="replicate"), kernel, groups=3)


def noisy(images: torch.Tensor, sigma: float) -> torch.Tensor:
    return images + sigma * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))


def test_gradient_of_a_ramp_is_its_slope_squared() -> None:
    ramp = (0.01 * torch.arange(SIDE)).expand(1, 3, SIDE, SIDE).float()
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 8:56, 8:56] = 1
    assert float(tenengrad(ramp, mask)) == pytest.approx(1e-4, rel=1e-3)
    assert float(tenengrad(ramp.mT, mask)) == pytest.approx(1e-4, rel=1e-3)
    assert float(tenengrad(torch.full_like(ramp, 0.3), mask)) == pytest.approx(0, abs=1e-12)


def test_gradient_outside_the_mask_does_not_count() -> None:
    image = torch.zeros(1, 3, SIDE, SIDE)
    image[..., 40:] = 1
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., :32] = 1
    assert float(tenengrad(image, mask)) == 0


@pytest.mark.parametrize(("frequency", "share"), [(0.1, 0), (0.2, 0), (0.3, 1), (0.45, 1)])
def test_a_grating_is_high_or_low(frequency: float, share: float) -> None:
    assert float(high_frequency_share(spectrum(wave(frequency)))) == pytest.approx(share, abs=0.01)


def test_brightness_is_no_frequency() -> None:
    powers = [spectrum(wave(0.15) + offset).abs().square() for offset in (0.0, 0.2)]
    torch.testing.assert_close(powers[0], powers[1], atol=1e-3, rtol=1e-3)


def test_octaves_part_all_frequencies_but_the_lowest() -> None:
    bands = octaves(SIDE)
    assert bands == [(0.25, 0.5), (0.125, 0.25), (0.0625, 0.125), (0.03125, 0.0625)]
    power = torch.ones(1, SIDE, SIDE, dtype=torch.float64)
    low = int((np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIDE)] * 2)) <= bands[-1][0]).sum())
    assert sum(float(band_energy(power, *band)) for band in bands) == SIDE**2 - low


def test_half_the_contrast_is_a_quarter_of_the_energy_in_every_octave(truth: torch.Tensor) -> None:
    paler = 0.5 + 0.5 * (truth - 0.5)
    ratios = octave_log_ratio(spectrum(paler), spectrum(truth))
    np.testing.assert_allclose(ratios.numpy(), -2, atol=1e-3)


def test_blur_takes_sharpness_away(truth: torch.Tensor) -> None:
    mask = torch.ones(len(truth), 1, SIDE, SIDE)
    soft = blurred(truth)
    assert (tenengrad(soft, mask) < 0.8 * tenengrad(truth, mask)).all()
    assert (high_frequency_share(spectrum(soft)) < 0.3 * high_frequency_share(spectrum(truth))).all()
    ratios = octave_log_ratio(spectrum(soft), spectrum(truth)).mean(0)
    assert (ratios.diff() > 0).all()  # the finer the octave the more is lost
    # A Gaussian of sigma 1 multiplies amplitudes by exp(-2 pi^2 f^2): at the coarsest octave hardly anything.
    assert -0.2 < float(ratios[-1]) < 0


def test_noise_looks_sharp_but_is_not_coherent(truth: torch.Tensor) -> None:
    exact, rough = spectrum(truth), spectrum(noisy(truth, 0.05))
    assert (high_frequency_share(rough) > high_frequency_share(exact)).all()
    band = (0.25, 0.5)
    before, after = coherence(exact, exact, band), coherence(rough, exact, band)
    np.testing.assert_allclose(before.numpy(), 1, rtol=1e-9)
    assert (after < 0.8).all()
    # Independent noise adds its energy: coherence = signal / (signal + noise).
    own = band_energy(exact.abs().square(), *band)
    expected = own / band_energy(rough.abs().square(), *band)
    np.testing.assert_allclose(after.numpy(), expected.numpy(), atol=0.1)


def test_coherence_sees_phase_and_not_contrast() -> None:
    band = (0.25, 0.5)
    plain, paler = spectrum(wave(0.3)), spectrum(0.5 + 0.5 * (wave(0.3) - 0.5))
    assert float(coherence(paler, plain, band)) == pytest.approx(1, abs=1e-3)
    unrelated = spectrum(noisy(torch.full((1, 3, SIDE, SIDE), 0.5), 0.1))
    assert float(coherence(unrelated, plain, band)) < 0.05
