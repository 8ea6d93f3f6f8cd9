"""The page of one run in a real browser. Slow, and left out with a reason where there is no Chromium."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from swaplab.report.page import write_report
from swaplab.runs.record import RunRecord


def beside(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


devtools, made = beside("chromium"), beside("test_run_page")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(devtools.chromium() is None, reason="no Chromium on PATH, so no page can be looked at"),
]

SHOWN = "getComputedStyle(document.querySelectorAll('.panels > *')[{}]).display"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    found = devtools.Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made.run_of(tmp_path_factory.mktemp("runs") / "s1-0123456789", side=64)
    record = RunRecord(folder)
    for i in range(2, 60):
        record.add_metrics(
            {"images_seen": 20_000 * i, "val/reconstruction_psnr": 20.0 + i, "val/reconstruction_psnr/A": i}
        )
    return write_report([folder], folder / "report.html")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1280])
def test_a_page_fits_asks_nobody_and_complains_of_nothing(browser: Any, report: Path, width: int, dark: bool) -> None:
    browser.open(report, width, dark=dark)
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []
    assert browser.requests == [report.resolve().as_uri()]
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper.strip("rgb()").split(","))) < 150) is dark
    assert browser.value("document.querySelector('.faces img').getBoundingClientRect().width") >= 192
    assert browser.value("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")


def test_one_panel_is_shown_and_a_key_shows_the_next(browser: Any, report: Path) -> None:
    browser.open(report, 1280)
    assert [browser.value(SHOWN.format(i)) for i in range(6)] == ["block", *["none"] * 5]
    browser.value("document.getElementById('view-1').focus()")
    browser.press("ArrowRight")
    assert [browser.value(SHOWN.format(i)) for i in range(6)] == ["none", "block", *["none"] * 4]


def test_pointing_reads_values_and_the_legend_hides_lines(browser: Any, report: Path) -> None:
    browser.open(report, 1280)
    place = (
        "[...document.querySelectorAll('figure.plot')].find((f) => f.textContent.startsWith('val/reconstruction_psnr'))"
    )
    browser.value(f"{place}.scrollIntoView({{block: 'center'}})")
    x, y = browser.value(
        f"(() => {{ const box = {place}.querySelector('svg').getBoundingClientRect(); "
        "return [box.x + box.width * (58 + 372 / 1.02) / 440 - 2, box.y + 50]; })()"
    )
    browser.point(x, y)  # the last images seen
    said = f"{place}.querySelector('.readout').innerText"
    assert browser.value(said).split() == ["1,180,000", "all:", "79", "A:", "59"]
    browser.value(f"{place}.querySelector('button[data-series=A]').click()")
    browser.point(x - 1, y)
    assert browser.value(said).split() == ["1,180,000", "all:", "79"]
    hidden = f"getComputedStyle({place}.querySelector('g[data-series=A]')).display"
    assert browser.value(hidden) == "none"
    browser.value(f"{place}.querySelector('svg').focus()")
    browser.press("ArrowLeft")
    assert browser.value(said).split() == ["1,160,000", "all:", "78"]
    assert browser.complaints == []


def test_a_page_that_is_wrong_is_found_out(browser: Any, report: Path) -> None:
    """That the checks above can fail."""
    wrong = report.with_name("wrong.html")
    added = '<img src="https://example.invalid/x.png"><div style="width: 2000px">wide</div><script>nobody();</script>'
    wrong.write_text(report.read_text().replace("</main>", f"{added}</main>"))
    browser.open(wrong, 400)
    assert browser.value("document.documentElement.scrollWidth") > 400
    complaints = " ".join(browser.complaints)
    assert "nobody is not defined" in complaints
    assert "example.invalid" in complaints
