"""Leaves the record of a run whose validation error is a closed form of its learning rate and norm, in no time.

The error falls to (log10 lr + 3)^2, plus 1 without a norm, over four validations; a bad one waits to be stopped.
"""

import math
import signal
import sys
import time
from pathlib import Path

import yaml

from swaplab.runs.record import RunRecord, finished
from swaplab.sweeps.jobs import Job

config = yaml.safe_load(Path(dict(word.split("=", 1) for word in sys.argv[1:])["resolved"]).read_text())
folder = Job("", config).folder
folder.mkdir(parents=True, exist_ok=True)
with (folder / "starts.txt").open("a") as file:
    file.write("started\n")
if config["generator"]["latent"] == 7:
    print("swaplab train: 7 brings bad luck; take another")
    sys.exit(2)
asked: list[int] = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
record = RunRecord.load(folder) if (folder / "run.json").exists() else RunRecord.create(folder, config, {})
if finished(folder, config) is None:
    record.begin_session()
    final = (math.log10(config["optimizer"]["generator"]["lr"]) + 3) ** 2 + (config["norm"] is None)
    for seen in (0, 40, 80):
        record.add_metrics({"images_seen": seen, "val/reconstruction_mse": final * (5 - seen / 20)})
    until = time.monotonic() + (20 if (folder.parents[1] / "hold").exists() else 0.2 + 4 * (final > 0.9))
    while time.monotonic() < until and not asked:
        time.sleep(0.02)
    if asked:
        record.end("interrupted", "stopped by SIGTERM", metrics={})
        sys.exit(0)
    record.end("complete", "the budget is spent", metrics={"val/reconstruction_mse": final, "loss/other": -final})
