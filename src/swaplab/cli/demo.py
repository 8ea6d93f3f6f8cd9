"""swaplab demo: render two invented people, train, evaluate and show the swap within minutes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from swaplab.config.commands import Demo as KEYS

HELP = """
swaplab demo: see a face swap within five minutes, on two CPU cores and without any data.

  swaplab demo                     render two invented people, train on them, measure the swap, write a page
  swaplab demo seed=2              another initialisation and data order: how much is luck?
  swaplab demo images=180000       four times as long

Within a minute it writes a picture of the swap, demo.png in the run's folder, and updates it during training.
Ctrl-C stops it at any time, and the same command resumes it.
"""
ADVICE = "; the same command resumes from the last finished stage or checkpoint"

SPLIT = "test"


def run(words: Sequence[str]) -> None:
    """Train on the built-in pair, evaluate the run and write its page."""
    from swaplab.cli.train import train_run
    from swaplab.config.keys import parsed
    from swaplab.devices import use_threads
    from swaplab.experiment.ahead import Ahead
    from swaplab.experiment.demo import EXPERIMENT, Follower, config_of, picture_of
    from swaplab.experiment.run import Run
    from swaplab.metrics.summary import summary
    from swaplab.places import expanded
    from swaplab.progress import stages
    from swaplab.report.page import write_report
    from swaplab.runs.identity import run_id_of

    keys, say = parsed(KEYS, words), _clock()
    config = config_of(keys["seed"], keys["images"], str(expanded(keys["runs"])))
    folder = Path(config["runs"]) / config["name"] / run_id_of(config)
    say("rendering two invented people, unless they are in the cache")
    with Ahead(config, SPLIT) as ahead:

        def begin() -> None:
            say(f"training on {config['budget']['images']:,} images")
            ahead.begin()

        train_run(config, Follower(folder, begin, say))
        say("measuring the swap on clips that no training saw")
        ahead.wait()
        use_threads(config["trainer"]["threads"])
        with stages() as progress:
            evaluations = Run(folder).evaluate(SPLIT, progress=progress)
    page = write_report([folder], folder / "report.html")
    print(f"\n{summary(evaluations)}\n\n{folder}/evaluation/final/{SPLIT}.md has every number.\n")
    say("done")
    print(f"look at this picture:  {picture_of(folder)}")
    print(f"open this page:        {page}")
    print(f"try this next:         swaplab train {' '.join(EXPERIMENT)} generator/code_match=none   (the 2017 model)")


def _clock() -> Callable[[str], None]:
    """A function that prints a line with the elapsed seconds."""
    began = time.perf_counter()
    return lambda text: print(f"{time.perf_counter() - began:4.0f} s  {text}", flush=True)
