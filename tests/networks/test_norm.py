import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from swaplab.networks.norm import BatchNorm, GroupNorm
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
    with pytest.raises(ValueError, match=r"norm.groups=3 does not divide a width of 8"):
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
