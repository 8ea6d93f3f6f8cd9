"""Measure the time of the noise per face on one core: the default noise, and each operation alone.

OMP_NUM_THREADS=1 python scripts/benchmark_noise.py [side ...]
"""

import sys
import time

import cv2
import numpy as np
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from swaplab.faces.alignment import Alignment
from swaplab.noise.pipeline import NoisePipeline

FACES = 3000


def milliseconds(pipeline: NoisePipeline, faces: np.ndarray) -> float:
    """Mean milliseconds per face (input and target) in the best of three rounds; other processes only add time."""
    rounds = []
    for start in range(3):
        begin = time.process_time()
        for i in range(FACES):
            pipeline("A", start * FACES + i, faces[i % len(faces)], faces=faces)
        rounds.append(time.process_time() - begin)
    return 1000 * min(rounds) / FACES


def main() -> None:
    cv2.setNumThreads(1)
    with initialize_config_module("swaplab.conf", version_base="1.3"):
        noise = compose(overrides=["+noise=default", "+noise/op@noise.motion_blur=motion_blur"]).noise
    operations = dict(instantiate(noise))
    blur = operations.pop("motion_blur")
    for side in [int(argument) for argument in sys.argv[1:]] or [64, 128]:
        alignment = Alignment(side)
        shape = (64, alignment.stored, alignment.stored, 3)
        faces = np.random.Generator(np.random.Philox(key=0)).integers(0, 256, shape, dtype=np.uint8)
        whole = milliseconds(NoisePipeline(operations, alignment, 0), faces)
        print(f"{side} px, default noise: {whole:.3f} ms per face")
        for name, operation in {**operations, "motion_blur": blur}.items():
            print(f"    {name:13} {milliseconds(NoisePipeline({name: operation}, alignment, 0), faces):.3f} ms")


if __name__ == "__main__":
    main()
