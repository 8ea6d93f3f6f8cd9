"""The demo: render the built-in pair, train on it, measure the swap, and write the report. Run by `make demo`."""

import subprocess
import sys
import time
from pathlib import Path

EXPERIMENT = "quick"
BIN = Path(sys.executable).parent


def step(*words: str) -> str:
    """Run one command of the package, showing its name, its output and its time; returns its last line."""
    print(f"\n$ {' '.join(words)}", flush=True)
    started = time.perf_counter()
    done = subprocess.Popen([str(BIN / words[0]), *words[1:]], stdout=subprocess.PIPE, text=True)
    last = ""
    assert done.stdout is not None
    for line in done.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
    if done.wait():
        sys.exit(done.returncode)
    print(f"({time.perf_counter() - started:.0f} s)", flush=True)
    return last


def main() -> None:
    """Render and train, evaluate on the test clips, report."""
    run = step("swaplab train", f"experiment={EXPERIMENT}").rsplit(": ", 1)[-1]
    step("swaplab evaluate", f"run={run}", "split=test")
    step("swaplab report", f"run={run}")
    print(f"\nFace, reconstruction, swap, true swap: {run}/evaluation/final/test-A_to_B-samples.png")
    print(f"Everything on one page: {run}/report.html")


if __name__ == "__main__":
    main()
