"""swaplab demo: render two invented people, train, evaluate and show the swap within minutes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.config.commands import Demo as KEYS

if TYPE_CHECKING:
    from swaplab.experiment.ahead import Ahead

HELP = """
swaplab demo: see a face swap within five minutes, on two CPU cores and without any data.

  swaplab demo                     render two invented people, train on them, measure the swap, write a page
  swaplab demo seed=2              another initialisation and data order: how much is luck?
  swaplab demo images=180000       four times as long

Within a minute it writes a picture of the swap, demo.png in the run's folder, and updates it during training.
Ctrl-C stops it at any time, and the same command resumes it.
"""
ADVICE = "; the same command resumes from the last finished stage or checkpoint"

# At this budget 600 faces per identity score as high as 1000, on each of three seeds, and are rendered sooner.
EXPERIMENT = ("experiment=demo", "data/profile=small")
SPLIT = "test"
ROWS, SCALE = 4, 3  # rows of the picture, and its magnification


def run(words: Sequence[str]) -> None:
    """Train on the built-in pair, evaluate the run and write its page."""
    from swaplab.cli.train import train_run
    from swaplab.config.keys import parsed
    from swaplab.devices import use_threads
    from swaplab.experiment.ahead import Ahead
    from swaplab.experiment.run import Run
    from swaplab.metrics.summary import summary
    from swaplab.progress import stages
    from swaplab.report.page import write_report
    from swaplab.runs.identity import run_id_of

    keys, say = parsed(KEYS, words), _clock()
    config = _config(keys)
    folder = Path(config["runs"]) / config["name"] / run_id_of(config)
    say("rendering two invented people, unless they are in the cache")
    with Ahead(config, SPLIT) as ahead:
        train_run(config, _Follower(folder, config, ahead, say))
        say("measuring the swap on clips that no training saw")
        ahead.wait()
        use_threads(config["trainer"]["threads"])
        with stages() as progress:
            evaluations = Run(folder).evaluate(SPLIT, progress=progress)
    page = write_report([folder], folder / "report.html")
    print(f"\n{summary(evaluations)}\n\n{folder}/evaluation/final/{SPLIT}.md has every number.\n")
    say("done")
    print(f"look at this picture:  {_picture(folder)}")
    print(f"open this page:        {page}")
    print(f"try this next:         swaplab train {' '.join(EXPERIMENT)} generator/code_match=none   (the 2017 model)")


def _config(keys: dict[str, Any]) -> dict[str, Any]:
    """The config of ``experiment=demo`` with the keys of the command line."""
    from swaplab import compose
    from swaplab.places import expanded

    words = [*EXPERIMENT, f"seed={keys['seed']}", "wandb.mode=disabled"]
    words += [] if keys["images"] is None else [f"budget.images={keys['images']}"]
    return compose(*words) | {"runs": str(expanded(keys["runs"]))}


def _clock() -> Callable[[str], None]:
    """A function that prints a line with the elapsed seconds."""
    began = time.perf_counter()
    return lambda text: print(f"{time.perf_counter() - began:4.0f} s  {text}", flush=True)


def _picture(folder: Path) -> Path:
    return folder / "demo.png"


class _Follower:
    """Listens to training: redraws the picture with every sheet, and starts `Ahead` with the first row."""

    def __init__(self, folder: Path, config: dict[str, Any], ahead: "Ahead", say: Callable[[str], None]) -> None:
        self.folder, self.config, self.ahead, self.say = folder, config, ahead, say

    def __call__(self, row: dict[str, Any], sheet: str | None) -> None:
        if not self.ahead.begun:
            self.say(f"training on {self.config['budget']['images']:,} images")
            self.ahead.begin()
        if sheet is None:
            return
        self._draw(Path(sheet))
        quality = row["val/oracle_swap_psnr"]
        self.say(f"{row['images_seen']:,} images: swap {quality:.1f} dB to the true one, see {_picture(self.folder)}")

    def _draw(self, path: Path) -> None:
        from swaplab.runs.atomic import write_bytes_atomically
        from swaplab.runs.sheets import read_sheet
        from swaplab.sheets import drawn, png

        names, columns = [], []
        for way, faces in read_sheet(path).items():
            a, b = way.split("->")
            names += [a, f"{a} reconstructed", f"{a} as {b}", "true swap"]
            columns += [column[:ROWS] for column in faces.known]
        write_bytes_atomically(_picture(self.folder), png(drawn(columns, names, SCALE)))
