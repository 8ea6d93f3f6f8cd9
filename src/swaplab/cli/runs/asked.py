"""The words of `swaplab runs COMMAND`: names of runs, KEY=VALUE, and flags."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from swaplab.errors import UserError
from swaplab.places import expanded

WORD = re.compile(r"([A-Za-z_][\w./-]*)=(.*)", re.DOTALL)


@dataclass
class Asked:
    """The parsed words of a command: the folder of the runs, the named runs, settings and flags."""

    command: str
    runs: Path
    named: list[str]
    settings: dict[str, str]
    flags: list[str]

    @classmethod
    def parse(cls, command: str, words: Sequence[str]) -> "Asked":
        """UserError for a key given twice; ``a,b`` means one of several values."""
        given = [word.removeprefix("runs=") for word in words if word.startswith("runs=")]
        asked = cls(command, expanded(given[-1] if given else "runs"), [], {}, [])
        for word in words:
            pair = WORD.fullmatch(word)
            if word.startswith("--"):
                asked.flags.append(word)
            elif pair is None or Path(word).is_dir() or (asked.runs / word).is_dir():  # names of runs may contain = too
                asked.named.append(word)
            elif pair[1] in asked.settings:
                raise UserError(f"{pair[1]} is given twice; write {pair[1]}=a,b for several values")
            elif pair[1] != "runs":
                asked.settings[pair[1]] = pair[2]
        return asked

    def refuse(self, *given: Iterable[str]) -> None:
        """UserError for the first of the given words, because the command takes none of them."""
        for word in (word for words in given for word in words):
            raise UserError(f"{self.command} does not take {word}; see --help")

    def folder(self, named: str) -> Path:
        """The folder of a named run; UserError, with the nearest names, if there is none."""
        from swaplab.runs.naming import run_folder

        return run_folder(self.runs, named)

    def folders(self, least: int = 0) -> list[Path]:
        """The folders of all named runs, each once; UserError if fewer than ``least`` are named."""
        if len(self.named) < least:
            raise UserError(f"no run is given; write swaplab runs {self.command} RUN, see `swaplab runs list`")
        return list(dict.fromkeys(self.folder(name) for name in self.named))
