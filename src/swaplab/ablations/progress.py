"""What is known of ablations before their verdict: all plans, and the runs of one, as text."""

from pathlib import Path

import yaml

from swaplab.ablations.cells import Planned
from swaplab.ablations.files import files
from swaplab.ablations.plan import FILE, load
from swaplab.errors import UserError
from swaplab.runs.damage import Damaged
from swaplab.runs.record import ENDED, RunRecord, is_run
from swaplab.tables import aligned


def table(runs: Path, folder: str | None) -> str:
    """One line per plan: name, progress of its runs under ``runs``, statement. ``folder``: additional configs."""
    rows = []
    for name, file in sorted(files(folder).items()):
        content = yaml.safe_load(file.read_text())
        rows.append((name, _state(runs / name), " ".join(str(content.get("claim", "")).split())))
    return "\n".join(aligned(rows))


def _state(folder: Path) -> str:
    """The number of finished runs of a plan; "-" if it was never started."""
    if not (folder / FILE).exists():
        return "-"
    try:
        cells = load(folder)[1]
    except UserError:
        return "damaged"
    return f"{sum(_status(folder / cell.run_id) in ENDED for cell in cells)} of {len(cells)} runs"


def _status(folder: Path) -> str:
    try:
        return RunRecord.load(folder).status if is_run(folder) else "not started"
    except Damaged as error:
        return str(error)


def description(found: Planned) -> str:
    """A plan, its cells, and how many images are left to train on."""
    plan = found.plan
    rule = f"{', '.join(plan.comparisons)} against {plan.reference}: {plan.metric} {plan.contrast.direction}"
    within = f" within {plan.margin:g}" if plan.margin is not None else ""
    lines = [f"ablation {plan.id}: {plan.claim}", f"hypothesis: {plan.hypothesis}", f"rule: {rule}{within}"]
    images = 0
    for cell in found.cells:
        place = found.folder / cell.run_id
        status = _status(place)
        images += found.configs[cell]["budget"]["images"] * (status not in ENDED)
        level = " ".join(plan.levels[cell.level])
        lines.append(f"  {plan.factor}={cell.level} seed={cell.seed}: {level} -> {place}: {status}")
    return "\n".join([*lines, f"{len(found.cells)} runs, {images} images to train on; nothing was started"])
