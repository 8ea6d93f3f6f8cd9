"""Every switch of the autoencoder: what it shares, how much it weighs, and how far a pixel reaches."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.autoencoder import Autoencoder
from swaplab.networks.bottleneck import (
    Bottleneck,
    ConvTo1x1,
    FullyConnected,
    FullyConnectedSingle,
    GlobalPool,
    Spatial,
)
from swaplab.networks.code_match import CodeMoments
from swaplab.networks.decoder import Conditioned, Intermediates, PerIdentity, SharedTrunk
from swaplab.networks.draws import Draws, drawing
from swaplab.networks.generator import matched
from swaplab.networks.initialisation import initialise
from swaplab.networks.mask import LearnedMask
from swaplab.networks.output import Output
from swaplab.networks.protocols import Generator, SwapOutput
from swaplab.networks.style import StyleDecoders
from swaplab.networks.upsampling import InterpolatedConv, PixelShuffle, TransposedConv

IDENTITIES = ("A", "B")
VECTORS = (FullyConnected(), FullyConnectedSingle(), ConvTo1x1(), GlobalPool())
BOTTLENECKS = (*VECTORS, Spatial(4), Spatial(8), Spatial(16), None)
FAMILIES = (PerIdentity, Conditioned, SharedTrunk, Intermediates, StyleDecoders)


def small(**options: Any) -> Autoencoder:
    network = Autoencoder(IDENTITIES, width=0.0625, latent=16, **options)
    initialise(network, 1, "generator")
    return network


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def faces(resolution: int = 64, n: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(n, 3, resolution, resolution, generator=torch.Generator().manual_seed(0)).to(dtype)


VARIANTS: dict[str, dict[str, Any]] = {
    **{f"bottleneck {type(b).__name__} {getattr(b, 'side', '')}": {"bottleneck": b} for b in BOTTLENECKS},
    **{family.__name__: {"decoder": family} for family in FAMILIES},
    "nearest": {"upsampling": InterpolatedConv},
    "bilinear": {"upsampling": partial(InterpolatedConv, mode="bilinear")},
    "transposed": {"upsampling": TransposedConv},
    "icnr": {"upsampling": partial(PixelShuffle, icnr=True)},
    "one residual block": {"residual_blocks": 1},
    "two residual blocks": {"residual_blocks": 2},
    "symmetric": {"output": Output("symmetric", "tanh")},
    "unit, linear": {"output": Output("unit", "linear")},
    "symmetric, linear": {"output": Output("symmetric", "linear")},
    "separate encoders": {"encoder": "separate"},
    "style with norm and mask": {"decoder": StyleDecoders, "norm": nn.BatchNorm2d, "mask": LearnedMask},
    "128 fixed": {"resolution": 128},
    "128 until 4x4, no bottleneck": {"resolution": 128, "downsampling": "until_4x4", "bottleneck": None},
    "128 fixed, no bottleneck": {"resolution": 128, "bottleneck": None},
    "128 intermediates": {"resolution": 128, "decoder": Intermediates},
    "256 until 4x4, style": {"resolution": 256, "downsampling": "until_4x4", "decoder": StyleDecoders},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=list(VARIANTS))
def test_every_variant_keeps_the_contract_and_every_parameter_learns(options: dict[str, Any]) -> None:
    network = small(**options)
    assert isinstance(network, Generator)
    assert network.shared_encoder == (options.get("encoder") != "separate")
    resolution = options.get("resolution", 64)
    x, loss = faces(resolution), torch.zeros(())
    for name in IDENTITIES:
        with drawing(network, Draws(1, "reconstruction", [(name, 0), (name, 1)])):
            output: SwapOutput = network.decode(network.encode(x, name), name)
        assert output.raw.shape == x.shape
        loss = loss + (output.raw - x).abs().mean()
        if output.mask is not None:
            loss = loss + (output.mask - 0.1).abs().mean()
    loss.backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle
    network.eval()
    with torch.no_grad():
        raw = network.decode(network.encode(x, "A"), "B").raw
    assert raw.min() >= 0
    assert raw.max() <= 1


# --- how many parameters ----------------------------------------------------------------------------------------------


def weight(**options: Any) -> tuple[int, int, int]:
    """Parameters of the dense layers, of the whole encoder and of all decoders, at full width."""
    with torch.device("meta"):
        network = Autoencoder(IDENTITIES, **options)
    encoder = network.encoder
    return parameters(encoder.squeeze) + parameters(encoder.expand), parameters(encoder), parameters(network.decoders)


def test_a_dense_layer_grows_with_the_resolution_unless_strides_are_added() -> None:
    """Two dense layers: 33.6 M at 64 pixels, 83.9 M at 128, 285 M at 256; else 9.4 M a further convolution."""
    assert weight()[:2] == (33_571_840, 69_662_976)
    fixed = {r: weight(resolution=r)[0] for r in (128, 256)}
    assert fixed == {128: 83_903_488, 256: 285_230_080}
    for resolution, more in ((64, 0), (128, 1), (256, 2)):
        dense, encoder, _ = weight(resolution=resolution, downsampling="until_4x4")
        assert dense == 33_571_840
        assert encoder == 69_662_976 + more * (9 * 1024 * 1024 + 1024)


def test_a_style_decoder_weighs_what_the_decoder_of_2017_does() -> None:
    (_, _, plain), (_, _, style) = weight(), weight(decoder=StyleDecoders)
    assert (plain, style) == (2 * 6_199_747, 2 * 6_198_154)
    with torch.device("meta"):
        plain, style = (
            parameters(Autoencoder(IDENTITIES, width=0.1875, decoder=family).decoders["A"])
            for family in (PerIdentity, StyleDecoders)
        )
    assert style == pytest.approx(plain, rel=0.02)


def test_families_share_what_they_say() -> None:
    """One more identity costs a decoder, a gain and a shift a channel, a stage and a head, or a bottleneck."""

    def cost(**options: Any) -> int:
        with torch.device("meta"):
            two, three = (Autoencoder("ABC"[:n], **options) for n in (2, 3))
        assert parameters(two.encoder) == parameters(three.encoder)
        return parameters(three) - parameters(two)

    head = 3 * 64 * 25 + 3
    stages = [a * 4 * b * 9 + 4 * b for a, b in ((512, 256), (256, 128), (128, 64))]
    assert cost() == sum(stages) + head == 6_199_747
    assert cost(decoder=Conditioned) == 2 * (256 + 128 + 64)
    assert cost(decoder=SharedTrunk) == stages[2] + head
    assert cost(decoder=partial(SharedTrunk, private_stages=0)) == head
    assert cost(decoder=Intermediates) == 16384 * 1024 + 1024 + 1024 * 512 * 16 + 512 * 16
    with pytest.raises(
        UserError, match="private_stages must be 0 to 2, so that at least one of 3 stages is shared; got 3"
    ):
        small(decoder=partial(SharedTrunk, private_stages=3))
    with pytest.raises(UserError, match="generator/decoder=intermediate needs a bottleneck for each identity"):
        small(decoder=Intermediates, bottleneck=None)


@pytest.mark.parametrize("family", FAMILIES)
def test_faces_of_one_identity_teach_shared_parts_and_its_own(family: Callable[..., nn.Module]) -> None:
    network = small(decoder=family)
    with drawing(network, Draws(1, "reconstruction", [("A", 0), ("A", 1)])):
        network.decode(network.encode(faces(), "A"), "A").raw.mean().backward()
    untaught = {name for name, p in network.named_parameters() if p.grad is None}
    assert untaught == {name for name, _ in network.named_parameters() if ".B." in name}
    shared = {name for name, _ in network.decoders.named_parameters() if not {"A", "B"} & set(name.split("."))}
    assert bool(shared) == (family not in (PerIdentity, StyleDecoders))


def test_separate_encoders_share_nothing() -> None:
    network = small(encoder="separate")
    network.encode(faces(), "A").mean().backward()
    assert {n.split(".")[1] for n, p in network.named_parameters() if p.grad is not None} == {"A"}
    assert parameters(network.encoders["A"]) == parameters(small().encoder)
    assert not torch.equal(network.encode(faces(), "A"), network.encode(faces(), "B"))


# --- how far a pixel reaches ------------------------------------------------------------------------------------------


def unseen(bottleneck: Bottleneck | None) -> int:
    """How many pixels of the picture a corner of the answer does not depend on, by gradients."""
    network = small(bottleneck=bottleneck).double()
    x = faces(n=1, dtype=torch.float64).requires_grad_()
    network.decode(network.encode(x, "A"), "A").raw[0, :, 63, 63].sum().backward()
    assert x.grad is not None
    return int((x.grad.abs().sum(1) == 0).sum())


@pytest.mark.parametrize("bottleneck", VECTORS, ids=lambda b: type(b).__name__)
def test_through_a_vector_every_answer_sees_every_pixel(bottleneck: Bottleneck) -> None:
    assert unseen(bottleneck) == 0


def test_a_code_with_places_leaves_far_pixels_out() -> None:
    """Coarse places see nearly all: at 4x4 the convolutions' own view is as wide as the face."""
    direct, four, eight, sixteen = map(unseen, (None, Spatial(4), Spatial(8), Spatial(16)))
    assert 0 < direct == four < 500 < eight < sixteen
    assert sixteen > 64 * 64 // 2


