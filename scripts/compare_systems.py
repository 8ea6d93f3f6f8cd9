"""Every system of the lineage on the built-in pair, at equal budget and one seed, as docs/systems.md.

    python scripts/compare_systems.py
    python scripts/compare_systems.py budget.images=64000 size=full

Words after the script's name are overrides for every run. Runs that are finished are not trained again, so a stopped
comparison goes on. One seed: the table says what came out, not what is better; that is what ablations are for.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from swaplab.apps.experiment import load_data, tasks_of
from swaplab.apps.recorded import load_generator, recorded_config
from swaplab.networks.swap_model import swap_model
from swaplab.runs.record import RunRecord
from swaplab.thinning import evenly
from swaplab.training.samples import save_sheet, tiled

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "conf" / "experiment"
PAGE, SHEET = ROOT / "docs" / "systems.md", ROOT / "docs" / "images" / "systems.png"
SETTINGS = ("size=small", "budget.images=16000", "batch_size=8", "seed=1", "wandb.mode=disabled")
FRAMES = 4
# How the names of metrics begin; what follows says what they depend on.
COLUMNS = {
    "score": "score",
    "psnr": "PSNR",
    "retrieval_top1[mixed]": "top-1, mixed",
    "retrieval_top1[expression]": "top-1, expression",
    "identity[": "identity",
    "tenengrad_ratio[": "sharpness",
}


def command(*words: str) -> None:
    """Run one of our commands; its output stays visible, its failure ends the comparison."""
    subprocess.run([sys.executable, "-m", f"swaplab.apps.{words[0]}", *words[1:]], check=True)


def trained(experiment: str, overrides: list[str]) -> Path:
    """The folder of the finished, evaluated run of a system."""
    runs = ROOT / "runs" / "systems"
    words = [f"experiment={experiment}", *SETTINGS, f"runs={runs}", f"name={experiment}", *overrides]
    before = set(runs.glob(f"{experiment}/*"))
    command("train", *words)
    (folder,) = (set(runs.glob(f"{experiment}/*")) - before) or before
    if not (folder / "evaluation" / "test.json").exists():
        command("evaluate", f"run={folder}", "split=test")
    return folder


def values(folder: Path, way: int, key: str) -> dict[str, float]:
    """One row of a run's test table."""
    directions = json.loads((folder / "evaluation" / "test.json").read_text())["directions"]
    return next(row["values"] for row in directions[way]["rows"] if row["key"] == key)


def line(label: str, row: dict[str, float], *facts: str) -> str:
    """A line of the Markdown table."""
    found = {column: next((v for k, v in row.items() if k.startswith(column)), None) for column in COLUMNS}
    cells = ["" if value is None else f"{value:.2f}" for value in found.values()]
    return f"| {' | '.join([label, *cells, *facts])} |"


def table(folders: dict[str, Path], way: int) -> str:
    """One direction: the systems with their cost, then trivial answers and ceilings of the first run."""
    heads = ["system", *COLUMNS.values(), "untrained PSNR, both ways", "parameters, M", "relative time"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    seconds = {name: RunRecord.load(folder).facts["cost"]["seconds"] for name, folder in folders.items()}
    for name, folder in folders.items():
        first = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])
        parameters = sum(RunRecord.load(folder).facts["parameters"].values()) / 1e6
        facts = (
            f"{first['val/oracle_swap_psnr']:.1f}",
            f"{parameters:.2f}",
            f"{seconds[name] / min(seconds.values()):.1f}",
        )
        lines.append(line(f"`{name}`", values(folder, way, "model"), *facts))
    reference = next(iter(folders.values()))
    directions = json.loads((reference / "evaluation" / "test.json").read_text())["directions"]
    # the re-encoded truth is that model's own ceiling, not everybody's
    others = [row for row in directions[way]["rows"] if row["kind"] != "model" and row["key"] != "re_encoded"]
    lines += [line(row["label"], row["values"], "", "", "") for row in others]
    return f"### {directions[way]['direction']}\n\n" + "\n".join(lines)


def sheet(folders: dict[str, Path]) -> None:
    """Fixed test frames of both directions: source, true swap, then every system in the table's order."""
    rows: list[Any] = []
    for way in (0, 1):
        columns = []
        for folder in folders.values():
            config = recorded_config(RunRecord.load(folder))
            sources, data = load_data(config)
            task = tasks_of(sources, data, "test")[way]
            faces = task.query[evenly(len(task.query), FRAMES)]
            if not columns:
                assert task.truth is not None
                columns = [faces, task.truth[evenly(len(task.query), FRAMES)]]
            model = swap_model(load_generator(folder, config, data.identities, data.resolution, "final"), config)
            columns.append(model.swap(faces, task.source, task.target)[2])
        rows.append(columns)
    save_sheet(SHEET, tiled([torch.cat(pair) for pair in zip(*rows, strict=True)]))


def paragraph(experiment: str) -> str:
    """What a system is, from the head of its config file."""
    lines = (EXPERIMENTS / f"{experiment}.yaml").read_text().splitlines()
    said = [x.removeprefix("#").strip() for x in lines if x.startswith("#") and not x.startswith("# @package")]
    return f"**`{experiment}`**: {' '.join(said)}"


def main() -> None:
    """Train what is missing, then write the page."""
    overrides = sys.argv[1:]
    names = [file.stem for file in sorted(EXPERIMENTS.glob("*.yaml")) if file.stem != "quick"]
    folders = {name: trained(name, overrides) for name in names}
    sheet(folders)
    settings = " ".join([*SETTINGS, *overrides])
    body = [
        "# Systems",
        "Every system on the built-in pair (profile `easy`), trained at equal budget and measured on held-out clips "
        f"against the true swap.\nSettings of all runs: `{settings}`. One seed, minutes of training on two cores at "
        "reduced width: this says what\ncomes out under these settings, and nothing about photographs or full size. "
        "Made by `python scripts/compare_systems.py`.",
        *(table(folders, way) for way in (0, 1)),
        "![Rows: fixed test frames, A to B above, B to A below. Columns: source, true swap, then the systems in the "
        "order of the table.](images/systems.png)",
        "## What each is",
        *map(paragraph, names),
    ]
    PAGE.write_text("\n\n".join(body) + "\n")
    print(f"written: {PAGE.relative_to(ROOT)}, {SHEET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
