"""Write docs/ablations.md: every ablation that ships, its question, and the rule of its verdict.

    python scripts/document_ablations.py

The rows come from conf/ablation; a verdict is linked if docs/ablations holds a report. A test fails if the page is
stale, and if a statement has no ablation and is not listed as missing.
"""

import re
from pathlib import Path

import yaml

from swaplab.ablations.plan import Plan

ROOT = Path(__file__).parents[1]
FILES = ROOT / "conf" / "ablation"
PAGE, REPORTS = ROOT / "docs" / "ablations.md", ROOT / "docs" / "ablations"
STATEMENTS = range(3, 69)  # about systems and components; 1 and 2 are about other work, 69 to 71 about software
QUESTION = re.compile(r"(.+?\?)[^?]*\(statements? ([\d, ]+)")

# Statements of the essay, in its order, except the first, which is about decoders.
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
    (5,): "that failures are meaningless blends. swaplab does not count failed faces yet (the share of outputs in "
    "which two detectors find no face, minus that of real frames)",
    (20,): "horses and zebras. There is no second, non-face pair of domains",
    (24,): "that one direction between the sexes is harder. The invented people have no sex, and one pair says "
    "nothing; this needs eight pairs per level and a model with pairs as random effects",
    (26,): "alignment parameters that differ between models. swaplab refuses this; tested in `tests/conversion`",
    (28, 50, 51): "which resolution is needed. Levels of different resolution would have to be measured at the size at "
    "which they are pasted back",
    (39,): "that beards and glasses help to tell people apart. This asks face recognition, without any training",
    (40,): "features that disappear for a frame. Nothing is measured over time yet",
    (44,): "that an encoder makes the adversarial loss matter less. This needs a generator without an input image",
    (45,): "flaws of Inception Score and Fréchet distance. swaplab measures against the true swap instead",
    (58,): "a comparison of detectors. `swaplab extract` does not offer Dlib",
    (60,): "blending. This is a choice of `swaplab convert` after training; it is not measured against true swaps yet",
    (61,): "that data matters more than networks. This needs shares of variance over many factors at once",
    (62, 63): "selected results and rare nonsense. Every report shows all seeds, best-of-n beside the mean, and tails",
    (64, 67): "where time goes, and which scenario needs what. These are not experiments",
}

HEAD = """# Ablations

Every ablation that ships with swaplab, with its question, levels, metric and verdict, and how to run one.

An ablation is a controlled experiment: one factor, its levels as overrides, seeds, and the rule of the verdict. The
plan is stored before the first run. Each plan (a file of `conf/ablation`) examines one or more numbered statements of
an essay about face swapping.

```
swaplab ablation list                        # every plan, and the state of its runs
swaplab ablation plan norm                   # what would run, and what is left to do
swaplab ablation run norm                    # run it, or resume it
swaplab ablation report norm                 # the verdict
```

Write your own version with overrides and another name, or add a plan of your own (`mine/ablation/glasses_again.yaml`):

```
swaplab ablation run norm 'ablation.seeds=[1,2,3,4,5,6,7,8]' name=norm_more budget.images=64000
swaplab ablation run --config-dir mine glasses_again
```

An ablation stops, resumes and shares the machine as a sweep does, and runs with the same launchers, as in
`hydra/launcher=submitit_slurm` or `hydra/launcher=ray` ([sweeps](sweeps.md#other-launchers)). `hydra.launcher.slots=N`
limits the number of devices. [Comparison](comparison.md) explains what a verdict means.

The plans use rendered people and budgets for two cores (`quick` with 48,000 images per run, unless they say otherwise).
The networks are small, so the answers are about small networks. On a GPU use a larger one; an override holds for every
level:

```
swaplab ablation run bottleneck name=bottleneck_2017 experiment=deepfakes_2017 trainer=ddp budget.images=2000000
```

A test composes every level, refuses differences from the reference level that the plan does not declare, and trains or
renders until something really differs (`tests/ablations/test_files.py`).

`python scripts/document_ablations.py` writes this page.
"""

TABLE = ("| name | question | reference; other levels | hypothesis | runs | verdict |", "|---|---|---|---|---|---|")
TAIL = """## Statements without an ablation

"""

# Reports of runs with a fault that has been fixed since: void until the runs are repeated.
VOID = {"norm": "averaged weights were used with running statistics that were not averaged; to be run again"}


def asked(text: str) -> tuple[str, list[int]]:
    """The question at the head of a file, and the numbers of its statements."""
    head = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    found = QUESTION.match(head)
    assert found, f"begin with a question and (statement N): {head}"
    return found.group(1), [int(number) for number in found.group(2).split(",")]


def rule(plan: Plan) -> str:
    """The hypothesis of the verdict, in a few words."""
    who = plan.contrast.level or "every level"
    within = f" within {plan.margin:g}" if plan.margin is not None else ""
    return f"`{plan.metric}` of {who}: {plan.contrast.direction}{within}"


def verdict(plan: Plan) -> str:
    """A link to the report with its verdict; empty without a report."""
    report = REPORTS / f"{plan.id}.md"
    if not report.exists():
        return ""
    if plan.id in VOID:
        return f"[void](ablations/{report.name}): {VOID[plan.id]}"
    found = re.search(r"\b(supported|refuted|undecided)\b", report.read_text())
    return f"[{found.group(1) if found else 'report'}](ablations/{report.name})"


def plans() -> list[tuple[list[int], str, Plan]]:
    """Every ablation with its statements and its question, ordered by the first statement."""
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
    """Statements that have no ablation and are not listed as missing."""
    covered = {number for numbers, _, _ in plans() for number in numbers}
    return sorted(set(STATEMENTS) - covered - {number for numbers in NOT_ASKED for number in numbers})


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE.relative_to(ROOT)}")
