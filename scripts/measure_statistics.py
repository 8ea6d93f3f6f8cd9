"""Compare running statistics for averaged weights: averaged, the live network's, or recomputed.

    python scripts/measure_statistics.py runs/NAME/s1-... runs/NAME/s2-...

For runs with batch norm. Prints for each run the validation PSNR of its averaged generator with its own running
statistics (averaged like the weights), and the differences with the statistics of the live network and with statistics
recomputed on 512 training faces per identity without noise, in the forward passes of training: all identities encoded
together, each decoded as itself.
"""

import copy
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from swaplab.experiment.data import load_data
from swaplab.experiment.module import preparer, some_faces
from swaplab.experiment.recorded import recorded_config
from swaplab.networks.building import build_networks
from swaplab.networks.statistics import tracking
from swaplab.networks.swap_model import swap_model
from swaplab.runs.record import RunRecord
from swaplab.training.checkpoint import LAST, average_of, load_checkpoint, networks_of

PART = 32  # faces per identity and forward pass
METRICS = {"reconstruction": "val/reconstruction_psnr", "swap": "val/oracle_swap_psnr"}


@torch.no_grad()
def renew(generator: nn.Module, faces: dict[str, Tensor]) -> None:
    """Recompute the running statistics of ``generator`` on faces (n, 3, R, R) uint8, the same n for each identity."""
    layers = tracking(generator).values()
    for layer in layers:
        layer.reset_running_stats()  # type: ignore[operator]
        layer.momentum = None  # type: ignore[assignment]
        layer.train()
    for parts in zip(*(images.split(PART) for images in faces.values()), strict=True):
        codes = generator.encode(torch.cat(parts).float().div(255), next(iter(faces)))  # type: ignore[operator]
        for name, code in zip(faces, codes.split([len(part) for part in parts]), strict=True):
            generator.decode(code, name)  # type: ignore[operator]
    for layer in layers:
        layer.eval()


def main(folder: Path) -> None:
    """Print a line per metric."""
    config = recorded_config(RunRecord.load(folder))
    _, data = load_data(config)
    shifts = data.colour_shifts()
    validate, prepare = data.held_out_faces["val"], preparer(data, lambda g: swap_model(g, config, shifts))
    state = load_checkpoint(folder / "checkpoints" / LAST)
    kept = build_networks(config, data.identities, data.resolution)["generator"].eval()
    kept.load_state_dict(average_of(state))
    statistics = {f"{path}.running_{what}" for path in tracking(kept) for what in ("mean", "var")}
    live, new = copy.deepcopy(kept), copy.deepcopy(kept)
    live.load_state_dict(average_of(state) | {name: networks_of(state)[f"generator.{name}"] for name in statistics})
    renew(new, {name: some_faces(data, name) for name in data.identities})
    found = []
    for generator in (kept, live, new):
        prepare(generator)
        values = validate(generator)
        found.append({name: values[metric] for name, metric in METRICS.items() if metric in values})
    for name, value in found[0].items():
        print(f"{folder}: {name} {value:.2f}, live {found[1][name] - value:+.2f}, new {found[2][name] - value:+.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for run in sys.argv[1:]:
        main(Path(run))
