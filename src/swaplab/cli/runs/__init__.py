"""swaplab runs: list, watch, compare, remove or upload runs."""

from collections.abc import Callable, Sequence
from importlib import import_module

from swaplab.cli.runs.asked import Asked
from swaplab.errors import UserError

HELP = """
swaplab runs: list, watch, compare, remove or upload runs.

  swaplab runs list                                   every run under runs/
  swaplab runs list status=failed,interrupted seed=1  by name, id, status, seed, a factor, or any config key
  swaplab runs list metric=score,psnr sort=score      with these metrics, best first; sort=-score: worst first
  swaplab runs list sort=created --csv > runs.csv     newest first; --csv and --json are for other programs
  swaplab runs watch                                  active runs, live: speed, loss, PSNR, time left, last sheet
  swaplab runs unfinished                             runs neither finished nor active, and how to resume them
  swaplab runs diff norms/s1-0123 last                config keys that differ between two runs
  swaplab runs remove norms/s1-0123 yes=true          without yes=true it asks; refuses an active run
  swaplab runs set-aside norms/s1-0123                move a run, damaged or not, to runs/.set-aside; deletes nothing
  swaplab runs sync                                   upload offline W&B runs, each once; RUN or conditions select some
  swaplab runs index                                  read all records again

RUN is a folder, NAME/ID, the beginning of an ID, NAME if it has one run, or last: the newest run.
METRIC is a metric's name, its beginning, or its end after a slash. runs=DIR: the folder of the runs (default: runs).
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
}  # the module of each
NAMING = ("diff", "remove", "set-aside", "sync")  # these take names of runs
FILTERING = ("list", "unfinished", "sync")  # these take conditions
WORDS = {"list": ("metric=", "sort=", "--csv", "--json"), "remove": ("yes=true",)}  # other words that they take


def run(words: Sequence[str]) -> int:
    """Run the subcommand that the first word names."""
    if not words or words[0] not in COMMANDS:
        said = f"there is no subcommand {words[0]}" if words else "no subcommand given"
        raise UserError(f"{said}; write one of {', '.join(COMMANDS)}, see --help")
    command, *rest = words
    module = import_module(f"swaplab.cli.runs.{COMMANDS[command]}")
    function: Callable[[Asked], int] = module.COMMANDS[command]
    return function(Asked.parse(command, rest))
