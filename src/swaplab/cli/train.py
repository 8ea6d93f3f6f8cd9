"""swaplab train: compose a config, train the run that it describes, print the run folder."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swaplab.cli.words import CommandLine
from swaplab.errors import UserError
from swaplab.stopping import Stopped

if TYPE_CHECKING:
    from swaplab.training.record_logger import Listener

HELP = """
swaplab train: train a face-swap model; the result is a run folder with its record.

  swaplab train                                          the built-in pair; takes minutes on two cores
  swaplab train seed=2 mask=learned noise=none           any choice is one switch
  swaplab train data=facesets data.identities.A=DIR_A data.identities.B=DIR_B
  swaplab train discriminator=per_identity loss/adversarial=lsgan budget.images=500000
  swaplab train -m norm=none,instance,sync_batch seed=1,2,3       every combination, each in its own process

The same command resumes an interrupted run and leaves a finished one alone.
`swaplab options` lists every group, option and key. If a key is given twice, the later value counts.
  --cfg job [--resolve]   print the composed config; --resolve fills in every reference
  --config-dir DIR        add a folder of your own configs
  -m                      sweep: every combination of the comma-separated values
"""
ADVICE = "; the same command resumes"

# Names and paths are plain text, whatever characters they contain.
NAMES = (
    *("name", "run_id", "runs", "data.identities.*", "data.cache", "init_from.run"),
    *("labels.name", "labels.group", "labels.notes", "logger.wandb.project", "logger.wandb.entity"),
)


def run(words: Sequence[str]) -> None:
    """Train what the words describe: one run, a sweep, or the run of a resolved config."""
    from functools import partial

    from swaplab.cli import job
    from swaplab.cli.hydra_app import composed
    from swaplab.sweeps.apart import run_apart
    from swaplab.sweeps.launching import launcher_sentences
    from swaplab.sweeps.planning import folder_override

    if job.asked_for(words):
        job.run_resolved(words, train_run)
        return
    line = CommandLine.parse(words).with_names(NAMES)
    for word in line.overrides:
        if word.lstrip("+~").partition("=")[0] == "ablation":
            raise UserError(f"{word}: an ablation has its own command; write swaplab ablation run NAME")
    added = folder_override(line.overrides, line.folder)
    with launcher_sentences():
        configs = composed(line, job=partial(run_apart, line.overrides), added=added)
    for config in configs:
        train_run(config)


def train_run(config: dict[str, Any], tell: "Listener | None" = None) -> float | None:
    """Train the run of a resolved config and say how it ended; returns the objective of sweepers.

    ``tell`` gets every row of metrics and every sheet.
    """
    from functools import partial

    from swaplab.experiment.train import train
    from swaplab.training.launch import is_main

    done = train(config, tell, partial(print, flush=True))
    if is_main():
        again = f"this run is already {done.status} (same config and seed): {done.folder}"
        print(again if done.reason is None else f"{done.status}: {done.reason}; run record: {done.folder}")
        if done.signal:  # the other ranks exit with 0: if one failed, a launcher would kill those that still write
            raise Stopped(done.signal)
    if done.reason is not None and done.status in ("diverged", "failed"):
        raise SystemExit(1)
    return done.objective(config["checkpoint"]["best"])
