"""The one command: which subcommands there are, and how each of them starts and ends.

A subcommand is a module of this package with a text ``HELP`` and a function ``run(words)``, which returns an exit
code or None for 0. It may have ``ADVICE``, what is said after a signal, and ``KEYS``, the type of its keys, which
``--help`` lists. Nothing heavy is imported before a subcommand is known to run.
"""

import importlib
import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import metadata
from types import ModuleType

from swaplab.errors import UserError
from swaplab.stopping import Stopped, end_with_parent, obey, stoppable

# In the order in which a newcomer needs them.
COMMANDS = {
    "demo": "see a face swap within five minutes",
    "doctor": "check what this machine can do",
    "options": "list every switch: groups, options, keys, sources",
    "extract": "cut one person's face out of videos: a faceset",
    "render": "render invented people: facesets whose true swaps are known",
    "train": "train a model, or sweep over many (-m)",
    "evaluate": "measure a run on held-out clips",
    "report": "show runs on one HTML page",
    "convert": "swap the face in a picture or a video, and mark the result",
    "verify": "read the marks of a file",
    "runs": "list, compare, watch, remove and upload runs",
    "ablation": "answer one question with a planned experiment",
    "completion": "complete words in bash, zsh and fish",
}
HELP = """
swaplab: a laboratory for face-swap models. Every decision is one switch, every answer is measured on held-out data.

  swaplab COMMAND [KEY=VALUE ...]

{commands}

  swaplab demo                                      see a swap within five minutes
  swaplab train seed=2 reconstruction=mse           change one thing: same data, same noise, same start
  swaplab ablation run bottleneck                   answer a question with every level and seed

swaplab COMMAND --help explains a command. RUN is a folder, NAME/ID, the beginning of an ID, or last.
"""
FLAGS = {"-h", "--help"}


def main() -> None:
    """Entry point. SystemExit with 0; 1 where a command says so; 2 for a mistake; 128 + N after signal N."""
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_is_gone():
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


def _reader_is_gone() -> bool:
    """Whether nobody reads standard output any more, as after ``| head``; then nothing more is written to it."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone


def overview() -> str:
    """What ``swaplab --help`` prints: one screen."""
    width = max(map(len, COMMANDS))
    return HELP.format(commands="\n".join(f"  {name:{width}}  {what}" for name, what in COMMANDS.items())).strip()


def help_of(module: ModuleType) -> str:
    """The help of a subcommand, with a line for each of its keys."""
    text: str = module.HELP.strip()
    if not hasattr(module, "KEYS"):
        return text
    from swaplab.config.keys import table

    return f"{text}\n\nKeys (KEY=VALUE):\n{table(module.KEYS)}"


def _unknown(name: str) -> str:
    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose among {', '.join(COMMANDS)}"
    return f"there is no command {name}; {hint}"


def run_command(name: str, module: ModuleType, words: Sequence[str]) -> int:
    """Run a subcommand; returns its exit code.

    UserError and Hydra's own complaints are one sentence on stderr and exit code 2; anything else is a bug and keeps
    its traceback.
    """
    # an import of albumentations would ask the network for a newer version
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # jobs, ranks and measurements are started by python -m, which would import what lies in the current folder
    os.environ["PYTHONSAFEPATH"] = "1"
    # Hydra raises instead of printing: one place decides what a user sees
    os.environ["HYDRA_FULL_ERROR"] = "1"
    from swaplab.config.trust import find_declared_packages

    try:
        find_declared_packages()
        return module.run(words) or 0
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        obey()
        print(f"{name}: {sentence}", file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str | None:
    """What a user is told of an error; None for a bug."""
    if isinstance(error, UserError):
        return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if "hydra" not in sys.modules:
        return None
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    from swaplab.config.compose import one_sentence

    return f"{one_sentence(error)}; see --help for what can be set"


@contextmanager
def stopped_in_order(name: str, advice: str = "") -> Iterator[None]:
    """A command that is asked to end clears away what is unfinished, says so, and dies of the signal.

    To a shell that is 130 for SIGINT (Ctrl-C), 143 for SIGTERM, 129 for SIGHUP.
    """
    try:
        with stoppable():
            end_with_parent()
            yield
    except Stopped as stopped:
        if os.environ.get("LOCAL_RANK", "0") == "0":  # of several ranks one says it
            print(f"{name}: {stopped}{advice}", file=sys.stderr)
        raise SystemExit(128 + stopped.number) from None
