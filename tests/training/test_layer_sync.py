import torch
from torch import nn

from swaplab.networks.norm import BatchNorm, GroupNorm, InstanceNorm, SyncBatchNorm
from swaplab.training.layer_sync import SyncBatchNorms


class Doubled(nn.BatchNorm2d):
    """A batch norm with a forward of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


def network() -> nn.Sequential:
    layers = [nn.BatchNorm2d(8, momentum=0.3, eps=1e-3), BatchNorm(8), Doubled(8), InstanceNorm(8), GroupNorm(8)]
    return nn.Sequential(*layers, nn.InstanceNorm2d(8, track_running_stats=True), nn.Sequential(nn.BatchNorm2d(8)))


def test_plain_batch_norms_alone_are_synchronised_and_come_back_as_they_were() -> None:
    model, plugin, x = network(), SyncBatchNorms(), torch.randn(4, 8, 3, 3)
    model(x)
    model[1].eval()
    before = [(layer, type(layer), layer.training) for layer in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    assert plugin.apply(model) is model
    synchronised = [name for name, layer in model.named_modules() if isinstance(layer, SyncBatchNorm)]
    assert synchronised == ["0", "1", "6.0"]
    assert model[0].momentum == 0.3
    assert not model[1].training
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert plugin.revert(model) is model
    assert [(layer, type(layer), layer.training) for layer in model.modules()] == before
