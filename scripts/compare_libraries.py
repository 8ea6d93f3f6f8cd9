"""Compare our own machinery with libraries that could replace it: results, processor time, size. Takes three minutes.

docs/architecture.md quotes the table. Libraries that swaplab does not need are compared where they are installed:

pip install statsmodels scenedetect matplotlib plotly
OMP_NUM_THREADS=1 python scripts/compare_libraries.py [cuts ...]
"""

import copy
import importlib.util
import io
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import albumentations
import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import WeightAveraging
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics.functional.image import structural_similarity_index_measure as torchmetrics_ssim

from swaplab.faces.tracking import is_cut, thumbnail
from swaplab.losses.similarity import similarity_map
from swaplab.metrics.pixels import luma, masked_mean, ssim
from swaplab.report.document import environment
from swaplab.report.figures import Figure, Series
from swaplab.runs.statistics import holm, sign_flip_test
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.people import invented
from swaplab.synthetic.profile import Count, IdentityProfile
from swaplab.synthetic.rendering import render
from swaplab.training.ema import EMA

SHOTS, FRAMES, SIDE = 8, 20, 128
STUCK = 60  # seconds that a rank stands still
RANK = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
while True:
    dist.all_reduce(torch.ones(1))
"""


def milliseconds(call: Callable[[], Any], rounds: int = 5) -> float:
    """Processor time of a call, the best of several rounds."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        call()
        times.append(1000 * (time.process_time() - begin))
    return min(times)


