import numpy as np
import pytest
import torch

from swaplab.errors import UserError
from swaplab.networks.attention import ChannelAttention, DualAttention, MultiHeadAttention, SelfAttention, attended
from swaplab.networks.initialisation import initialise


def features(n: int = 2, channels: int = 16, h: int = 3, w: int = 5) -> torch.Tensor:
    return torch.randn(n, channels, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def maps(layer: torch.nn.Module, x: np.ndarray, name: str) -> np.ndarray:
    """A 1x1 convolution, pixel by pixel: (c, h, w) -> (pixels, out)."""
    conv = getattr(layer, name)
    weight, bias = conv.weight.detach().numpy()[:, :, 0, 0], conv.bias.detach().numpy()
    return np.stack([weight @ pixel + bias for pixel in x.reshape(len(x), -1).T])


def opened(layer: torch.nn.Module, name: str = "gamma") -> None:
    with torch.no_grad():
        getattr(layer, name).copy_(torch.full_like(getattr(layer, name), 0.7))


@pytest.mark.parametrize("streaming", [False, True])
def test_sagan_matches_the_double_loop(streaming: bool) -> None:
    layer = SelfAttention(16, streaming=streaming).double()
    initialise(layer, 1, "attention")
    for conv in (layer.query, layer.key, layer.value):
        torch.nn.init.normal_(conv.bias)
    opened(layer)
    x = features()
    expected = np.empty(x.shape)
    for n, sample in enumerate(x.numpy()):
        g, f, h = (maps(layer, sample, name) for name in ("query", "key", "value"))
        o = np.stack([softmax(np.array([g_i @ f_j for f_j in f])) @ h for g_i in g])
        expected[n] = 0.7 * o.T.reshape(sample.shape) + sample
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("channels", "side"), [(64, 32), (256, 16)])
def test_streaming_agrees_with_naive_to_rounding_with_its_gradients(channels: int, side: int) -> None:
    results = []
    for streaming in (False, True):
        layer = SelfAttention(channels, streaming=streaming).double()
        initialise(layer, 1, "attention")
        opened(layer)
        x = features(2, channels, side, side).requires_grad_()
        y = layer(x)
        y.square().sum().backward()
        results.append([y, x.grad, *(p.grad for p in layer.parameters())])
    for naive, streamed in zip(*results, strict=True):
        torch.testing.assert_close(streamed, naive, rtol=1e-9, atol=1e-9)


def test_streaming_agrees_in_single_precision() -> None:
    x = features(1, 64, 32, 32).float()
    naive, streamed = SelfAttention(64), SelfAttention(64, streaming=True)
    streamed.load_state_dict(naive.state_dict())
    for layer in (naive, streamed):
        opened(layer)
    torch.testing.assert_close(streamed(x), naive(x), rtol=1e-4, atol=1e-5)


def test_sagan_starts_as_the_identity_with_the_published_parameters() -> None:
    layer = SelfAttention(64)
    x = features(1, 64).float()
    assert torch.equal(layer(x), x)
    assert sum(p.numel() for p in layer.parameters()) == 2 * (64 * 8 + 8) + 64 * 64 + 64 + 1


def test_channel_attention_matches_the_double_loop() -> None:
    layer = ChannelAttention().double()
    opened(layer)
    x = features(2, 6)
    expected = np.empty(x.shape)
    for n, sample in enumerate(x.numpy()):
        flat = sample.reshape(6, -1)
        for i in range(6):
            affinity = np.array([flat[i] @ flat[j] for j in range(6)])
            expected[n, i] = 0.7 * (softmax(affinity.max() - affinity) @ flat).reshape(sample.shape[1:]) + sample[i]
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_dual_attention_sums_its_branches() -> None:
    layer = DualAttention(16, norm=torch.nn.BatchNorm2d).double()
    x = features()
    torch.testing.assert_close(layer(x), layer.position(x) + layer.channel(x))
    # four 3x3 convolutions without bias, four norms, a self-attention and one more gain
    expected = 4 * 16 * 16 * 9 + 4 * 32 + (2 * (16 * 2 + 2) + 16 * 16 + 16 + 1) + 1
    assert sum(p.numel() for p in layer.parameters()) == expected


def test_heads_match_the_double_loop() -> None:
    layer = MultiHeadAttention(16, heads=4).double()
    x = features()
    assert torch.equal(layer(x), x)
    torch.nn.init.normal_(layer.out.weight)
    out = layer.out.weight.detach().numpy()[:, :, 0, 0]
    expected = np.empty(x.shape)
    for n, sample in enumerate(x.numpy()):
        q, k, v = (maps(layer, sample, name) for name in ("query", "key", "value"))
        mixed = np.zeros_like(v)
        for head in range(4):
            own = slice(4 * head, 4 * head + 4)
            for i in range(len(q)):
                mixed[i, own] = softmax(k[:, own] @ q[i, own] / 2) @ v[:, own]
        expected[n] = sample + (mixed @ out.T).T.reshape(sample.shape)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-9, atol=1e-10)


def test_a_width_that_does_not_divide_is_refused() -> None:
    with pytest.raises(UserError, match=r"attention.squeeze=8 must divide the number of channels, 12"):
        SelfAttention(12)
    with pytest.raises(UserError, match=r"attention.heads=5 must divide the number of channels, 16"):
        MultiHeadAttention(16, heads=5)


def test_sites_of_other_networks_are_passed_over_and_unknown_ones_refused() -> None:
    sites = ("encoder.down1", "decoder.up1")
    assert attended(["decoder.up1", "discriminator.down3"], sites, (), "it") == ("decoder.up1",)
    assert attended(None, sites, ("encoder.down1",), "it") == ("encoder.down1",)
    with pytest.raises(UserError, match=r"it has no attention site 'encoder.down9'; choose from encoder.down1"):
        attended(["encoder.down9"], sites, (), "it")
