"""swaplab runs: look through the run folders, watch what trains, compare, remove or upload runs."""

from collections.abc import Callable, Sequence
from importlib import import_module

from swaplab.cli.runs.asked import Asked
from swaplab.errors import UserError

HELP = """
swaplab runs: look through the run folders, watch what trains, compare, remove or upload runs.

  swaplab runs list                                   every run under runs/
  swaplab runs list status=failed,interrupted seed=1  by name, id, status, seed, a factor, or any key of the config
  swaplab runs list metric=score,psnr sort=score      show these metrics, best first; sort=-score: worst first
  swaplab runs list sort=created --csv > runs.csv     newest first; --csv and --json write for other programs
  swaplab runs watch                                  what trains now: speed, loss, PSNR, time left, last sheet
  swaplab runs unfinished                             runs without a result and a process, and how to resume them
  swaplab runs diff norms/s1-0123 last                what differs in two runs' configs
  swaplab runs remove norms/s1-0123 yes=true          without yes=true it asks; a living run is refused
  swaplab runs set-aside norms/s1-0123                move a run, damaged or not, to runs/.set-aside; deletes nothing
  swaplab runs sync                                   upload offline W&B runs, each once; RUN or conditions choose some
  swaplab runs index                                  read all records anew

RUN is a folder, NAME/ID, the beginning of an ID, NAME where it has one run, or last: the run that was created last.
METRIC is a metric's name, its beginning, or its end after a slash. runs=DIR: where the runs are (runs).
"""
COMMANDS = {
    "list": "show",
    "watch": "show",
    "unfinished": "show",
    "diff": "show",
    "remove": "change",
    "set-aside": "change",
    "sync": "change",
    "index": "change",
}  # by the module that has them
NAMING = ("diff", "remove", "set-aside", "sync")  # those that take names of runs
FILTERING = ("list", "unfinished", "sync")  # those that take conditions
WORDS = {"list": ("metric=", "sort=", "--csv", "--json"), "remove": ("yes=true",)}  # what else they take


def run(words: Sequence[str]) -> int:
    """Do what the first word says."""
    if not words or words[0] not in COMMANDS:
        said = f"there is no subcommand {words[0]}" if words else "no subcommand given"
        raise UserError(f"{said}; write one of {', '.join(COMMANDS)}, see --help")
    command, *rest = words
    module = import_module(f"swaplab.cli.runs.{COMMANDS[command]}")
    function: Callable[[Asked], int] = module.COMMANDS[command]
    return function(Asked.parse(command, rest))
