import pytest
import torch
from torch import nn

from swaplab.errors import UserError
from swaplab.networks.faceswap_gan_v1 import ConvBlock, FaceswapGANV1, FaceswapGANV1Discriminator
from swaplab.networks.mask import LearnedMask
from swaplab.networks.protocols import Discriminator, Generator


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_has_the_parameters_of_the_original() -> None:
    with torch.device("meta"):
        network, judge = FaceswapGANV1(("A", "B")), FaceswapGANV1Discriminator(("A", "B"))
    assert parameters(network.encoder) == 58_717_888
    assert parameters(network.decoders["B"]) == 6_345_411
    assert parameters(judge.patches["A"]) == 662_528


def test_shapes_ranges_and_protocols() -> None:
    network = FaceswapGANV1(("A",), width=0.1, latent=16, slope=0.2, mask=LearnedMask)
    judge = FaceswapGANV1Discriminator(("A",), width=0.1, conditional=True)
    assert isinstance(network, Generator)
    assert isinstance(judge, Discriminator)
    faces = torch.rand(2, 3, 64, 64)
    output = network.decode(network.encode(faces, "A"), "A")
    scores = judge.judge(faces, "A", faces)
    assert scores.shape == (2, 1, 8, 8)
    assert output.mask is not None
    for values in (output.raw, output.mask, scores):
        assert values.min() >= 0
        assert values.max() <= 1
    assert not torch.equal(scores, judge.judge(faces, "A", 1 - faces))


def test_scores_are_linear_without_the_sigmoid() -> None:
    judge = FaceswapGANV1Discriminator(("A",), width=0.1)
    faces = torch.rand(2, 3, 64, 64)
    with_sigmoid = judge.judge(faces, "A", faces)
    judge.sigmoid = False
    torch.testing.assert_close(torch.sigmoid(judge.judge(faces, "A", faces)), with_sigmoid)


def test_another_resolution_is_refused() -> None:
    for kind in (FaceswapGANV1, FaceswapGANV1Discriminator):
        with pytest.raises(UserError, match=r"must be 64 for .*=faceswap_gan_v1; got 128"):
            kind(("A",), resolution=128)


def test_kernels_start_as_published_at_full_width_and_the_heads_as_keras_does() -> None:
    torch.manual_seed(0)
    assert float(ConvBlock(64, 128, kernel=3, slope=0, published=64).conv.weight.detach().std()) == pytest.approx(
        0.02, rel=0.02
    )
    colour = FaceswapGANV1(("A",), width=0.1, latent=16).decoders["A"].colour.weight
    bound = (6 / (25 * (colour.shape[0] + colour.shape[1]))) ** 0.5
    assert 0.95 * bound < float(colour.detach().abs().max()) <= bound


def strengths(width: float) -> list[float]:
    """Deviation of every layer's output at the start, of generator and discriminator."""
    torch.manual_seed(0)
    network, judge = FaceswapGANV1(("A",), width=width, latent=256), FaceswapGANV1Discriminator(("A",), width=width)
    found: list[float] = []
    for layer in (*network.modules(), *judge.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda _, __, output: found.append(float(output.std())))
    with torch.no_grad():
        faces = torch.rand(4, 3, 64, 64)
        network.decode(network.encode(faces, "A"), "A")
        judge.judge(faces, "A", faces)
    return found


def test_signals_are_as_strong_at_any_width() -> None:
    for narrow, wide in zip(strengths(0.125), strengths(0.5), strict=True):
        assert 0.4 < narrow / wide < 2.5  # with N(0, 0.02) at both the last ones differ several hundredfold
