"""Compare the signal strength after each layer of untrained networks at full and reduced width.

    python scripts/signals_at_start.py experiment=faceswap_gan_v1
    python scripts/signals_at_start.py experiment=cyclegan size=tiny

Arguments are overrides of a run; the reduced width is `size=small` by default. Prints the standard deviations of the
outputs of convolutions and dense layers for eight random faces, at full and reduced width, and their ratio, which is 1
if the narrow network starts like the published one.
"""

import sys
from typing import Any, cast

import hydra
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.config.border import checked
from swaplab.config.read import resolved
from swaplab.networks.building import build_networks
from swaplab.networks.generator import swapped
from swaplab.networks.protocols import Discriminator, Generator


def signals(config: dict[str, Any], faces: Tensor) -> dict[str, float]:
    """Standard deviations of each layer's output, and of the final colours and scores, by site."""
    networks, found = build_networks(config, ("A", "B"), faces.shape[-1]), dict[str, float]()

    def listen(site: str) -> Any:
        def hear(layer: nn.Module, seen: Any, output: Tensor) -> None:
            found.setdefault(site, float(output.std()))

        return hear

    for site, layer in networks.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.register_forward_hook(listen(site))
    with torch.no_grad():
        found["colours"] = float(swapped(cast(Generator, networks["generator"]), faces, "A", "B").raw.std())
        if "discriminator" in networks:
            judge = cast(Discriminator, networks["discriminator"])
            found["scores"] = float(judge.judge(faces, "B", faces).std())
    return found


def main(words: list[str]) -> None:
    """Print one line per layer."""
    torch.manual_seed(0)
    smooth = F.interpolate(torch.rand(8, 3, 8, 8), 64, mode="bicubic").clamp(0, 1)
    faces = 0.7 * smooth + 0.3 * torch.rand(8, 3, 64, 64)
    reduced = [word for word in words if word.startswith("size=")] or ["size=small"]
    others = [word for word in words if not word.startswith("size=")]
    with hydra.initialize_config_module("swaplab.conf", version_base="1.3"):
        full, narrow = (
            signals(checked(resolved(hydra.compose("train", overrides))), faces)
            for overrides in ([*others, "size=full"], [*others, *reduced])
        )
    for site, strength in full.items():
        print(f"{site:55} {strength:9.3g} {narrow[site]:9.3g} {strength / narrow[site]:8.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