@pytest.mark.parametrize("bottleneck", [b for b in BOTTLENECKS if b], ids=lambda b: f"{type(b).__name__}{vars(b)}")
def test_all_bottlenecks_hold_as_many_numbers(bottleneck: Bottleneck) -> None:
    network = Autoencoder(IDENTITIES, width=0.0625, latent=256, bottleneck=bottleneck)
    features = network.encoder.down(faces())
    assert network.encoder.squeeze(features).flatten(1).shape == (2, 256)


def test_a_code_without_places_cannot_tell_them() -> None:
    """After global pooling a permutation of the features' pixels changes nothing; after a dense layer it does."""
    pooled, dense = small(bottleneck=GlobalPool()).encoder.squeeze, small().encoder.squeeze
    features = torch.randn(2, 64, 4, 4)
    turned = features.flip(2)
    torch.testing.assert_close(pooled(features), pooled(turned))
    assert not torch.allclose(dense(features), dense(turned))


def test_bottlenecks_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match=r"generator.bottleneck.side must be 4, 8 or 16; got 5"):
        Spatial(5)
    with pytest.raises(UserError, match=r"side=4 is too small: the encoder stops at 8 .*downsampling=until_4x4"):
        small(resolution=128, bottleneck=Spatial(4))
    small(resolution=128, bottleneck=Spatial(4), downsampling="until_4x4")
    with pytest.raises(UserError, match=r"latent must be a multiple of 16 .* 4x4 pixels; got 24"):
        Autoencoder(IDENTITIES, width=0.1, latent=24, bottleneck=FullyConnectedSingle())


