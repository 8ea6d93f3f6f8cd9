"""swaplab train resolved=FILE [evaluate=SPLIT]: train the run of a resolved config; sweeps start their jobs this way.

It does not use Hydra, so that the same command line can start the ranks of the run.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swaplab.config.commands import ResolvedTrain as KEYS
from swaplab.errors import UserError
from swaplab.stopping import PARENT


def asked_for(words: Sequence[str]) -> bool:
    """Whether the arguments name a resolved config."""
    return any(word.startswith("resolved=") for word in words)


def run_resolved(words: Sequence[str], train: Callable[[dict[str, Any]], object]) -> None:
    """``train`` the run of a resolved config and, with ``evaluate``, evaluate it."""
    from swaplab.config.keys import leaves, parsed

    known = [key for key, _ in leaves(KEYS)]
    unknown = [word for word in words if word.partition("=")[0] not in known]
    if unknown:
        raise UserError(f"{unknown[0]} cannot be combined with resolved=FILE; set it in the file instead")
    keys = parsed(KEYS, words)
    split = keys["evaluate"]
    config = read_resolved(Path(keys["resolved"]))
    from swaplab.sweeps.jobs import Job, evaluated
    from swaplab.training.launch import is_main

    main = is_main()
    train(config)
    record = Job("", config).record() if main and split else None
    if split and record is not None and record.status == "complete" and not evaluated(record, split):
        _evaluate(record.folder, split)


def read_resolved(file: Path) -> dict[str, Any]:
    """The validated config in a file. Raises UserError if it is invalid, untrusted or from another version."""
    import yaml

    from swaplab.config.border import checked
    from swaplab.runs.identity import leaves

    hint = "use a config as printed by `swaplab train --cfg job --resolve` of this version"
    try:
        config = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} cannot be read ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(config, dict):
        raise UserError(f"{file} is not a config; {hint}")
    for key, value in leaves(config):
        if "${" in str(value):
            raise UserError(f"{file} has the interpolation {value} at {key}; write the value itself")
    try:
        return checked(config)
    except UserError as error:
        raise UserError(f"{file}: {error}; {hint}") from None


def _evaluate(folder: Path, split: str) -> None:
    """Evaluate a run in a child process, without the environment variables of ranks."""
    from swaplab.sweeps.process import wait_for

    environment = {k: v for k, v in os.environ.items() if not k.endswith(("RANK", "WORLD_SIZE"))}
    command = [sys.executable, "-m", "swaplab", "evaluate", f"run={folder}", f"split={split}", "clip=false"]
    sys.stdout.flush()
    evaluation = subprocess.Popen(command, env=environment | {PARENT: str(os.getpid())})
    code = wait_for(evaluation)
    if code:
        raise SystemExit(code if code > 0 else 128 - code)
