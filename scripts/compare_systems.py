"""Write docs/systems.md: every system of the lineage on the built-in pair, at equal budget and with one seed.

    python scripts/compare_systems.py
    python scripts/compare_systems.py budget.images=64000 size=full
    python scripts/compare_systems.py budget.images=64000 size=full finished=DIR

Words after the script's name are overrides for every run. Finished runs are not trained again, so the same command
resumes a stopped comparison. With finished=DIR nothing is trained: the page shows the runs in that folder. With one
seed, the table says what came out, not what is better; use an ablation for that.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from swaplab.catalogue import written
from swaplab.experiment.data import load_data, tasks_of
from swaplab.experiment.recorded import load_model, recorded_config
from swaplab.networks.macs import macs_of
from swaplab.networks.swap_model import pixels
from swaplab.runs.record import RunRecord
from swaplab.sheets import drawn, png
from swaplab.thinning import evenly

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "conf" / "experiment"
APART = ("quick", "demo")  # budgets for two cores, not systems of the lineage
PAGE, SHEET = ROOT / "docs" / "systems.md", ROOT / "docs" / "images" / "systems.png"
SETTINGS = ("size=small", "budget.images=16000", "batch_size=8", "seed=1", "logger=none")
FRAMES = 4
# Beginnings of metric names; the rest of a name says what the metric depends on.
COLUMNS = {
    "score": "score",
    "psnr": "PSNR",
    "retrieval_top1[mixed]": "top-1, mixed",
    "retrieval_top1[expression]": "top-1, expression",
    "identity[": "identity",
    "tenengrad_ratio[": "sharpness",
}
EXPRESSION = "retrieval_top1[expression]"
ORACLE = "val/oracle_swap_psnr"


def command(*words: str) -> None:
    """Run a swaplab command; its output stays visible, its failure ends the comparison."""
    subprocess.run([sys.executable, "-m", "swaplab", *words], check=True)


def settings(overrides: list[str]) -> list[str]:
    """The settings of all runs; a later word overrides an earlier one for the same key."""
    return list({word.partition("=")[0]: word for word in [*SETTINGS, *overrides]}.values())


def trained(experiment: str, overrides: list[str]) -> Path:
    """The folder of the finished, evaluated run of a system."""
    runs = ROOT / "runs" / "systems"
    words = [f"experiment={experiment}", *settings(overrides), f"runs={runs}", f"name={experiment}"]
    before = set(runs.glob(f"{experiment}/*"))
    command("train", *words)
    (folder,) = (set(runs.glob(f"{experiment}/*")) - before) or before
    if not (folder / "evaluation/final/test.json").exists():
        command("evaluate", f"run={folder}", "split=test")
    return folder


def measured(folder: Path) -> list[dict[str, Any]]:
    """Both directions of a run's test tables."""
    directions: list[dict[str, Any]] = json.loads((folder / "evaluation/final/test.json").read_text())["directions"]
    return directions


def value(row: dict[str, Any], start: str) -> float | None:
    """The metric of a row whose name starts with ``start``."""
    return next((v for name, v in row["values"].items() if name.startswith(start)), None)


def row(direction: dict[str, Any], key: str) -> dict[str, Any]:
    """One row of a direction."""
    return next(row for row in direction["rows"] if row["key"] == key)


def line(label: str, answer: dict[str, Any], *facts: str) -> str:
    """A line of the Markdown table."""
    found = {column: value(answer, column) for column in COLUMNS}
    cells = ["" if v is None else written(column.split("[")[0], v) for column, v in found.items()]
    return f"| {' | '.join([label, *cells, *facts])} |"


def untrained_and_trained(folder: Path) -> tuple[float, float]:
    """PSNR of val swaps over both directions, before and after training."""
    record = RunRecord.load(folder)
    return record.metrics()[0][ORACLE], record.facts["metrics"][ORACLE]


def fastest(folder: Path) -> float:
    """The highest images per second between two reports of a run, least affected by other processes."""
    return max(row.get("train/images_per_second", 0.0) for row in RunRecord.load(folder).metrics())


def millions(count: int | None) -> str:
    """A count in millions; empty if it is unknown."""
    return "" if count is None else f"{count / 1e6:.1f}"


def table(folders: dict[str, Path], macs: dict[str, int | None], way: int) -> str:
    """One direction: the systems with their cost, then the trivial baselines and ceilings of the first run."""
    heads = [
        "system",
        *COLUMNS.values(),
        "PSNR on val, untrained to trained",
        "parameters, M",
        "MACs, M",
        "relative seconds per image",
    ]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    facts = {name: RunRecord.load(folder).facts for name, folder in folders.items()}
    rates = {name: fastest(folder) for name, folder in folders.items()}
    for name, folder in folders.items():
        cost = (
            " to ".join(f"{psnr:.1f}" for psnr in untrained_and_trained(folder)),
            f"{sum(facts[name]['parameters'].values()) / 1e6:.2f}",
            millions(macs[name]),
            f"{max(rates.values()) / rates[name]:.1f}",
        )
        lines.append(line(f"`{name}`", row(measured(folder)[way], "model"), *cost))
    direction = measured(next(iter(folders.values())))[way]
    # the re-encoded true swap is the ceiling of one model only
    others = [answer for answer in direction["rows"] if answer["kind"] != "model" and answer["key"] != "re_encoded"]
    lines += [line(answer["label"], answer, "", "", "", "") for answer in others]
    return f"### {direction['direction']}\n\n" + "\n".join(lines)


