import re
from dataclasses import replace
from typing import Any

import pytest

from swaplab.metrics.baseline import Baseline
from swaplab.metrics.evaluation import Evaluation, evaluate_swap
from swaplab.metrics.table import markdown, table
from swaplab.metrics.task import SwapTask
from swaplab.metrics.yardstick import RealFaces


@pytest.fixture(scope="module")
def of_perfect(perfect: Any, task: SwapTask, baseline: Baseline) -> Evaluation:
    return evaluate_swap(perfect, task, baseline)


def cells(text: str) -> dict[str, list[str]]:
    """Cells by the first of their line."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_best_trivial_answer_is_marked_and_beaten_in_bold(of_perfect: Evaluation) -> None:
    found = cells(table(of_perfect, ["score", "retrieval_top1[mixed]@56"]))
    assert found["answer"] == ["score", "retrieval_top1[mixed]@56"]
    assert found["model"] == ["**1.000**", "1.000"]  # a copy retrieves as well, so no bold
    assert found["interval"] == ["1.000 to 1.000", "1.000 to 1.000"]
    assert found["chance"] == ["", "0.018"]
    best = of_perfect.settings["best_trivial_by_mse"]
    trivial = {row.label: row for row in of_perfect.rows if row.kind == "trivial"}
    assert [label for label, row in trivial.items() if found[label][0].endswith("*")] == [
        label for label, row in trivial.items() if row.key == best
    ]
    assert found["A itself"][1] == "1.000 *"


def test_all_lines_have_the_same_width(of_perfect: Evaluation) -> None:
    lines = table(of_perfect, list(of_perfect.metrics)).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_page_says_what_must_hold_together(of_perfect: Evaluation) -> None:
    page = markdown(of_perfect)
    assert page.startswith("## A->B, split test: 60 frames of 12 clips, 16 px")
    said = r"score 1\.000 \[1\.000, 1\.000\] and \d+\.\d\d dB to the true swap \(0: mean B \+ k\(A - mean A\), \d\d\.\d"
    assert re.search(said, page)
    assert "true frame first in 100%, 100% of colour-matched A's 1.00 (chance 1.8%)" in page
    assert re.search(r"\(0: real source, cosine 0\.\d\d; 1: real target, [01]\.\d\d; best trivial [\d.]+: ", page)
    assert re.search(r"head turned \d\.\d degrees from the query's \(mean B \d+\.\d; true swap, real B \d\.\d\)", page)
    assert re.search(r"Standard deviations of the queries: yaw [1-9][\d.]* degrees, .* eyes 0\.0% of", page)
    for row in of_perfect.rows:
        assert row.label in page


def test_page_without_true_swaps_has_no_empty_tables(
    perfect: Any, task: SwapTask, real: RealFaces, yardstick_of: Any, embedder: Any, finder: Any
) -> None:
    unknown = replace(task, truth=None, truth_mask=None, retrieval={})
    baseline = Baseline.of(unknown, yardstick_of(replace(real, val_truth=None)), embedder, finder)
    page = markdown(evaluate_swap(perfect, unknown, baseline))
    assert "score" not in page
    assert "Is it the true swap?" not in page
    assert "Whose face is it?" in page
    assert "Good only together: identity 1.0" in page
    assert re.search(r"degrees from the query's \(mean B \d+\.\d\)\.", page)
    found = cells(page)
    assert {"A itself", "real B"} <= set(found)  # floor and ceiling of the identity
