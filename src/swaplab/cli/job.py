"""swaplab train resolved=FILE [evaluate=SPLIT]: the run of a config that is composed already, as sweeps start it.

Without Hydra, so that the ranks of the run can be started by the same command line.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swaplab.errors import UserError
from swaplab.runs.evaluations import SPLITS
from swaplab.stopping import PARENT

KEYS = ("resolved", "evaluate")


def asked_for(words: Sequence[str]) -> bool:
    """Whether a command line names a resolved config."""
    return any(word.startswith("resolved=") for word in words)


def run_resolved(words: Sequence[str]) -> None:
    """Train the run of a command line, and measure it where asked for."""
    settings = dict(word.partition("=")[::2] for word in words)
    unknown = [word for word in words if word.partition("=")[0] not in KEYS]
    if unknown:
        raise UserError(f"{unknown[0]} cannot stand beside resolved=FILE, whose config is final; set it in the file")
    split = settings.get("evaluate")
    if split is not None and split not in SPLITS:
        raise UserError(f"evaluate={split} is not known; choose {' or '.join(SPLITS)}")
    config = read_resolved(Path(settings["resolved"]))
    from swaplab.cli.train import train_run
    from swaplab.sweeps.jobs import Job, evaluated
    from swaplab.training.launch import find_ranks

    main = find_ranks(config["trainer"]).main
    train_run(config)
    record = Job("", config).record() if main and split else None
    if split and record is not None and record.status == "complete" and not evaluated(record, split):
        _evaluate(record.folder, split)


def read_resolved(file: Path) -> dict[str, Any]:
    """The config in a file. UserError if it is none, is another version's, or wants to run something foreign."""
    import yaml

    from swaplab.config.border import checked
    from swaplab.runs.identity import leaves

    hint = "give a config as `swaplab train --cfg job --resolve` prints it with this version"
    try:
        config = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} cannot be read ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(config, dict):
        raise UserError(f"{file} is no config; {hint}")
    for key, value in leaves(config):
        if "${" in str(value):
            raise UserError(f"{file} refers at {key} to another value, {value}; write the value itself")
    try:
        return checked(config)
    except UserError as error:
        raise UserError(f"{file}: {error}; {hint}") from None


def _evaluate(folder: Path, split: str) -> None:
    """Measure a run in a process of its own, which knows nothing of ranks and ends with this one."""
    from swaplab.sweeps.process import wait_for

    environment = {k: v for k, v in os.environ.items() if not k.endswith(("RANK", "WORLD_SIZE"))}
    command = [sys.executable, "-m", "swaplab", "evaluate", f"run={folder}", f"split={split}", "clip=false"]
    sys.stdout.flush()
    evaluation = subprocess.Popen(command, env=environment | {PARENT: str(os.getpid())})
    code = wait_for(evaluation)
    if code:
        raise SystemExit(code if code > 0 else 128 - code)
