import pytest
import torch

from swaplab.networks.discriminator import Discriminator, PatchDiscriminator, PerIdentity


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
    network = PatchDiscriminator(6, 64, 1.0, None)
    assert sum(p.numel() for p in network.parameters()) == 665_600 + 64 + 128 + 256
