import pytest
import torch
import torch.nn.functional as F
from torch import nn

from swaplab.errors import UserError
from swaplab.networks.attention import SelfAttention
from swaplab.networks.faceswap_gan import (
    FaceswapGAN,
    FaceswapGANDiscriminator,
    NearestUpscale,
    ShuffleUpscale,
    depth_to_space,
    icnr,
)
from swaplab.networks.initialisation import initialise
from swaplab.networks.mask import LearnedMask
from swaplab.networks.norm import HybridNorm, ScalarLayerNorm
from swaplab.networks.protocols import Discriminator, Generator
from swaplab.networks.regularisation import regularised_kernels

IDENTITIES = ("A", "B")
NORMS = {"none": None, "instancenorm": ScalarLayerNorm, "hybrid": HybridNorm}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("norm", "capacity", "resolution", "attention", "encoder", "decoder", "discriminator"),
    [
        ("instancenorm", "standard", 64, True, 59_130_506, 6_300_924, 747_845),
        ("instancenorm", "standard", 64, False, 58_719_944, 6_311_946, 665_604),
        ("instancenorm", "standard", 128, True, 68_567_692, 6_490_305, 1_878_664),
        ("instancenorm", "standard", 128, False, 68_157_130, 6_501_327, 1_714_182),
        ("instancenorm", "standard", 256, True, 78_004_878, 6_679_686, 3_009_483),
        ("instancenorm", "lite", 64, True, 10_065_994, 415_460, 747_845),
        ("instancenorm", "lite", 128, True, 19_045_452, 436_329, 1_878_664),
        ("instancenorm", "lite", 256, True, 19_635_278, 457_198, 3_009_483),
        ("none", "standard", 64, True, 59_130_498, 6_300_918, 747_841),
        ("none", "lite", 64, True, 10_065_986, 415_454, 747_841),
        ("hybrid", "lite", 64, True, 10_119_690, 420_948, 768_517),
    ],
)
def test_has_the_parameters_of_the_original(
    norm: str, capacity: str, resolution: int, attention: bool, encoder: int, decoder: int, discriminator: int
) -> None:
    layers = {"norm": NORMS[norm], "attention": SelfAttention if attention else None}
    with torch.device("meta"):
        network = FaceswapGAN(IDENTITIES, resolution=resolution, capacity=capacity, mask=LearnedMask, **layers)
        judge = FaceswapGANDiscriminator(IDENTITIES, resolution=resolution, **layers)
    assert parameters(network.encoder) == encoder
    assert [parameters(d) for d in network.decoders.values()] == [decoder, decoder]
    assert [parameters(d) for d in judge.patches.values()] == [discriminator, discriminator]


def small(resolution: int, capacity: str, **layers: object) -> FaceswapGAN:
    return FaceswapGAN(IDENTITIES, resolution=resolution, capacity=capacity, width=0.125, latent=16, **layers)


@pytest.mark.parametrize("capacity", ["standard", "lite"])
@pytest.mark.parametrize("resolution", [64, 128, 256])
def test_shapes_ranges_and_protocol(resolution: int, capacity: str) -> None:
    layers = {"norm": ScalarLayerNorm, "attention": lambda c: SelfAttention(c, streaming=True)}
    network = small(resolution, capacity, mask=LearnedMask, **layers)
    assert isinstance(network, Generator)
    faces = torch.rand(2, 3, resolution, resolution)
    code = network.encode(faces, "A")
    assert code.shape[2:] == (8, 8)
    output = network.decode(code, "B")
    assert output.raw.shape == faces.shape
    assert output.mask is not None
    assert output.mask.shape == (2, 1, resolution, resolution)
    assert {k: v.shape[-1] for k, v in output.aux.items()} == {f"raw{s}": s for s in (64, 128) if s < resolution}
    for image in (output.raw, output.mask, *output.aux.values()):
        assert image.min() >= 0
        assert image.max() <= 1
    judge = FaceswapGANDiscriminator(IDENTITIES, resolution=resolution, width=0.125, **layers)
    assert isinstance(judge, Discriminator)
    assert judge.judge(faces, "A", faces).shape == (2, 1, 8, 8)


