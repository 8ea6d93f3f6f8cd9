"""Convert networks of the npm package @vladmandic/face-api 1.7.15 to safetensors: face recognition and landmarks.

    npm pack @vladmandic/face-api@1.7.15
    python scripts/convert_pretrained_weights.py vladmandic-face-api-1.7.15.tgz

Quantised tensors stay 8-bit: ``name`` (uint8) has a companion ``name.quantization`` = (scale, minimum) in float64, and
the value is ``uint8 * scale + minimum``. Kernels are transposed from HWIO to OIHW, depthwise ones from HWC1 to C1HW.
"""

import argparse
import hashlib
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

DESTINATION = Path(__file__).parents[1] / "src/swaplab/networks/pretrained/assets"
RECOGNITION_PARTS = {
    "conv/filters": "conv.weight",
    "conv/bias": "conv.bias",
    "scale/weights": "scale.weight",
    "scale/biases": "scale.bias",
}
LANDMARK_PARTS = {
    "depthwise_filter": "depthwise.weight",
    "pointwise_filter": "pointwise.weight",
    "filters": "weight",
    "bias": "bias",
}


def recognition_parameter(name: str) -> str:
    """The parameter of ``FaceRecognitionResNet`` that the package calls ``name``."""
    if name == "fc":
        return "descriptor.weight"
    for theirs, ours in RECOGNITION_PARTS.items():
        if name.endswith(theirs):
            return f"layers.{name.removesuffix(theirs).replace('/', '.')}{ours}"
    raise ValueError(f"the face-recognition network has no parameter {name}")


def landmark_parameter(name: str) -> str:
    """The parameter of ``LandmarkNet`` that the package calls ``name``."""
    if name.startswith("fc/"):
        return {"fc/weights": "coordinates.weight", "fc/bias": "coordinates.bias"}[name]
    block, convolution, part = name.split("/")
    if part == "bias" and (block, convolution) != ("dense0", "conv0"):
        return f"{block}.{convolution}.pointwise.bias"
    return f"{block}.{convolution}.{LANDMARK_PARTS[part]}"


@dataclass(frozen=True)
class Network:
    """A network of the package: its model and destination files, the mapping of parameter names, and its source."""

    model: str
    destination: str
    parameter: Callable[[str], str]
    source: str


NETWORKS = (
    Network(
        "face_recognition_model",
        "face_recognition.safetensors",
        recognition_parameter,
        "npm @vladmandic/face-api 1.7.15, face_recognition_model (MIT); original dlib network CC0 1.0",
    ),
    Network(
        "face_landmark_68_model",
        "face_landmarks.safetensors",
        landmark_parameter,
        "npm @vladmandic/face-api 1.7.15, face_landmark_68_model (MIT)",
    ),
)


def convert(package: Path, network: Network) -> dict[str, NDArray]:
    """All tensors of one of the package's networks, with our names and in our layout."""
    endings = ("-weights_manifest.json", ".bin")
    with tarfile.open(package) as archive:
        manifest, data = (archive.extractfile(f"package/model/{network.model}{end}").read() for end in endings)
    (group,) = json.loads(manifest)
    tensors: dict[str, NDArray] = {}
    offset = 0
    for entry in group["weights"]:
        quantization = entry.get("quantization")
        dtype = np.dtype(np.uint8 if quantization else "<f4")
        values = np.frombuffer(data, dtype, int(np.prod(entry["shape"])), offset).reshape(entry["shape"])
        offset += values.nbytes
        name = network.parameter(entry["name"])
        if values.ndim == 4:
            values = values.transpose((2, 3, 0, 1) if name.endswith("depthwise.weight") else (3, 2, 0, 1))
        tensors[name] = np.ascontiguousarray(values if values.ndim == 4 else values.T)
        if quantization:
            tensors[f"{name}.quantization"] = np.array([quantization["scale"], quantization["min"]])
    if offset != len(data):
        raise ValueError(f"{package}: the manifest describes {offset} of {len(data)} bytes")
    return tensors


def main() -> None:
    """Write the files and print their SHA-256, which the loader checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="vladmandic-face-api-1.7.15.tgz")
    parser.add_argument("--output", type=Path, default=DESTINATION, help="folder for the safetensors files")
    arguments = parser.parse_args()
    for network in NETWORKS:
        # only one metadata key: safetensors writes several in random order, which would change the file's SHA-256
        content = save(convert(arguments.package, network), metadata={"source": network.source})
        path = arguments.output / network.destination
        path.write_bytes(content)
        print(f"{path}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
