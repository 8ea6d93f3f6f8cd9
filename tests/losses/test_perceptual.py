"""The perceptual loss against its formula, and what weights are accepted."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.perceptual import Perceptual
from swaplab.losses.settings import StepSettings
from swaplab.networks.pretrained.features import (
    FaceNetFeatures,
    Features,
    IdentityFeatures,
    TorchvisionFeatures,
    user_weights,
)
from swaplab.networks.pretrained.identity import IdentityEmbedder
from swaplab.networks.protocols import SwapOutput


class Halved(nn.Module):
    shared_encoder, identities = True, ("A",)

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(code / 2, code[:, :1])


def backbone() -> Features:
    """Two layers whose activations are known: 1 - x, and its square."""

    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x**2

    class Inverse(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1 - x

    network = nn.Sequential()
    network.add_module("inverse", Inverse())
    network.add_module("square", Square())
    return Features(network, ["inverse", "square"], lambda faces: faces, "made up:1")


def step() -> StepContext:
    rng = np.random.default_rng(0)
    faces = {"A": {k: torch.from_numpy(rng.random((3, 3, 8, 8))) for k in ("input", "target")}}
    return StepContext({"generator": Halved()}, faces, torch.arange(3), 0.0, StepSettings(3, seed=2))


def standard(x: np.ndarray) -> np.ndarray:
    rows = x.reshape(len(x), -1)
    return (rows - rows.mean(1, keepdims=True)) / (rows.std(1, keepdims=True) + 1e-3)


@pytest.mark.parametrize("image", ["raw", "composed", "mixed"])
def test_the_loss_matches_the_formula(image: str) -> None:
    s = step()
    x, y = (s.faces["A"][k].numpy() for k in ("input", "target"))
    raw = x / 2
    composed = x[:, :1] * raw + (1 - x[:, :1]) * x
    share = {"raw": 1.0, "composed": 0.0, "mixed": s.one_beta("perceptual mixture", "A", 0.2)}[image]
    seen = share * raw + (1 - share) * composed
    pairs = [(1 - seen, 1 - y, 0.3), ((1 - seen) ** 2, (1 - y) ** 2, 0.1)]
    plain = sum(w * ((a - b) ** 2).mean() for a, b, w in pairs)
    normal = sum(w * ((standard(a) - standard(b)) ** 2).mean() for a, b, w in pairs)
    made = backbone()
    assert Perceptual(made, [0.3, 0.1], image=image, normalised=False)(s).item() == pytest.approx(plain)
    assert Perceptual(made, [0.3, 0.1], image=image)(s).item() == pytest.approx(normal)


def test_the_identity_network_gives_layers_and_gradients() -> None:
    features = IdentityFeatures(["layers.pool", "layers.conv256_1"])
    faces = torch.rand(2, 3, 64, 64, requires_grad=True)
    shallow, deep = features(faces)
    assert shallow.shape[1] == 32
    assert deep.shape[1] == 256
    (shallow.square().mean() + deep.square().mean()).backward()
    assert faces.grad is not None
    assert faces.grad.abs().sum() > 0
    term = Perceptual(features, [1.0, 1.0])
    assert term.pretrained == (IdentityEmbedder.name,)


def saved(folder: Path, network: nn.Module) -> tuple[str, str]:
    path = folder / "weights.pth"
    torch.save(network.state_dict(), path)
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def test_own_weights_of_torchvision_are_taken_by_path_and_hash(tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    network = squeezenet1_1(weights=None).eval()
    file, sha256 = saved(tmp_path, network)
    features = TorchvisionFeatures("squeezenet1_1", file, sha256, ["features.1"], side=64)
    faces = torch.rand(1, 3, 64, 64)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = network.features[:2]((faces - mean[:, None, None]) / deviation[:, None, None])
    torch.testing.assert_close(features(faces)[0], expected)
    assert features.name == f"squeezenet1_1:{sha256[:8]}"
    with pytest.raises(UserError, match="belong to a different network"):
        TorchvisionFeatures("alexnet", file, sha256, ["features.1"])
    with pytest.raises(UserError, match="no architecture"):
        TorchvisionFeatures("vgg99", file, sha256, ["features.1"])
    with pytest.raises(UserError, match=r"no layer 'features\.99'"):
        TorchvisionFeatures("squeezenet1_1", file, sha256, ["features.99"])


@pytest.mark.slow
def test_own_weights_of_facenet_are_taken(tmp_path: Path) -> None:
    from facenet_pytorch import InceptionResnetV1

    network = InceptionResnetV1(pretrained=None)
    file, sha256 = saved(tmp_path, network)
    features = FaceNetFeatures(file, sha256, ["conv2d_4b", "repeat_1"])
    assert [f.shape[1] for f in features(torch.rand(1, 3, 64, 64))] == [256, 256]


def test_weights_that_are_not_the_named_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not exist"):
        user_weights("", "")
    file, sha256 = saved(tmp_path, nn.Linear(2, 2))
    assert set(user_weights(file, sha256.upper())) == {"weight", "bias"}
    with pytest.raises(UserError, match=f"have the SHA-256 {sha256}, not the expected one"):
        user_weights(file, "")
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot be read"):
        user_weights(str(damaged), hashlib.sha256(b"no weights").hexdigest())
    code = tmp_path / "code.pth"
    torch.save({"run": print}, code)
    with pytest.raises(UserError, match="cannot be read"):
        user_weights(str(code), hashlib.sha256(code.read_bytes()).hexdigest())


def test_what_would_do_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="one weight for each of 2 layers; got 1"):
        Perceptual(backbone(), [1.0])
    with pytest.raises(UserError, match="raw, composed, mixed"):
        Perceptual(backbone(), [1.0, 1.0], image="blurred")