def test_pixels_are_shuffled_in_the_order_of_tensorflow() -> None:
    x = torch.arange(2 * 12 * 3 * 2, dtype=torch.float32).reshape(2, 12, 3, 2)
    y = depth_to_space(x)
    for k in range(3):
        for row in range(2):
            for column in range(2):
                assert torch.equal(y[:, k, row::2, column::2], x[:, (row * 2 + column) * 3 + k])


def test_icnr_starts_without_a_checkerboard() -> None:
    upscale = ShuffleUpscale(8, 8, None)
    initialise(upscale, 1, "up")
    y = upscale(torch.randn(1, 8, 4, 4))
    assert torch.equal(y, F.interpolate(y[..., ::2, ::2], scale_factor=2))
    kernels = icnr(torch.empty(4 * 64, 64, 3, 3))
    assert float(kernels.std()) == pytest.approx(0.02, rel=0.02)
    assert kernels.abs().max() > 0.04  # not truncated


def test_the_norm_stands_behind_the_activation() -> None:
    block = small(64, "standard", norm=ScalarLayerNorm).encoder.down.down2
    y = block(torch.randn(2, 16, 8, 8))
    torch.testing.assert_close(y.mean((1, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    assert y.min() < 0


def test_strided_convolutions_pad_right_and_below() -> None:
    block = small(64, "standard").encoder.down.down1
    x = torch.randn(1, 8, 8, 8)
    expected = F.relu(F.conv2d(F.pad(x, (0, 1, 0, 1)), block.conv.weight, stride=2))
    torch.testing.assert_close(block(x), expected)


def test_nearest_upscale_has_no_activation_and_reflects() -> None:
    upscale = NearestUpscale(8, 8, None)
    x = torch.randn(1, 8, 3, 3)
    padded = nn.ReflectionPad2d(1)(x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(upscale(x), F.conv2d(padded, upscale.conv.weight, upscale.conv.bias))


def test_hybrid_norm_splits_an_upscale_at_half_of_its_output() -> None:
    upscale = ShuffleUpscale(8, 16, HybridNorm)
    assert upscale.norm.sizes == (8, 56)


def test_norms_stand_where_the_original_has_them() -> None:
    network = small(128, "standard", norm=ScalarLayerNorm)
    found = {name.removesuffix(".norm") for name, m in network.named_modules() if isinstance(m, ScalarLayerNorm)}
    encoder = {"encoder.up", *(f"encoder.down.down{i}" for i in (2, 3, 4, 5))}
    decoders = {f"decoders.{n}.to64.up{i}" for n in "AB" for i in (1, 2, 3)}
    assert found == encoder | decoders | {f"decoders.{n}.further.raw64.up" for n in "AB"}


def test_the_penalised_kernels_are_those_of_the_blocks() -> None:
    network = small(128, "standard", norm=HybridNorm, attention=SelfAttention, mask=LearnedMask)
    penalised = {id(p) for p in regularised_kernels(network)}
    names = {name for name, p in network.named_parameters() if id(p) in penalised}
    weights = {name for name, p in network.named_parameters() if p.ndim == 4}
    free = ("encoder.stem", ".colour", ".mask", ".heads")
    assert names == {name for name in weights if not any(part in name for part in free)}
    assert any("attention.query" in name for name in names)


def test_attention_changes_no_other_start() -> None:
    plain, attentive = small(64, "standard"), small(64, "standard", attention=SelfAttention)
    for network in (plain, attentive):
        initialise(network, 3, "generator")
    own, other = plain.state_dict(), attentive.state_dict()
    assert all(torch.equal(own[k], other[k]) for k in own.keys() & other.keys())
    # the refining convolution is what an attention replaces
    assert {k.split(".")[3] for k in own.keys() - other.keys()} == {"refine"}
    assert [
        n for n, m in attentive.named_modules() if isinstance(m, SelfAttention) and not n.startswith("decoders.B")
    ] == [
        "encoder.down.down2_attention",
        "encoder.down.down3_attention",
        "decoders.A.to64.up2_attention",
        "decoders.A.to64.residual_attention",
    ]


def test_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(UserError, match=r"must be one of 64, 128, 256 .*; got 96"):
        small(96, "standard")
    with pytest.raises(UserError, match=r"generator.capacity must be standard or lite; got heavy"):
        small(64, "heavy")
    with pytest.raises(UserError, match=r"no attention site 'encoder.down5'"):
        small(64, "standard", attention=SelfAttention, attention_sites=["encoder.down5"])
