import pytest
import torch
import torch.nn.functional as F

from swaplab.errors import UserError
from swaplab.networks.attention import SelfAttention
from swaplab.networks.discriminator import (
    MultiscaleDiscriminator,
    PatchDiscriminator,
    PatchGAN70,
    PerIdentity,
    Shared,
    SharedProjection,
)
from swaplab.networks.norm import InstanceNorm
from swaplab.networks.protocols import Discriminator


def size(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("resolution", "blocks"), [(64, 3), (128, 4), (256, 5)])
def test_patch_map_is_8_by_8_at_every_resolution(resolution: int, blocks: int) -> None:
    network = PatchDiscriminator(6, resolution, 0.25, None)
    assert len(network.down) == blocks
    assert network(torch.rand(1, 6, resolution, resolution)).shape == (1, 1, 8, 8)


def test_conditional_judges_look_at_the_condition_and_others_do_not() -> None:
    face, one, other = torch.rand(3, 2, 3, 64, 64).unbind(0)
    for conditional in (True, False):
        judge = PerIdentity(("A", "B"), resolution=64, width=0.25, conditional=conditional)
        assert isinstance(judge, Discriminator)
        same = torch.equal(judge.judge(face, "A", one), judge.judge(face, "A", other))
        assert same != conditional
        assert not torch.equal(judge.judge(face, "A", one), judge.judge(face, "B", one))


def test_without_norm_has_the_size_of_the_published_discriminator() -> None:
    """faceswap-GAN v2.2 at 64 pixels has 665,600 without attention, norm and biases; ours has a bias a channel."""
    assert size(PatchDiscriminator(6, 64, 1.0, None)) == 665_600 + 64 + 128 + 256


def test_patchgan_has_the_published_size_and_field_of_view() -> None:
    network = PatchGAN70(3, 256, 1.0, None)
    assert size(network) == 2_764_737
    affine = 2 * (128 + 256 + 512)
    assert size(PatchGAN70(3, 256, 1.0, InstanceNorm)) == 2_764_737 - 896 + affine
    small = PatchGAN70(3, 256, 0.125, None).double()
    picture = torch.rand(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    scores = small(picture)
    assert scores.shape == (1, 1, 30, 30)
    scores[0, 0, 15, 15].backward()
    assert picture.grad is not None
    seen = picture.grad.abs().sum((0, 1)).nonzero()
    assert ((seen.amax(0) - seen.amin(0)) + 1).tolist() == [70, 70]


def test_a_shared_judge_takes_all_for_one_and_a_projection_does_not() -> None:
    face = torch.rand(2, 3, 64, 64)
    settings = {"resolution": 64, "width": 0.125, "conditional": False}
    shared = Shared(("A", "B"), **settings)  # type: ignore[arg-type]
    assert torch.equal(shared.judge(face, "A", face), shared.judge(face, "B", face))
    assert size(shared) == size(PerIdentity(("A",), **settings))  # type: ignore[arg-type]
    projection = SharedProjection(("A", "B"), **settings)  # type: ignore[arg-type]
    features = projection.shared.down(face * 2 - 1)
    expected = projection.shared.score(features) + torch.einsum(
        "nchw,c->nhw", features, projection.embeddings["B"].weight.flatten()
    ).unsqueeze(1)
    torch.testing.assert_close(projection.judge(face, "B", face), expected)
    assert not torch.equal(projection.judge(face, "A", face), projection.judge(face, "B", face))
    wide = SharedProjection(("A",), network=PatchGAN70, **settings)  # type: ignore[arg-type]
    assert wide.judge(face, "A", face).shape == (2, 1, 6, 6)


def test_scales_weigh_the_same() -> None:
    network = MultiscaleDiscriminator(3, 64, 0.125, None, scales=3)
    face = torch.rand(2, 3, 64, 64)
    scores = network(face)
    assert scores.shape == (2, 3, 8, 8)
    for i, judge in enumerate(network.scales.values()):
        own = judge(face)
        torch.testing.assert_close(scores[:, i].mean((1, 2)), own.mean((1, 2, 3)))
        face = F.avg_pool2d(face, 3, 2, padding=1, count_include_pad=False)


@pytest.mark.parametrize("network", [PatchDiscriminator, PatchGAN70, MultiscaleDiscriminator])
def test_attention_and_norm_stand_where_they_are_named(network: type[torch.nn.Module]) -> None:
    def build(sites: list[str] | None) -> torch.nn.Module:
        return PerIdentity(
            ("A",),
            resolution=64,
            width=0.125,
            norm=InstanceNorm,
            attention=SelfAttention,
            attention_sites=sites,
            network=network,
        )

    def places(judge: torch.nn.Module) -> set[str]:
        return {
            name.split(".attention")[0].split(".")[-1]
            for name, m in judge.named_modules()
            if m.__class__ is SelfAttention
        }

    assert places(build(["discriminator.down1", "encoder.down1"])) == {"down1"}
    assert len(places(build(None))) == 1
    assert places(build(["encoder.down1"])) == set()
    assert sum(isinstance(m, InstanceNorm) for m in build(None).modules()) >= 2
    with pytest.raises(UserError, match=r"no attention site 'discriminator.down9'"):
        build(["discriminator.down9"])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="needs a network with features"):
        SharedProjection(("A",), resolution=64, width=0.125, network=MultiscaleDiscriminator)
    with pytest.raises(UserError, match="scales=4"):
        MultiscaleDiscriminator(3, 64, 0.125, None, scales=4)
    with pytest.raises(UserError, match=r"at least 32 .*; got 16"):
        PatchGAN70(3, 16, 1.0, None)
