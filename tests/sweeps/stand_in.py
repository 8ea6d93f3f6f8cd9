"""Reads a resolved config as `swaplab train` does and leaves a record as it would, without training anything."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from swaplab.runs.record import RunRecord, finished
from swaplab.stopping import end_with_parent
from swaplab.sweeps.jobs import Job

end_with_parent()
settings = dict(word.split("=", 1) for word in sys.argv[1:])
config = yaml.safe_load(Path(settings["resolved"]).read_text())
folder, does = Job("", config).folder, config.get("does", "complete")
folder.mkdir(parents=True, exist_ok=True)
with (folder / "starts.txt").open("a") as file:
    file.write(f"{os.getpid()} {os.getpgid(0)} {time.time()}\n")
(folder / "environment.txt").write_text("\n".join(f"{k}={v}" for k, v in os.environ.items()))

if does == "fail":
    print("Traceback: many lines")
    print("swaplab train: this cannot be; do that")
    sys.exit(2)
if does == "crash":
    print("half a word")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

record = RunRecord.load(folder) if (folder / "run.json").exists() else RunRecord.create(folder, config, {})
asked = []
if does == "stubborn":
    signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
else:
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
if does == "litter":
    child = subprocess.Popen(["sleep", "600"])
    (folder / "child.txt").write_text(str(child.pid))
if finished(folder, config) is None:
    record.begin_session()
    record.add_metrics({"images_seen": 40, "val/error": 0.5})
    (folder / "ready").touch()
    pause = {"wait": 60.0, "stubborn": 60.0}.get(does, float(config.get("pause", 0)))
    until = time.monotonic() + (0 if (folder / "hurry").exists() else pause)
    while time.monotonic() < until and not asked:
        time.sleep(0.05)
    if asked:
        record.end("interrupted", "stopped by SIGTERM", metrics={})
        sys.exit(0)
    if does == "diverge":
        record.end("diverged", "a loss was not finite", metrics={"val/error": 9.0})
        sys.exit(1)
    record.add_metrics({"images_seen": 100, "val/error": 0.25})
    record.end("complete", "the budget is spent", metrics={"val/error": 0.25})
    (record.checkpoints / "final.safetensors").write_bytes(b"")
if "evaluate" in settings:
    (folder / "evaluation/final").mkdir(parents=True, exist_ok=True)
    (folder / "evaluation/final" / f"{settings['evaluate']}.json").write_text("{}")
with (folder / "ends.txt").open("a") as file:
    file.write(f"{time.time()}\n")
