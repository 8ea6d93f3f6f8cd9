"""Candidates for the last word of any command line."""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swaplab.cli.main import COMMANDS
from swaplab.cli.shells import SCRIPTS
from swaplab.config import completing, tree


def candidates(words: Sequence[str]) -> list[str]:
    """Candidates for the last word after ``swaplab``, in order, without duplicates."""
    found = COMMANDS if len(words) == 1 else _of_command(words[0], words[1:])
    return [word for word in dict.fromkeys(found) if word.startswith(words[-1])]


def _of_command(name: str, words: Sequence[str]) -> Iterable[str]:
    if name in SPECIAL:
        return SPECIAL[name](words)
    if name not in COMMANDS:
        return ()
    keys = getattr(importlib.import_module(f"swaplab.cli.{name}"), "KEYS", None)
    found = [*completing.of_keys(keys, words, _runs)] if keys is not None else []
    return [*found, *_data_words(words)] if name == "render" else found


def _data_words(words: Sequence[str]) -> Iterator[str]:
    return (word for word in completing.of_train(words) if word.lstrip("+~").startswith("data"))


def _runs(folder: str) -> list[str]:
    """The names of runs: last, and NAME/ID of each."""
    from swaplab.runs.registry import label_of, run_folders

    place = Path(folder)
    return ["last", *sorted(label_of(place, found) for found in run_folders(place))] if place.is_dir() else []


def _of_runs(words: Sequence[str]) -> Iterable[str]:
    from swaplab.cli import runs
    from swaplab.runs.record import STATUSES

    if len(words) == 1:
        return runs.COMMANDS
    found = ["runs=", *runs.WORDS.get(words[0], ())]
    if words[0] in runs.NAMING:
        found += _runs("runs")
    if words[0] in runs.FILTERING:
        found += [f"status={status}" for status in STATUSES]
        found += [word for word in completing.of_train(words) if "=" in word and not word.startswith("runs=")]
    return found


def _of_ablation(words: Sequence[str]) -> Iterable[str]:
    from swaplab.cli.ablation import COMMANDS as SUBCOMMANDS
    from swaplab.config.commands import AblationReport

    if len(words) == 1:
        return SUBCOMMANDS
    if len(words) == 2 and words[0] != "list":
        return tree.groups()["ablation"]
    if words[0] == "report":
        return completing.of_keys(AblationReport, words, _runs)
    return completing.of_train(words) if words[0] in ("plan", "run") else ()


def _of_options(words: Sequence[str]) -> Iterable[str]:
    if len(words) == 1:
        return [*tree.groups(), "keys"]
    return tree.groups().get(words[0], ()) if len(words) == 2 else ()


SPECIAL = {
    "train": completing.of_train,
    "runs": _of_runs,
    "ablation": _of_ablation,
    "options": _of_options,
    "completion": lambda words: SCRIPTS if len(words) == 1 else (),
    "verify": lambda words: completing.files(words[-1]),
}