# --- what meets the rest ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", VARIANTS.values(), ids=list(VARIANTS))
def test_codes_can_be_matched_wherever_the_encoder_is_shared(options: dict[str, Any]) -> None:
    network = small(**options).eval()
    if not network.shared_encoder:
        return
    x = faces(options.get("resolution", 64), n=3)
    with torch.no_grad():
        code = network.encode(x, "A")
        network.code_match = CodeMoments(IDENTITIES, code.shape[1:])
        network.code_match.measure({"A": code, "B": code + 1})
        moved = matched(network, code, "A", "B")
        assert moved.shape == code.shape
        assert not torch.equal(moved, code)
        assert torch.isfinite(network.decode(moved, "B").raw).all()


def test_switches_keep_the_start_of_what_they_do_not_touch() -> None:
    plain = small().state_dict()
    for name, options in VARIANTS.items():
        if "resolution" in options:
            continue
        own = small(**options).state_dict()
        agree = [k for k in plain if k in own and own[k].shape == plain[k].shape and "block.conv.weight" not in k]
        assert "encoder" in options or "encoder.down.down1.conv.bias" in agree or "norm" in options, name
        assert all(torch.equal(plain[k], own[k]) for k in agree), name


def test_unknown_options_are_refused_with_the_known_ones() -> None:
    for key, value in (("encoder", "both"), ("downsampling", "until_2x2"), ("residual_blocks", 3)):
        with pytest.raises(UserError, match=rf"generator.{key} must be one of .*; got {value}"):
            small(**{key: value})


def test_attention_behind_stages_of_every_family() -> None:
    class Doubling(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.channels = channels

        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[1] == self.channels
            return 2 * x

    for family in FAMILIES:
        network = small(decoder=family, attention=Doubling, attention_sites=("decoder.up2",))
        assert any(isinstance(m, Doubling) for m in network.decoders.modules())
        plain = small(decoder=family)
        with torch.no_grad():
            a, b = (n.decode(n.encode(faces(), "A"), "A").raw for n in (network, plain))
        assert not torch.equal(a, b)
