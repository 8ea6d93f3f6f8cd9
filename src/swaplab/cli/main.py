"""The command `swaplab`: its subcommands, and how each one starts and ends.

A subcommand is a module of this package with a text ``HELP`` and a function ``run(words)``, which returns an exit code
or None for 0. It may have ``ADVICE`` (appended to the message after a signal) and ``KEYS`` (the type of its keys, which
``--help`` lists). Heavy packages are imported only when a subcommand runs.
"""

import importlib
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import metadata
from types import ModuleType

from swaplab.cli.ending import reader_is_gone, run_command, stopped_in_order

# In the order in which a new user needs them.
COMMANDS = {
    "demo": "see a face swap within five minutes",
    "doctor": "check what this machine can do",
    "options": "list every switch: groups, options, keys, sources",
    "extract": "make a faceset from videos or pictures of one person",
    "render": "render invented people: facesets with known true swaps",
    "train": "train one model, or many in a sweep (-m)",
    "evaluate": "measure a run on held-out clips",
    "report": "show runs on one HTML page",
    "convert": "swap the face in a picture or video, and mark the result",
    "verify": "check the marks of a file",
    "runs": "list, compare, watch, remove and upload runs",
    "ablation": "answer one question with a planned experiment",
    "completion": "set up Tab completion in bash, zsh and fish",
}
HELP = """
swaplab: a laboratory for face-swap models. Every decision is one switch, every answer is measured on held-out data.

  swaplab COMMAND [KEY=VALUE ...]

{commands}

  swaplab demo                                      see a swap within five minutes
  swaplab train seed=2 loss/reconstruction=mse      change one thing: same data, noise and initialisation
  swaplab ablation run bottleneck                   answer a question with every level and seed

swaplab COMMAND --help explains a command. RUN is a folder, NAME/ID, the beginning of an ID, or last.
"""
FLAGS = {"-h", "--help"}


def main() -> None:
    """Entry point. Exit codes: 0; 1 if a command reports a failure; 2 for a user error; 128 + N after signal N."""
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        if not reader_is_gone():
            raise
        code = 128 + signal.SIGPIPE
    raise SystemExit(code)


def _run(words: Sequence[str]) -> int:
    if words[:1] == ["--version"]:
        print(f"swaplab {metadata.version('swaplab')}")
        return 0
    if not words or words[0] in FLAGS:
        print(overview())
        return 0 if words else 2
    name, *rest = words
    if name not in COMMANDS:
        print(f"swaplab: {_unknown(name)}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"swaplab.cli.{name}")
    if FLAGS & set(rest):
        print(help_of(module))
        return 0
    with stopped_in_order(f"swaplab {name}", getattr(module, "ADVICE", "")):
        return run_command(f"swaplab {name}", module, rest)


def overview() -> str:
    """The text of ``swaplab --help``, one screen."""
    width = max(map(len, COMMANDS))
    return HELP.format(commands="\n".join(f"  {name:{width}}  {what}" for name, what in COMMANDS.items())).strip()


def help_of(module: ModuleType) -> str:
    """The help of a subcommand with the table of its keys."""
    text: str = module.HELP.strip()
    if not hasattr(module, "KEYS"):
        return text
    from swaplab.config.keys import table

    return f"{text}\n\nKeys (KEY=VALUE):\n{table(module.KEYS)}"


def _unknown(name: str) -> str:
    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(COMMANDS)}"
    return f"there is no command {name}; {hint}"
