import pytest
import torch

from swaplab.errors import UserError
from swaplab.networks.cyclegan import CycleGAN
from swaplab.networks.generator import decoded
from swaplab.networks.initialisation import initialise
from swaplab.networks.mask import LearnedMask, SeparateMask
from swaplab.networks.protocols import SwapOutput


def test_learned_mask_is_a_sigmoid_of_a_convolution() -> None:
    head = LearnedMask(2).double()
    initialise(head, 0, "mask")
    x = torch.rand(1, 2, 6, 6, dtype=torch.float64)
    weight, bias = head.conv.weight[0], head.conv.bias
    at = (x[0, :, 0:5, 1:6] * weight).sum() + bias  # centred on pixel (2, 3)
    torch.testing.assert_close(head(x)[0, 0, 2, 3], (1 / (1 + torch.exp(-at)))[0])


@pytest.mark.parametrize(
    ("shape", "resolution", "blocks"),
    [
        ((32, 8, 8), 64, ["up16", "up32", "up64"]),
        ((16, 1, 1), 16, ["up2", "up4", "up8", "up16"]),
        ((3, 64, 64), 64, ["down32", "down16", "down8", "up16", "up32", "up64"]),
    ],
)
def test_from_any_code_to_the_picture(shape: tuple[int, ...], resolution: int, blocks: list[str]) -> None:
    network = SeparateMask(("A", "B"), shape, resolution=resolution, width=0.1)
    initialise(network, 0, "generator.mask_network")
    assert [name for name, _ in network.trunks["A"].named_children()] == [*blocks, "head"]
    code = torch.rand(2, *shape, requires_grad=True)
    alpha = network(code, "A")
    assert alpha.shape == (2, 1, resolution, resolution)
    assert ((alpha > 0) & (alpha < 1)).all()
    assert not torch.equal(alpha, network(code, "B"))
    alpha.mean().backward()
    assert code.grad is not None
    assert code.grad.any()
    assert {path.split(".")[1] for path, p in network.named_parameters() if p.grad is not None} == {"A"}


def test_colours_learn_nothing_from_a_separate_mask() -> None:
    generator = CycleGAN(("A", "B"), resolution=64, width=0.1, blocks=1)
    faces = torch.rand(2, 3, 64, 64)
    code = generator.encode(faces, "A")
    assert decoded(generator, code, "B").mask is None
    generator.add_module("mask_network", SeparateMask(("A", "B"), code.shape[1:], resolution=64, width=0.1))
    output = decoded(generator, code, "B")
    assert isinstance(output, SwapOutput)
    assert output.mask is not None
    assert torch.equal(output.raw, generator.decode(code, "B").raw)
    output.mask.sum().backward()
    assert all(p.grad is None for p in generator.into.parameters())
    assert all(p.grad is not None for p in generator.mask_network.trunks["B"].parameters())


@pytest.mark.parametrize("shape", [(128,), (16, 12, 12)])
def test_a_code_it_cannot_grow_from_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="set mask=learned"):
        SeparateMask(("A",), shape, resolution=64)
