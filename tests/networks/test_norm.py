import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from swaplab.networks.norm import (
    AffineOnly,
    BatchNorm,
    GroupNorm,
    HybridNorm,
    InstanceNorm,
    LayerNorm,
    ScalarLayerNorm,
    SyncBatchNorm,
)
from swaplab.networks.regularisation import he_normal
from swaplab.networks.statistics import untracked


def group_norm_reference(x: np.ndarray, groups: int, eps: float) -> np.ndarray:
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in np.split(np.arange(x.shape[1]), groups):
            y[n, c] = (x[n, c] - x[n, c].mean()) / np.sqrt(x[n, c].var() + eps)
    return y


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_group_norm_matches_the_formula(groups: int) -> None:
    x = torch.randn(3, 8, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    actual = GroupNorm(8, groups=groups).double()(x).detach().numpy()
    np.testing.assert_allclose(actual, group_norm_reference(x.numpy(), groups, 1e-5), rtol=1e-10, atol=1e-12)


def test_a_group_count_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"norm.groups=3 must divide the number of channels, 8"):
        GroupNorm(8, groups=3)


def test_config_builds_it_for_the_width_of_the_network() -> None:
    with initialize_config_module("swaplab.conf", version_base="1.3"):
        config = compose("train", ["data=facesets", "norm=group", "norm.groups=4"])
    assert instantiate(config.norm)(64).num_groups == 4


def test_untracked_forwards_normalise_by_the_batch_and_leave_running_statistics_alone() -> None:
    norm = BatchNorm(4)
    x = torch.randn(6, 4, 3, 3) * 3 + 2
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    with untracked(norm):
        inside = norm(x)
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())
    torch.testing.assert_close(norm(x), inside)
    assert not torch.equal(norm.running_mean, before["running_mean"])


def faces(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 3 + 2


def test_layer_and_instance_norm_match_the_formula() -> None:
    x = faces(3, 8, 5, 7)
    for layer, groups in ((LayerNorm(8), 1), (InstanceNorm(8), 8)):
        actual = layer.double()(x).detach().numpy()
        np.testing.assert_allclose(actual, group_norm_reference(x.numpy(), groups, 1e-5), rtol=1e-10, atol=1e-12)
        assert [tuple(p.shape) for p in layer.parameters()] == [(8,), (8,)]


def scalar_layer_reference(x: np.ndarray, gain: float, bias: float) -> np.ndarray:
    y = np.empty_like(x)
    for n, sample in enumerate(x):
        mean = sum(sample.flat) / sample.size
        deviation = np.sqrt(sum((v - mean) ** 2 for v in sample.flat) / sample.size)
        y[n] = gain * (sample - mean) / (deviation + 1e-3) + bias
    return y


def test_scalar_layer_norm_adds_eps_to_the_deviation_of_the_whole_sample() -> None:
    layer = ScalarLayerNorm(6).double()
    assert [tuple(p.shape) for p in layer.parameters()] == [(1,), (1,)]
    with torch.no_grad():
        layer.weight.fill_(1.5)
        layer.bias.fill_(-0.25)
    # a faint sample, where it matters where eps is added
    x = torch.cat([faces(2, 6, 4, 3), faces(1, 6, 4, 3) * 1e-3])
    expected = scalar_layer_reference(x.numpy(), 1.5, -0.25)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_scalar_layer_norm_of_a_constant_sample_has_a_finite_gradient() -> None:
    x = torch.ones(1, 4, 2, 2, requires_grad=True)
    ScalarLayerNorm(4)(x).square().sum().backward()
    assert torch.isfinite(x.grad).all()


def test_affine_only_is_batch_norm_with_moments_that_never_moved() -> None:
    layer = AffineOnly(4).double()
    frozen = torch.nn.BatchNorm2d(4, eps=1e-3).double().eval()
    with torch.no_grad():
        for mine, theirs in ((layer.weight, frozen.weight), (layer.bias, frozen.bias)):
            mine.copy_(torch.randn(4))
            theirs.copy_(mine)
    x = faces(2, 4, 3, 3)
    torch.testing.assert_close(layer(x), frozen(x))


@pytest.mark.parametrize("convolved", [None, 1])
def test_hybrid_convolves_the_first_channels_and_normalises_the_others(convolved: int | None) -> None:
    layer = HybridNorm(8, convolved=convolved).double()
    first = convolved or 4
    x = faces(2, 8, 3, 5)
    kernel, bias = layer.conv.weight.detach().numpy()[:, :, 0, 0], layer.conv.bias.detach().numpy()
    expected = np.concatenate(
        [
            np.einsum("oi,nihw->nohw", kernel, x.numpy()[:, :first]) + bias[:, None, None],
            scalar_layer_reference(x.numpy()[:, first:], 1.0, 0.0),
        ],
        1,
    )
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    assert sum(p.numel() for p in layer.parameters()) == first**2 + first + 2


def test_he_normal_is_cut_at_two_deviations_and_not_corrected() -> None:
    weight = he_normal(torch.empty(256, 32, 3, 3))
    deviation = (2 / (32 * 9)) ** 0.5
    assert weight.abs().max() <= 2 * deviation
    assert float(weight.std()) == pytest.approx(0.8796 * deviation, rel=5e-3)


def test_one_rank_synchronised_is_plain_batch_norm_bit_for_bit() -> None:
    x = faces(3, 4, 5, 5).float()
    plain, synchronised = BatchNorm(4), SyncBatchNorm(4)
    assert torch.equal(plain(x), synchronised(x))
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in synchronised.state_dict().items())
    assert torch.equal(plain.eval()(x), synchronised.eval()(x))
