"""How a command ends: errors as one sentence, signals as the shell expects them, a reader that is gone."""

import os
import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

from swaplab.errors import UserError
from swaplab.stopping import Stopped, end_with_parent, obey, stoppable


def run_command(name: str, module: ModuleType, words: Sequence[str]) -> int:
    """Run a subcommand; returns its exit code.

    UserError and Hydra's errors give one sentence on stderr and exit code 2; any other error is a bug and keeps its
    traceback.
    """
    # when imported, albumentations would look for a newer version on the network
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # python -m, which starts jobs, ranks and evaluations, would import files of the current folder
    os.environ["PYTHONSAFEPATH"] = "1"
    # Hydra must raise instead of printing
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
    """The message of an error for the user; None for a bug."""
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
    """The context of a command: after a stop signal it cleans up, prints a message, and exits by the signal.

    A shell sees code 130 for SIGINT (Ctrl-C), 143 for SIGTERM, 129 for SIGHUP.
    """
    try:
        with stoppable():
            end_with_parent()
            yield
    except Stopped as stopped:
        if os.environ.get("LOCAL_RANK", "0") == "0":  # only rank 0 prints it
            print(f"{name}: {stopped}{advice}", file=sys.stderr)
        raise SystemExit(128 + stopped.number) from None


def reader_is_gone() -> bool:
    """Whether the reader of standard output is gone, as after ``| head``; if so, discard further output."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone
