"""Measure the renderer's frames per second on one thread.

python scripts/benchmark_render.py [size]
"""

import os
import sys
import time

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import cv2

from swaplab.synthetic.clips import Clip
from swaplab.synthetic.people import person
from swaplab.synthetic.profile import Count, IdentityProfile
from swaplab.synthetic.rendering import render

FRAMES = 60


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    cv2.setNumThreads(1)
    profile = IdentityProfile(Count(1, 1, 1), Count(1, 1, 1), Count(1, 1, 1))
    for name in ("A", "B"):
        states = [Clip(0, name, "train", index, profile).state(1.0) for index in range(FRAMES)]
        render(person(name), states[0], size)  # paints the person
        wall, busy = time.perf_counter(), time.process_time()
        for state in states:
            render(person(name), state, size)
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        print(f"{name}: {FRAMES / wall:.1f} frames/s, {FRAMES / busy:.1f} frames per CPU second, {size} px")


if __name__ == "__main__":
    main()