def seconds_to_import(module: str) -> float:
    """Processor time of an import in a new process that has NumPy and torch already."""
    program = (
        f"import numpy, torch, time; begin = time.process_time(); import {module}; print(time.process_time() - begin)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) for name in names)


def row(what: str, text: str) -> None:
    print(f"{what:12} {text}", flush=True)


def similarity() -> None:
    """SSIM inside a mask, and as a loss."""
    torch.manual_seed(0)
    a = torch.rand(8, 3, SIDE, SIDE)
    b, mask = (a + 0.1 * torch.randn_like(a)).clamp(0, 1), (torch.rand(8, 1, SIDE, SIDE) > 0.7).double()

    def theirs() -> torch.Tensor:
        full = torchmetrics_ssim(luma(a), luma(b), data_range=1.0, reduction="none", return_full_image=True)[1]
        return masked_mean(full, mask)

    gap = float((theirs() - ssim(a, b, mask)).abs().max())
    ours_ms, theirs_ms = milliseconds(lambda: ssim(a, b, mask)), milliseconds(theirs)
    row("SSIM", f"largest difference {gap:.0e}; 8 faces: ours {ours_ms:.0f} ms, torchmetrics {theirs_ms:.0f} ms")
    row("", f"import torchmetrics.functional.image {seconds_to_import('torchmetrics.functional.image'):.1f} s")

    def trained(loss: Callable[[torch.Tensor], torch.Tensor]) -> None:
        loss(a.clone().requires_grad_()).backward()

    ours_ms = milliseconds(lambda: trained(lambda y: torch.mul(*similarity_map(y, b)).mean()))
    theirs_ms = milliseconds(lambda: trained(lambda y: torchmetrics_ssim(y, b, data_range=1.0)))
    row("SSIM loss", f"forward and backward on the CPU: ours {ours_ms:.0f} ms, torchmetrics {theirs_ms:.0f} ms")


def statistics() -> None:
    """Holm's correction and the sign-flip test."""
    random = np.random.default_rng(0)
    if installed("statsmodels"):
        from statsmodels.stats.multitest import multipletests

        families = [random.random(random.integers(1, 12)) ** 3 for _ in range(300)]
        gap = max(float(np.abs(np.array(holm(p)) - multipletests(p, method="holm")[1]).max()) for p in families)
        row("Holm", f"largest difference {gap:.0e}; import {seconds_to_import('statsmodels.stats.multitest'):.1f} s")

    def theirs(d: np.ndarray, side: str) -> float:
        options = {"permutation_type": "samples", "n_resamples": np.inf, "vectorized": True, "batch": 2**14}
        return float(stats.permutation_test((d,), lambda x, axis: x.sum(axis), alternative=side, **options).pvalue)

    tie, d = np.array([0.1, 0.2, -0.3]), random.normal(0.5, 1, 16)
    row(
        "sign flip",
        f"differences 0.1 0.2 -0.3, 5/8 by hand: {sign_flip_test(tie, 'greater')}, scipy {theirs(tie, 'greater')}",
    )
    ours_ms, theirs_ms = milliseconds(lambda: sign_flip_test(d)), milliseconds(lambda: theirs(d, "two-sided"), 1)
    row("", f"16 seeds: ours {ours_ms:.1f} ms, scipy {theirs_ms:.0f} ms")


def plotting() -> None:
    """One figure of two curves with 200 points."""
    x = np.linspace(0, 128000, 200)
    curves = {"A": np.exp(-x / 4e4), "B": np.exp(-x / 3e4) + 0.01 * np.sin(x)}
    figure = Figure("loss", [Series(name, list(x), list(y)) for name, y in curves.items()], x="images", y="loss")
    template = environment().from_string('{% from "parts.html.j2" import plot with context %}{{ plot("loss") }}')
    ours = template.render(figures={"loss": figure})
    row(
        "plots",
        f"ours {len(ours) / 1000:.0f} kB in {milliseconds(lambda: template.render(figures={'loss': figure})):.0f} ms",
    )
    if installed("matplotlib"):
        import matplotlib.pyplot as plt

        def drawn() -> int:
            axes, file = plt.subplots()[1], io.StringIO()
            for y in curves.values():
                axes.plot(x, y)
            plt.savefig(file, format="svg")
            plt.close()
            return len(file.getvalue())

        text = f"matplotlib {drawn() / 1000:.0f} kB in {milliseconds(drawn):.0f} ms, without tooltips"
        row("", f"{text}; import {seconds_to_import('matplotlib.pyplot'):.1f} s")
    if installed("plotly"):
        import plotly.graph_objects as go

        page = go.Figure([go.Scatter(x=x, y=y) for y in curves.values()]).to_html(include_plotlyjs=True)
        row("", f"plotly {len(page) / 1000:.0f} kB for a page that works without a network")


def cuts() -> None:
    """A film of rendered people with a cut after every shot."""
    one = Count(1, 1, 1)
    profile = IdentityProfile(clips=one, images=one, rate=one, light=1.0, background=1.0)
    clips = [Clip(0, "AB"[i % 2], "val", i, profile) for i in range(SHOTS)]
    people = {name: invented(i) for i, name in enumerate("AB")}
    film = [
        render(people[clip.identity], clip.state(clip.times()[0] + frame / 25), SIDE).image
        for clip in clips
        for frame in range(FRAMES)
    ]
    true = {FRAMES * i for i in range(1, SHOTS)}

    def ours() -> set[int]:
        small = [thumbnail(image) for image in film]
        return {i for i in range(1, len(film)) if is_cut(small[i - 1], small[i])}

    def said(found: set[int], ms: float) -> str:
        return (
            f"found {len(found & true)} of {len(true)} cuts, {len(found - true)} false, {ms / len(film):.2f} ms a frame"
        )

    row("cuts", f"ours {said(ours(), milliseconds(ours))}")
    if installed("scenedetect"):
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector, ContentDetector

        for kind in (ContentDetector, AdaptiveDetector):

            def theirs(kind: Any = kind) -> set[int]:
                detector, found = kind(min_scene_len=2), set()
                for i, image in enumerate(film):
                    hits = detector.process_frame(FrameTimecode(i, 25.0), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
                    found |= {hit.frame_num for hit in hits}
                return found

            row("", f"{kind.__name__} {said(theirs(), milliseconds(theirs, 2))}")


def augmentation() -> None:
    """What a library transform costs beside the work that it does, here OpenCV's in both cases."""
    face = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    flip = albumentations.HorizontalFlip(p=1.0)
    ours_ms = milliseconds(lambda: [cv2.flip(face, 1) for _ in range(1000)])
    theirs_ms = milliseconds(lambda: [flip(image=face) for _ in range(1000)])
    text = f"a flip of 96 pixels: a plain call {ours_ms:.1f} us, albumentations {theirs_ms:.1f} us"
    row("noise", f"{text}; import {seconds_to_import('albumentations'):.1f} s")


class Stepping(pl.LightningModule):
    """A network whose weights and statistics move in every ``every``-th batch; ``measured`` is a number, no average."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self.automatic_optimization, self.every = False, every
        self.net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.net.register_buffer("measured", torch.zeros(1))
        self.ours = EMA(self.net, half_life=40, ramp=1e9)

    def training_step(self, batch: torch.Tensor, number: int) -> None:
        optimizer: Any = self.optimizers()
        self.net(batch).square().sum().backward()
        self.net.get_buffer("measured").fill_(number)
        if number % self.every == self.every - 1:
            optimizer.step()
        optimizer.zero_grad()
        self.ours.follow(self.net, 10, images_seen=number)  # the first batch is copied, as in torch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.net.parameters(), 0.1)


def averaging() -> None:
    """Lightning's average with our decay, a half-life of four batches."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}

    class Theirs(WeightAveraging):
        def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            self.average = copy.deepcopy(self._average_model.module.net)  # it cannot be reached from outside

    for every in (1, 3):
        torch.manual_seed(0)
        theirs = Theirs(avg_fn=lambda average, now, _: now + (average - now) * 0.5 ** (10 / 40))
        module, batches = Stepping(every), DataLoader(torch.randn(12 * 8, 4), 8)
        pl.Trainer(max_epochs=1, callbacks=[theirs], enable_model_summary=False, **quiet).fit(module, batches)
        gaps = {
            name: float((value.double() - theirs.average.state_dict()[name].double()).abs().max())
            for name, value in module.ours.network.state_dict().items()
        }
        said = ", ".join(f"{name} {gaps[name]:.2g}" for name in ("0.weight", "1.running_mean", "measured"))
        row("EMA", f"a step in every {'batch' if every == 1 else f'{every}rd batch'}, differences: {said}")


def watching() -> None:
    """Whether torchrun notices that a rank stands still."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "rank.py"
        program.write_text(RANK)
        words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program)]
        agent = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        time.sleep(20)
        found = subprocess.run(["pgrep", "-P", str(agent.pid)], capture_output=True, text=True, check=True)
        ranks = [int(rank) for rank in found.stdout.split()]
        os.kill(ranks[-1], signal.SIGSTOP)
        begin = time.monotonic()
        while agent.poll() is None and time.monotonic() - begin < STUCK:
            time.sleep(1)
        noticed = agent.poll() is not None
        agent.kill()
        for rank in ranks:
            with suppress(ProcessLookupError):
                os.kill(rank, signal.SIGKILL)
        agent.wait()
    row("watch", f"a rank stands still: torchrun {'notices' if noticed else f'runs on for {STUCK} s and more'}")


def main() -> None:
    cv2.setNumThreads(1)
    comparisons = (similarity, statistics, plotting, cuts, augmentation, averaging, watching)
    for compare in [each for each in comparisons if each.__name__ in sys.argv[1:]] or comparisons:
        compare()


if __name__ == "__main__":
    main()
