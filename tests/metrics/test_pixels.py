import numpy as np
import pytest
import torch

from swaplab.metrics.pixels import (
    EXACT,
    copy_ratio,
    large,
    leak,
    mask_iou,
    masked_error,
    masked_mse,
    psnr,
    score,
    ssim,
    telling,
)


def images(count: int, side: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def half(count: int, side: int = 16) -> torch.Tensor:
    mask = torch.zeros(count, 1, side, side)
    mask[..., : side // 2] = 1
    return mask


def test_error_counts_inside_the_mask_only() -> None:
    reference, mask = images(2), half(2)
    answer = reference.clone()
    answer[..., 8:] = 0  # outside
    answer[1, 0] += 0.3 * mask[1, 0]
    torch.testing.assert_close(masked_mse(answer, reference, mask), torch.tensor([0, 0.03], dtype=torch.float64))


def test_half_covered_pixels_count_half() -> None:
    reference = torch.zeros(1, 3, 2, 2)
    answer = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).expand(1, 3, 2, 2)
    mask = torch.tensor([[0.5, 1.0], [1.0, 0.0]]).view(1, 1, 2, 2)
    assert float(masked_mse(answer, reference, mask)) == pytest.approx(0.5 / 2.5)


def test_psnr_of_a_known_error_and_of_equal_images() -> None:
    assert psnr(torch.tensor([0.01, 1e-30, 0.0])).tolist() == pytest.approx([20, EXACT, EXACT])


def slow_ssim(x: np.ndarray, y: np.ndarray, mask: np.ndarray) -> float:
    """Wang et al. 2004, window by window."""
    x, y = (np.pad(np.tensordot([0.299, 0.587, 0.114], a, 1), 5, mode="reflect") for a in (x, y))
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    total = 0.0
    for i, j in np.ndindex(mask.shape):
        a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
        mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
        var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
        covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
        luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
        structure = (2 * covariance + 0.03**2) / (var_a + var_b + 0.03**2)
        total += mask[i, j] * luminance * structure
    return total / mask.sum()


def test_ssim_matches_the_windows_summed_one_by_one() -> None:
    x, mask = images(2), torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    y = (x + 0.2 * images(2, seed=2)).clamp(0, 1)
    expected = [slow_ssim(*(a[i].double().numpy() for a in (x, y)), mask[i, 0].double().numpy()) for i in range(2)]
    np.testing.assert_allclose(ssim(x, y, mask).numpy(), expected, rtol=1e-6)


def test_ssim_closed_forms() -> None:
    x, mask = images(1), half(1)
    assert float(ssim(x, x, mask)) == pytest.approx(1)
    dark, light = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)  # no structure: luminance term alone
    assert float(ssim(dark, light, mask)) == pytest.approx(expected, rel=1e-5)


def test_mask_iou_of_shifted_halves() -> None:
    a, b = half(1), half(1).roll(4, dims=-1)  # 8 of 16 columns each, 4 in common
    assert float(mask_iou(0.9 * a, b)) == pytest.approx(4 / 12)
    assert float(mask_iou(0.4 * a, b)) == 0
    assert float(mask_iou(0 * a, 0 * b)) == 1


def test_copy_ratio_is_nought_for_a_copy_and_one_for_the_truth() -> None:
    query, truth, mask = images(2), images(2, seed=1), half(2)
    for share in (0.0, 0.25, 1.0):
        answer = query + share * (truth - query)
        np.testing.assert_allclose(copy_ratio(answer, query, truth, mask).numpy(), share, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, -0.2])
def test_leak_is_the_share_of_the_source_whatever_else_is_wrong(share: float) -> None:
    query, truth, mask = images(2), images(2, seed=1), half(2)
    answer = truth + share * (query - truth)
    np.testing.assert_allclose(leak(answer, query, truth, mask).numpy(), share, atol=1e-6)
    # outside the mask nothing counts; inside, what has nothing to do with the source does not
    np.testing.assert_allclose(leak(mask * answer, query, truth, mask).numpy(), share, atol=1e-6)
    noise = 0.1 * torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    way = mask * (query - truth)
    onto = (noise * way).sum((1, 2, 3), keepdim=True) / way.square().sum((1, 2, 3), keepdim=True)
    np.testing.assert_allclose(leak(answer + noise - onto * way, query, truth, mask).numpy(), share, atol=1e-5)


def test_what_hardly_changes_cannot_tell_how_much_of_the_change_was_made() -> None:
    query, mask = images(3), half(3)
    truth = query + torch.tensor([0.0, 0.5 / 255, 2 / 255]).view(3, 1, 1, 1)
    assert telling(query, truth, mask).tolist() == [False, False, True]


def test_errors_of_regions_are_in_grey_levels() -> None:
    x, mask = images(2), half(2)
    np.testing.assert_allclose(masked_error(x + 3 / 255 * mask, x, mask).numpy(), 3, rtol=1e-4)
    np.testing.assert_allclose(masked_error(x + 3 / 255 * mask, x, 1 - mask).numpy(), 0)
    assert large(torch.stack([torch.zeros(1, 16, 16), half(1)[0]])).tolist() == [False, True]


def test_score_compares_means_over_frames() -> None:
    trivial = torch.tensor([0.1, 0.3])
    assert score(torch.tensor([0.1, 0.1]), trivial) == pytest.approx(0.5)
    assert score(torch.zeros(2), trivial) == 1
    assert score(trivial, trivial) == 0
