"""Writes docs/ablations.md: every ablation that ships, what it asks, and how its answer is judged.

    python scripts/document_ablations.py

The rows are read from conf/ablation; a verdict is linked where docs/ablations holds a report. A test fails when the
page is stale, and when a statement is neither asked about nor listed with what is missing to ask.
"""

import re
from pathlib import Path

import yaml

from swaplab.ablations.plan import Plan

ROOT = Path(__file__).parents[1]
FILES = ROOT / "conf" / "ablation"
PAGE, REPORTS = ROOT / "docs" / "ablations.md", ROOT / "docs" / "ablations"
STATEMENTS = range(3, 69)  # those about systems and parts; 1 and 2 are about other work, 69 to 71 about software
QUESTION = re.compile(r"(.+?\?)[^?]*\(claims? ([\d, ]+)")

# Statements of the essay, in its order, but for the first, which is about decoders.
THEMES = {
    "CycleGAN, and why it is not enough": range(3, 7),
    "The original architecture": (1, *range(7, 17)),
    "Distributions, pixels and little data": range(17, 24),
    "Data, alignment and beautified faces": range(24, 30),
    "Adversarial terms, masks and attention": range(30, 49),
    "Resolution": range(49, 52),
    "Noise, augmentation, auxiliary losses, synchronised batch norm": range(52, 69),
}

NOT_ASKED = {
    (5,): "that failures are meaningless blends: nothing counts failed faces yet (a share of outputs in which two "
    "detectors find no face, less that of real frames)",
    (20,): "horses and zebras: no second, non-face pair of domains is rendered",
    (
        24,
    ): "that one direction between the sexes is harder: the invented people have no sex, and one pair says nothing; "
    "it needs eight pairs a cell and a model with pairs as random effects",
    (26,): "alignment parameters that differ between models: no experiment but a refusal, tested in `tests/conversion`",
    (28, 50, 51): "which resolution is needed: levels of different resolution would have to be measured at the size at "
    "which they are pasted back",
    (39,): "that beards and glasses tell people apart: a question to recognisers, without any training",
    (40,): "features that are lost for a frame: nothing is measured over time yet",
    (44,): "that an encoder makes the adversarial loss matter less: needs a generator without an input beside ours",
    (45,): "flaws of Inception Score and Fréchet distance: swaplab measures against the true swap instead",
    (58,): "detectors compared: Dlib is not among those that `swaplab extract` offers",
    (60,): "blending: a choice of `swaplab convert`, made after training; not measured against true swaps yet",
    (61,): "that data mattered more than networks: needs shares of variance over many factors at once",
    (62, 63): "chosen results and rare nonsense: every report shows all seeds, best-of-n beside the mean, and tails",
    (64, 67): "where time goes, and which scenario needs what: no experiments",
}

HEAD = """# Ablations

Each file of `conf/ablation` is one statement of the essay that swaplab was built to examine, as a controlled
experiment: one factor, its levels as overrides, seeds, and the rule of the verdict, stored before the first run.

```
swaplab ablation run norm plan_only=true     # what would be run, and what is left of it
swaplab ablation run norm                    # run it, or go on with it
swaplab ablation report norm                   # judge it: docs/comparison.md says what a verdict means
swaplab ablation run norm ablation.seeds=[1,2,3,4,5,6,7,8] name=norm_more budget.images=64000   # your own version
swaplab train --config-dir mine ablation=glasses_again                         # mine/ablation/glasses_again.yaml
```

It stops, goes on and shares out the machine as a sweep does ([sweeps](sweeps.md)), `hydra.launcher.slots=N` included.
It runs on one machine: other launchers are refused.

They ask about the rendered people, at budgets for two cores (`quick`, 48,000 images a run, where nothing else is said):
small networks, so an answer is about small networks. On a GPU take a larger one: any override after the name holds for
every level, as in `ablation=bottleneck experiment=deepfakes_2017 trainer=ddp budget.images=2000000`.

A test composes every level, refuses differences from the reference that the file does not declare, and trains or
renders until something really differs (`tests/ablations/test_files.py`). This page is made by
`python scripts/document_ablations.py`.
"""

TABLE = ("| `ablation=` | question | reference; levels | judged by | runs | verdict |", "|---|---|---|---|---|---|")
TAIL = """## Statements that are not asked about, and what is missing

"""

# Reports of runs with a fault that is mended since: they say nothing until they are made anew.
VOID = {"norm": "its averaged weights stood beside running statistics that were not averaged; to be run again"}


def asked(text: str) -> tuple[str, list[int]]:
    """The question at the head of a file, and the numbers of the statements it is about."""
    head = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    found = QUESTION.match(head)
    assert found, f"begin with a question and (claim N): {head}"
    return found.group(1), [int(number) for number in found.group(2).split(",")]


def rule(plan: Plan) -> str:
    """How the answer is judged, in a few words."""
    who = plan.contrast.level or "every level"
    within = f" within {plan.margin:g}" if plan.margin is not None else ""
    return f"`{plan.metric}` of {who} {plan.contrast.direction}{within}"


def verdict(plan: Plan) -> str:
    """A link to the report with its verdict, where there is one."""
    report = REPORTS / f"{plan.id}.md"
    if not report.exists():
        return ""
    if plan.id in VOID:
        return f"[void](ablations/{report.name}): {VOID[plan.id]}"
    found = re.search(r"\b(supported|refuted|undecided)\b", report.read_text())
    return f"[{found.group(1) if found else 'report'}](ablations/{report.name})"


def plans() -> list[tuple[list[int], str, Plan]]:
    """Every ablation with its statements and its question, in the order of the first statement."""
    found = []
    for file in FILES.glob("*.yaml"):
        text = file.read_text()
        question, numbers = asked(text)
        found.append((numbers, question, Plan.parse(file.stem, yaml.safe_load(text))))
    return sorted(found, key=lambda row: (row[0][0], row[2].id))


def row(question: str, plan: Plan) -> str:
    others = [level for level in plan.levels if level != plan.reference]
    levels = f"{plan.reference}; {', '.join(others)}"
    runs = len(plan.levels) * len(plan.seeds)
    return f"| `{plan.id}` | {question} | {levels} | {rule(plan)} | {runs} | {verdict(plan)} |"


def page() -> str:
    """The whole page."""
    known, parts = plans(), [HEAD]
    for theme, numbers in THEMES.items():
        lines = [row(question, plan) for (first, *_), question, plan in known if first in numbers]
        parts.append("\n".join([f"## {theme}\n", *TABLE, *lines, ""]))
    missing = [f"- {', '.join(map(str, numbers))}: {what}." for numbers, what in NOT_ASKED.items()]
    return "\n".join([*parts, TAIL + "\n".join(missing), ""])


def neither() -> list[int]:
    """Statements that no ablation asks about and that are not said to be missing."""
    covered = {number for numbers, _, _ in plans() for number in numbers}
    return sorted(set(STATEMENTS) - covered - {number for numbers in NOT_ASKED for number in numbers})


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE.relative_to(ROOT)}")
