"""Prepares the cached data of an evaluation in a separate process while the model trains."""

import os
import sys
from multiprocessing import get_context
from types import TracebackType
from typing import Any

from swaplab.stopping import follow_parent, shielded


class Ahead:
    """A low-priority process that caches the baselines and the film of a config's rendered people.

    `swaplab evaluate` makes them itself if they are missing. Start it after the faces are rendered, or they would be
    rendered twice.
    """

    def __init__(self, config: dict[str, Any], split: str) -> None:
        self._process = get_context("spawn").Process(target=_prepare, args=(config, split), daemon=True)
        self.begun = False

    def begin(self) -> None:
        """Start the process."""
        self.begun = True
        with shielded():
            self._process.start()

    def wait(self) -> None:
        """Wait until it is done, if it was started."""
        if self.begun:
            self._process.join()

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.begun and kind is not None:
            self._process.kill()


def _prepare(config: dict[str, Any], split: str) -> None:
    """Fill the cache. Errors are ignored, because the evaluation tries again and reports them."""
    follow_parent()
    os.nice(5)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    import torch

    from swaplab.experiment.baselines import load_baseline
    from swaplab.experiment.data import load_data, tasks_of
    from swaplab.networks.pretrained.identity import IdentityEmbedder
    from swaplab.networks.pretrained.landmarks import Landmarker
    from swaplab.synthetic.film import build_film

    torch.set_num_threads(config["trainer"]["threads"])
    # a daemon process cannot have child processes
    config = config | {"data": config["data"] | {"workers": 1}}
    sources, data = load_data(config)
    embedder, landmarker = IdentityEmbedder(), Landmarker()
    for task in tasks_of(sources, data, split):
        load_baseline(config, sources, data, task, embedder, landmarker)
    build_film(config["data"], split)
