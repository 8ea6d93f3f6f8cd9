"""What an evaluation needs besides a model, made in a process beside the training of that model."""

import os
import sys
from multiprocessing import get_context
from types import TracebackType
from typing import Any

from swaplab.stopping import follow_parent, shielded


class Ahead:
    """The baselines and the film of a config's rendered people, put into the cache by a process of its own.

    It gives way to the training and makes nothing that `swaplab evaluate` would not make itself where it is missing.
    Begin it when the faces are there, lest they be rendered twice.
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
        """Until it is done, if it was begun."""
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
    """Fill the cache; what fails here is said by the evaluation, which tries again."""
    follow_parent()
    os.nice(5)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    import torch

    from swaplab.cli.baselines import load_baseline
    from swaplab.cli.experiment import load_data, tasks_of
    from swaplab.networks.pretrained.identity import IdentityEmbedder
    from swaplab.networks.pretrained.landmarks import Landmarker
    from swaplab.synthetic.film import build_film

    torch.set_num_threads(config["trainer"]["threads"])
    # a daemon may have no processes of its own
    config = config | {"data": config["data"] | {"workers": 1}}
    sources, data = load_data(config)
    embedder, landmarker = IdentityEmbedder(), Landmarker()
    for task in tasks_of(sources, data, split):
        load_baseline(config, sources, data, task, embedder, landmarker)
    build_film(config["data"], split)
