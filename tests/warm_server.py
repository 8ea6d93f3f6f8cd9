"""A process that has imported everything once and forks a command for each request: a start in milliseconds.

Each command is a real process with a process group, signals, files and working folder of its own; only its imports are
done already. Requests are JSON lines on standard input: {"name", "words", "cwd", "env", "folder"}; the answer is the
process id. A command's output goes to FOLDER/out and FOLDER/err, and when it has ended its exit code to FOLDER/code.
"""

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


def warm() -> ModuleType:
    """The command's module, with all that it imports when it is used."""
    for name in ("torch", "lightning.pytorch", "hydra", "albumentations", "wandb", "scipy.stats", "cv2", "av"):
        importlib.import_module(name)
    source = Path(next(iter(importlib.import_module("swaplab").__path__)))
    for file in sorted(source.rglob("*.py")):
        if "conf" not in file.parts and file.stem != "__main__":
            importlib.import_module(".".join(("swaplab", *file.relative_to(source).with_suffix("").parts)))
    return importlib.import_module("swaplab.cli.main")


def run(module: ModuleType, request: dict[str, Any]) -> NoReturn:
    """In the forked process: become the command, and end as the interpreter would."""
    os.setpgid(0, 0)
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    folder = Path(request["folder"])
    for target, name in ((0, os.devnull), (1, folder / "out"), (2, folder / "err")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), target)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["swaplab", request["name"], *request["words"]]
    # as python -m swaplab: a run starts its other ranks by it
    sys.modules["__main__"].__spec__ = importlib.util.find_spec("swaplab.__main__")
    # the interpreter's own way out: exit handlers run, threads are joined, a traceback is printed
    raise SystemExit(module.main())


def serve(module: ModuleType) -> None:
    """Fork for every request until standard input closes."""
    folders: dict[int, Path] = {}
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], 0.02)
        if readable:
            line = sys.stdin.readline()
            if not line:
                return
            request = json.loads(line)
            child = os.fork()
            if not child:
                run(module, request)
            os.setpgid(child, child)  # here too: a signal to the group may come before the child has done it
            folders[child] = Path(request["folder"])
            print(child, flush=True)
        with contextlib.suppress(ChildProcessError):
            while True:
                child, status = os.waitpid(-1, os.WNOHANG)
                if not child:
                    break
                note = folders.pop(child) / "code"
                note.with_suffix(".new").write_text(str(os.waitstatus_to_exitcode(status)))
                note.with_suffix(".new").rename(note)


if __name__ == "__main__":
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    module = warm()
    gc.collect()
    gc.freeze()  # a fork would copy what its garbage collector touches
    serve(module)
