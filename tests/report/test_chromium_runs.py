"""The pages of several runs and of an ablation in a real browser. Slow, and left out where there is no Chromium."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.report.page import write_report
from swaplab.report.study import read_ablation
from swaplab.report.study_page import findings, write_study

Make = Callable[..., Path]
pytestmark = pytest.mark.slow

LAST = "[...document.querySelectorAll('.ranking')].at(-1)"  # the table of every run
SHOWN = f"[...{LAST}.tBodies[0].rows].filter((row) => !row.hidden)"
FILTER = (
    "(() => {{ const field = document.querySelector('[data-filter]'); field.value = '{}'; "
    "field.dispatchEvent(new Event('input')); }})()"
)


def page_of_runs(folder: Path) -> Path:
    return write_report(sorted(folder.glob("s*")), folder / "runs.html")


def test_a_click_sorts_by_a_column_and_another_turns_the_order(
    browser: Any, study_folder: Make, score_of: Callable[[str, int], float]
) -> None:
    browser.open(page_of_runs(study_folder(seeds=[1, 2])), 1280)
    names = f"{SHOWN}.map((row) => row.dataset.run)"
    runs = sorted((score_of(level, s), f"{level} · seed {s}") for level in ("none", "group", "batch") for s in (1, 2))
    assert browser.value(names) == [name for _, name in reversed(runs)]  # best first, before any click
    head = f"[...{LAST}.querySelectorAll('th[data-sort]')].find((head) => head.innerText.startsWith('{{}}'))"
    browser.value(f"{head.format('score')}.click()")
    assert browser.value(names) == [name for _, name in runs]
    browser.value(f"{head.format('norm')}.click()")
    assert browser.value(f"{SHOWN}.map((row) => row.dataset.of)") == ["batch"] * 2 + ["group"] * 2 + ["none"] * 2
    assert browser.value(f"{LAST}.tFoot.rows.length") == 2  # what no run may pass stays below


def test_a_filter_leaves_lines_faces_and_curves_of_the_same_runs(browser: Any, study_folder: Make) -> None:
    browser.open(page_of_runs(study_folder(seeds=[1, 2])), 1280)
    faces = "[...document.querySelectorAll('figure[data-run]')].filter((each) => each.offsetParent)"
    curves = "[...document.querySelectorAll('button[aria-pressed=true]')].map((each) => each.dataset.series)"
    browser.value(FILTER.format("norm=GROUP seed=2"))
    assert browser.value(f"{SHOWN}.map((row) => row.dataset.run)") == ["group · seed 2"]
    assert browser.value(f"{faces}.map((each) => each.dataset.run)") == ["group · seed 2"]
    assert browser.value(curves) == ["group"]
    browser.value(FILTER.format(""))
    assert browser.value(f"{SHOWN}.length") == 6
    assert browser.value(f"{faces}.length") == 6
    assert browser.value(f"{curves}.length") == 3


def test_all_columns_are_shown_where_they_are_asked_for(browser: Any, study_folder: Make) -> None:
    browser.open(page_of_runs(study_folder(seeds=[1, 2])), 1280)
    display = "getComputedStyle(document.querySelector('.ranking .more')).display"
    assert browser.value(display) == "none"
    browser.value("document.querySelector('.widen').click()")
    assert browser.value(display) == "table-cell"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1280])
def test_pages_fit_ask_nobody_and_complain_of_nothing(browser: Any, study_folder: Make, width: int, dark: bool) -> None:
    folder = study_folder({("batch", 2): "diverged"}, contrast=None, direction="equal", margin=0.06)
    write_study(findings(read_ablation(folder)), [folder / "ablation.html"])
    for page in (page_of_runs(folder), folder / "ablation.html"):
        browser.open(page, width, dark=dark)
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.complaints == []
        assert browser.requests == [page.resolve().as_uri()]


def test_dots_lie_inside_the_picture_of_the_verdict(browser: Any, study_folder: Make) -> None:
    folder = study_folder()
    write_study(findings(read_ablation(folder)), [folder / "ablation.html"])
    for width in (400, 1280):
        browser.open(folder / "ablation.html", width)
        inside = browser.value(
            "[...document.querySelectorAll('.forest circle')].map((dot) => { const d = dot.getBoundingClientRect(); "
            "const p = dot.closest('svg').getBoundingClientRect(); "
            "return d.left >= p.left && d.right <= p.right && d.top >= p.top && d.bottom <= p.bottom; })"
        )
        assert inside == [True] * 7  # six seeds and their mean
