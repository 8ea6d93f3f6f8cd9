"""A generator, a norm, an attention, a loss and an update order from somebody else's package, with no edit of ours."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from swaplab.training.checkpoint import STATE, load_checkpoint, networks_of

MODULE = '''
from dataclasses import dataclass
import torch
from torch import nn
from swaplab.networks.protocols import SwapOutput
from swaplab.training.updates import Update

class Translators(nn.Module):
    """Shaped as CycleGAN: encode is the identity map, decode the generator into that domain."""
    shared_encoder = False
    def __init__(self, identities, *, resolution, channels=4, norm=None):
        super().__init__()
        self.identities = tuple(identities)
        make = lambda: nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=norm is None),
                                     norm(channels) if norm else nn.Identity(), nn.ReLU(),
                                     nn.Conv2d(channels, 3, 1), nn.Sigmoid())
        self.into = nn.ModuleDict({name: make() for name in identities})
    def encode(self, faces, source):
        return faces
    def decode(self, code, target):
        return SwapOutput(self.into[target](code))

class Scale(nn.Module):
    def __init__(self, channels, start=1.0):
        super().__init__()
        self.gain = nn.Parameter(torch.full((1, channels, 1, 1), start))
    def forward(self, x):
        return self.gain * x

@dataclass(frozen=True)
class Cycle:
    weight: float = 10.0
    side: str = "generator"
    def __call__(self, step):
        a, b = step.identities
        return sum(step.mean((step.cycle(x, y).raw - step.input(x)).abs()) for x, y in ((a, b), (b, a)))

@dataclass(frozen=True)
class FoolOnSwaps:
    weight: float = 1.0
    side: str = "generator"
    def __call__(self, step):
        a, b = step.identities
        return sum(step.mean((step.judge(step.swap(x, y).raw, y) - 1) ** 2) for x, y in ((a, b), (b, a)))

@dataclass(frozen=True)
class TellSwaps:
    weight: float = 1.0
    side: str = "discriminator"
    def __call__(self, step):
        a, b = step.identities
        return sum(step.mean(step.judge(step.swap(x, y).raw.detach(), y) ** 2)
                   + step.mean((step.judge(step.target(y), y) - 1) ** 2) for x, y in ((a, b), (b, a)))

@dataclass(frozen=True)
class OneByOne:
    """Each identity's translator has its own optimiser; the discriminator sees fresh faces, every second step."""
    def updates(self, identities, networks):
        each = [Update(f"into_{n}", "generator", "generator", trains=(f"into.{n}",)) for n in identities]
        return [Update("d", "discriminator", "discriminator", part=1, every=2), *each]
'''

EXPERIMENT = {
    "defaults": [{"override /norm": "none"}, {"override /discriminator": "per_identity"}],
    "name": "cycle_shaped",
    "generator": {
        "_target_": "mylab.Translators",
        "channels": 4,
        "norm": {"_target_": "mylab.Scale", "_partial_": True, "start": 0.5},
    },
    "discriminator": {"width": 0.1, "conditional": False},
    "loss": {
        "reconstruction": None,
        "cycle": {"_target_": "mylab.Cycle", "weight": 10.0},
        "adversarial": {"_target_": "mylab.FoolOnSwaps"},
        "real_or_fake": {"_target_": "mylab.TellSwaps"},
    },
    "updates": {"_target_": "mylab.OneByOne"},
}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package and its config."""
    (tmp_path / "mylab.py").write_text(MODULE)
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "generator").mkdir()
    (tmp_path / "conf" / "updates").mkdir()
    text = "# @package _global_\n" + yaml.safe_dump(EXPERIMENT, sort_keys=False)
    (tmp_path / "conf" / "experiment" / "cycle_shaped.yaml").write_text(text)
    (tmp_path / "conf" / "generator" / "translators.yaml").write_text("_target_: mylab.Translators\n")
    (tmp_path / "conf" / "updates" / "one_by_one.yaml").write_text("_target_: mylab.OneByOne\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("mylab", None)


def test_a_system_unlike_ours_trains_from_outside(
    outside: Path,
    tiny: list[str],
    command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = [
        "--config-dir",
        str(outside / "conf"),
        "experiment=cycle_shaped",
        "generator=translators",
        "updates=one_by_one",
    ]
    words += [word for word in tiny if not word.startswith("generator.")] + ["run_id=x", "budget.images=160"]
    code, _, complaint = command("train", *words)
    assert code == 2
    assert "mylab.Translators" in complaint
    monkeypatch.setenv("SWAPLAB_PACKAGES", "mylab")
    code, _, complaint = command("train", *words)
    assert code == 0, complaint
    state = load_checkpoint(outside / "runs" / "cycle_shaped" / "x" / "checkpoints" / "last.ckpt")
    # 160 images = 10 steps of 2 parts x 2 identities x 4 faces
    assert state[STATE]["counters"] == {"steps": 10, "images_seen": 160}
    assert state[STATE]["made"] == {"d": 5, "into_A": 10, "into_B": 10}
    assert len(state["optimizer_states"]) == 3
    assert (networks_of(state)["generator.into.A.1.gain"] != 0.5).any()
