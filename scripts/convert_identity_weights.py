"""Converts the face recognition weights of the npm package @vladmandic/face-api 1.7.15 to safetensors.

    npm pack @vladmandic/face-api@1.7.15
    python scripts/convert_identity_weights.py vladmandic-face-api-1.7.15.tgz

Quantised tensors stay 8-bit: beside ``name`` (uint8) stands ``name.quantization`` = (scale, minimum) in
float64, and the value is ``uint8 * scale + minimum``. Kernels are turned from HWIO to OIHW.
"""

import argparse
import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

MODEL = "package/model/face_recognition_model"
DESTINATION = Path(__file__).parents[1] / "src/swaplab/networks/pretrained/assets/face_recognition.safetensors"
PARTS = {
    "conv/filters": "conv.weight",
    "conv/bias": "conv.bias",
    "scale/weights": "scale.weight",
    "scale/biases": "scale.bias",
}


def parameter_name(name: str) -> str:
    """The parameter of ``FaceRecognitionResNet`` that the package calls ``name``."""
    if name == "fc":
        return "descriptor.weight"
    for theirs, ours in PARTS.items():
        if name.endswith(theirs):
            return f"layers.{name.removesuffix(theirs).replace('/', '.')}{ours}"
    raise ValueError(f"{name} is no part of the face recognition network")


def convert(package: Path) -> dict[str, NDArray]:
    """All tensors of the package's face recognition network, under our names and in our layout."""
    with tarfile.open(package) as archive:
        manifest, data = (archive.extractfile(MODEL + ending).read() for ending in ("-weights_manifest.json", ".bin"))
    (group,) = json.loads(manifest)
    tensors: dict[str, NDArray] = {}
    offset = 0
    for entry in group["weights"]:
        quantization = entry.get("quantization")
        dtype = np.dtype(np.uint8 if quantization else "<f4")
        values = np.frombuffer(data, dtype, int(np.prod(entry["shape"])), offset).reshape(entry["shape"])
        offset += values.nbytes
        name = parameter_name(entry["name"])
        tensors[name] = np.ascontiguousarray(values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T)
        if quantization:
            tensors[f"{name}.quantization"] = np.array([quantization["scale"], quantization["min"]])
    if offset != len(data):
        raise ValueError(f"{package}: the manifest describes {offset} of {len(data)} bytes")
    return tensors


def main() -> None:
    """Write the file and print its SHA-256, which the loader checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="vladmandic-face-api-1.7.15.tgz")
    parser.add_argument("--output", type=Path, default=DESTINATION)
    arguments = parser.parse_args()
    # One key only: safetensors writes several in no fixed order, and the file's SHA-256 would change.
    origin = "npm @vladmandic/face-api 1.7.15, face_recognition_model (MIT); original dlib network CC0 1.0"
    content = save(convert(arguments.package), metadata={"source": origin})
    arguments.output.write_bytes(content)
    print(f"{arguments.output}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