def verdicts(folders: dict[str, Path]) -> str:
    """Sentences on the systems that do not beat their own untrained network or the trivial baselines."""
    starts = {name: untrained_and_trained(folder) for name, folder in folders.items()}
    worse = [f"`{name}` ({b:.1f} dB from {a:.1f})" for name, (a, b) in starts.items() if b <= a]
    said = [
        f"Not better than their own untrained network on val swaps: {', '.join(worse)}."
        if worse
        else "Every system beats its own untrained network on val swaps."
    ]
    for way, direction in enumerate(measured(next(iter(folders.values())))):
        scores = {name: value(row(measured(folder)[way], "model"), "score") for name, folder in folders.items()}
        best = row(direction, direction["settings"]["best_trivial_by_mse"])["label"]
        below = [f"`{name}` ({score:.3f})" for name, score in scores.items() if score is not None and score <= 0]
        which = f"these systems do not beat it: {', '.join(below)}" if below else "every system beats it"
        if len(below) == len(scores):
            which = f"no system beats it: {', '.join(below)}"
        said.append(f"{direction['direction']}: the best trivial baseline is {best} (score 0); {which}.")
    return "\n".join(said)


def expression(folders: dict[str, Path]) -> str:
    """A sentence on how well CycleGAN and systems with a shared encoder keep the expression."""

    def found(folder: Path, key: str = "model") -> str:
        values = [value(row(direction, key), EXPRESSION) for direction in measured(folder)]
        return " and ".join("unknown" if v is None else f"{v:.0%}" for v in values)

    direction = measured(folders["cyclegan"])[0]
    (chance,) = (m["chance"] for name, m in direction["metrics"].items() if name.startswith(EXPRESSION))
    shared = ", ".join(f"`{name}` in {found(folders[name])}" for name in ("deepfakes_2017", "deepfakes_improved"))
    return (
        "Among frames that differ only in expression, the true one is retrieved first (A to B, and B to A) by "
        f"CycleGAN, whose identities share nothing, in {found(folders['cyclegan'])}; by the shared encoder, {shared}; "
        f"by chance in {chance:.0%}; by the colour-matched source in {found(folders['cyclegan'], 'colour_match')}."
    )


def sheet(folders: dict[str, Path]) -> dict[str, int | None]:
    """Save a sheet of fixed test frames of both directions: source, true swap, then every system in table order.

    Returns the multiply-accumulates per face of each system.
    """
    columns: list[torch.Tensor] = []
    macs = {}
    for name, folder in folders.items():
        record = RunRecord.load(folder)
        config = recorded_config(record)
        sources, data = load_data(config)
        (model, _), tasks = load_model(record, config, "final"), tasks_of(sources, data, "test")
        macs[name] = macs_of(model.generator, data.resolution)
        shown = [evenly(len(task.query), FRAMES) for task in tasks]
        if not columns:
            columns.append(torch.cat([task.query[i] for task, i in zip(tasks, shown, strict=True)]))
            truths = [task.truth for task in tasks if task.truth is not None]
            columns.append(torch.cat([truth[i] for truth, i in zip(truths, shown, strict=True)]))
        masks = [None if t.query_mask is None else t.query_mask[i] for t, i in zip(tasks, shown, strict=True)]
        swaps = [model.swap(t.query[i], t.source, t.target, m)[2] for t, i, m in zip(tasks, shown, masks, strict=True)]
        columns.append(torch.cat(swaps))
    SHEET.write_bytes(png(drawn([pixels(column) for column in columns])))
    return macs


def paragraph(experiment: str) -> str:
    """The description of a system, from the comment at the head of its config file."""
    lines = (EXPERIMENTS / f"{experiment}.yaml").read_text().splitlines()
    said = [x.removeprefix("# ") for x in lines if x.startswith("#") and not x.startswith("# @package")]
    text = f"### `{experiment}`\n\n"
    for line in said:
        last = text.rpartition("\n")[2]
        if line.startswith("  "):  # a switch, two spaces, what it does
            switch, _, what = line.strip().partition("  ")
            before = "\n" if last.startswith("- ") else "\n\n"
            text += f"{before}- `{switch}`" + (f": {what.strip()}" if what else "")
        else:
            text += ("\n\n" if last.startswith("- ") else " " if last else "") + line
    return text


def main() -> None:
    """Train missing runs, then write the page."""
    words = sys.argv[1:]
    finished = [word.partition("=")[2] for word in words if word.startswith("finished=")]
    overrides = [word for word in words if not word.startswith("finished=")]
    names = [file.stem for file in sorted(EXPERIMENTS.glob("*.yaml")) if file.stem not in APART]
    if finished:
        folders = {name: next(Path(finished[0]).glob(f"{name}/*")) for name in names}
    else:
        folders = {name: trained(name, overrides) for name in names}
    macs = sheet(folders)
    typed = " ".join(["python scripts/compare_systems.py", *overrides])
    body = [
        "# Systems",
        "How the systems of the face-swap lineage compare on the built-in pair (profile `easy`), at equal budget and "
        "on held-out clips,\nand what each system is.",
        f"Settings of all runs: `{' '.join(settings(overrides))}`.\nCommand: `{typed}`.",
        "One seed and minutes of training on two cores at reduced width: the tables say what came out under these "
        "settings, and nothing\nabout photographs or full size.",
        "- **MACs**: one face through encoder and decoder.\n"
        "- **Relative seconds per image**: training time between the two reports where a run was fastest; the fastest "
        "system is 1.",
        "## Results",
        *(table(folders, macs, way) for way in (0, 1)),
        "### Findings",
        verdicts(folders),
        expression(folders),
        "![Rows: fixed test frames, A to B above, B to A below. Columns: source, true swap, then the systems in the "
        "order of the table.](images/systems.png)",
        "## What each system is",
        *map(paragraph, names),
    ]
    PAGE.write_text("\n\n".join(body) + "\n")
    print(f"written: {PAGE.relative_to(ROOT)}, {SHEET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
