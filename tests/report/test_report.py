import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from swaplab.catalogue import metric
from swaplab.errors import UserError
from swaplab.metrics.evaluation import Evaluation, Row
from swaplab.report.comparison import differing_keys
from swaplab.report.curves import learning_curves, spectrum
from swaplab.report.evaluations import directions
from swaplab.report.numbers import duration, measured, significant
from swaplab.report.page import render, write_report
from swaplab.report.reading import STRIP, read_run
from swaplab.runs.record import RunRecord
from swaplab.runs.sheets import write_newest, write_sheet
from swaplab.sheets import Columns

Process = Callable[..., Any]

CONFIG: dict[str, Any] = {
    "name": "quick",
    "seed": 1,
    "data": {"kind": "synthetic"},
    "budget": {"images": 3200},
    "norm": None,
    "optimizer": {"generator": {"lr": 1e-4}},
}
FACTS = {
    "name": "quick",
    "environment": {"precision": "32-true", "threads": 2, "versions": {"torch": "9.8.7"}},
    "parameters": {"generator": 5137190},
    "warnings": ["resumed in another environment: threads was 2, is 1"],
}
TOP1, IDENTITY, TENENGRAD = "retrieval_top1[mixed]@100", "identity[dlib128:fd7c9dc2]", "tenengrad_ratio[truth]"
OCTAVES = ("octave_log2[truth:0.25-0.5]", "octave_log2[truth:0.125-0.25]")
VALUES: dict[str, dict[str, float]] = {
    "model": {
        "score": 0.2344,
        "psnr": 24.56,
        "mse": 0.00351,
        TOP1: 0.87,
        IDENTITY: 0.765,
        TENENGRAD: 0.9,
    },
    "copy": {"score": -4.2, "psnr": 17.5, "mse": 0.01778, TOP1: 0.6, IDENTITY: 0.0, TENENGRAD: 1.6},
    "colour_match": {"score": -3.1, "psnr": 18.2, "mse": 0.01514, TOP1: 0.94, IDENTITY: 0.01},
    "mean": {"score": 0.0, "psnr": 23.5, "mse": 0.00447, TOP1: 0.04, IDENTITY: 0.86, TENENGRAD: 0.95},
    "real": {"score": 1.0, "psnr": 100.0, "mse": 0.0, TOP1: 1.0, IDENTITY: 1.0, TENENGRAD: 1.0},
}
KINDS = {"model": "model", "real": "ceiling"}
BEST = {"score": "mean", "psnr": "mean", "mse": "mean", TOP1: "colour_match", IDENTITY: "mean", TENENGRAD: "mean"}


def evaluation(direction: str = "A->B", split: str = "test") -> Evaluation:
    values = {key: dict(found) for key, found in VALUES.items()}
    values["model"] |= dict(zip(OCTAVES, (-1.5, -0.5), strict=True))
    names = list(values["model"])
    metrics = {
        name: {
            "group": metric(name).group,
            "better": metric(name).better,
            "meaning": metric(name).meaning,
            "chance": 0.01 if name == TOP1 else None,
            "best_trivial": BEST.get(name),
        }
        for name in names
    }
    return Evaluation(
        direction=direction,
        split=split,
        rows=[Row(key, f"answer {key}", KINDS.get(key, "trivial"), found) for key, found in values.items()],
        metrics=metrics,
        intervals={"score": (0.1234, 0.3456)},
        per_clip={},
        per_frame={"mse": [0.1, 0.2]},
        frames=[{"clip": "c1", "time": 0.0}, {"clip": "c2", "time": 1.0}],
        settings={"seed": 0},
    )


def plain(level: int) -> Columns:
    """Two frames of one grey."""
    return Columns(*np.full((4, 2, 2, 2, 3), level, np.uint8))


def make_run(folder: Path, config: dict[str, Any] | None = None, *, measure: bool = True, **facts: Any) -> Path:
    record = RunRecord.create(folder, CONFIG if config is None else config, copy.deepcopy(FACTS) | facts)
    for i in (1, 2):
        record.add_metrics({"images_seen": 1600 * i, "steps": i, "loss/generator/reconstruction": 0.5 / i})
        write_newest(folder / "samples" / f"{1600 * i:09d}.png", {"A->B": plain(100 * i)})
    record.end("complete", "the budget is spent", images_seen=3200, cost={"seconds": 3725.0, "peak_memory_mb": 1234.0})
    if measure:
        put_evaluation(folder, [evaluation(), evaluation("B->A")])
        write_sheet(folder / "evaluation/final/test-A_to_B-worst.png", {"A->B": plain(7)})
    return folder


def put_evaluation(
    folder: Path, found: list[Evaluation], split: str = "test", weak: bool = False, weights: str = "final"
) -> None:
    place = folder / "evaluation" / weights / f"{split}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    content = {"split": split, "weights": weights, "weak": weak, "directions": [each.as_json() for each in found]}
    place.write_text(json.dumps(content))


class Page(HTMLParser):
    """Elements, table rows and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.styles = ""
        self._open: list[str] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag == self._open[-1]:
            self._open.pop()
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._open == ["style"]:
            self.styles += data
        if self._open:
            return
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data.strip()

    def row(self, *starts: str) -> list[str]:
        """The first row that begins with these cells."""
        return next(row for row in self.rows if row[: len(starts)] == list(starts))


def page(*folders: Path) -> Page:
    return Page(render([read_run(folder) for folder in folders]))


def test_the_file_needs_nothing_else(tmp_path: Path) -> None:
    output = write_report([make_run(tmp_path / "s1")], tmp_path / "report.html")
    found = Page(output.read_text())
    for tag, attributes in found.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "poster", "action", "data", "xlink:href"):
            assert (attributes.get(name) or "data:image/webp;base64,").startswith("data:image/webp;base64,")
    assert "url(" not in found.styles
    assert "@import" not in found.styles
    policy = next(a["content"] for t, a in found.elements if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["report.html", "s1"]


def test_numbers_of_the_record_appear(tmp_path: Path) -> None:
    found = page(make_run(tmp_path / "s1"))
    assert found.row("answer model") == [  # score, PSNR, retrieval, identity: what the three questions rest on
        "answer model",
        "0.2340.123\u00a0… 0.346",
        "24.56",
        "0.870",
        "0.765",
    ]
    assert found.row("answer mean", "0.000", "23.50", "0.00447")
    assert found.row("answer real", "1.000", "exact", "0.00000")
    assert found.row("chance")[1:] == ["–", "–", "0.010", "–"]
    assert found.row("training time")[1] == "1 h 2 min 5 s"
    assert found.row("parameters, generator")[1] == "5,137,190"
    assert found.row("images seen")[1] == "3,200 of 3,200"
    assert found.row("version, torch")[1] == "9.8.7"
    assert found.row("loss/generator/reconstruction")[1] == "0.250"
    assert "resumed in another environment: threads was 2, is 1" in found.text
    assert "do not transfer to photographs" in found.text


def test_marks_of_the_best_trivial_baseline_and_of_what_beats_it(tmp_path: Path) -> None:
    ways = directions(read_run(make_run(tmp_path / "s1")))
    together, apart = ways[0].tables
    assert together.groups == [("swap", 3), ("kept", 1), ("identity", 1)]
    marks = {line.label: [cell.mark for cell in line.cells] for line in together.lines}
    assert marks["answer model"] == ["beats", "beats", "beats", "", ""]
    assert marks["answer mean"] == ["best", "best", "best", "", "best"]
    assert marks["answer colour_match"] == ["", "", "", "best", ""]
    # nearest to 1 is best: 0.95, then 0.9, then 1.6
    ranks = {line.label: line.cells[0].rank for line in apart.lines}
    assert sorted(ranks, key=lambda label: ranks[label] or 0.0) == [
        "answer copy",
        "answer model",
        "answer mean",
        "answer real",
    ]
    # less error ranks higher
    errors = [line.cells[2].rank for line in together.lines if line.kind == "trivial"]
    assert errors == [-0.01778, -0.01514, -0.00447]


def test_the_test_split_gives_the_verdict_and_val_is_shown_too(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "s1")
    put_evaluation(folder, [evaluation(split="val")], "val", weak=True)
    run = read_run(folder)
    assert [way.split for way in directions(run)] == ["test", "test", "val"]
    assert any(remark.startswith("weak split (val)") for remark in run.remarks)
    assert "final weights, held-out test clips" in page(folder).text


def test_runs_by_different_yardsticks_are_remarked(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name) for name in ("s1", "s2")]
    text = "scores and identities cannot be compared"
    assert text not in render([read_run(folder) for folder in folders])
    other = evaluation()
    put_evaluation(folders[1], [replace(other, settings={"yardstick": "another"})])
    assert text in render([read_run(folder) for folder in folders])


def test_other_weights_stand_apart_and_are_never_what_is_compared(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "s1", measure=False)
    chosen = evaluation()
    chosen.rows[0].values["score"] = 0.99
    put_evaluation(folder, [chosen], weights="best")
    run = read_run(folder)
    assert run.evaluation("test") is None
    assert any("nothing is measured on held-out clips" in remark for remark in run.remarks)
    assert "best weights, held-out test clips" in page(folder).text
    put_evaluation(folder, [evaluation()])
    run = read_run(folder)
    assert "final weights, held-out test clips" in page(folder).text
    assert [way.weights for way in directions(run)] == ["final", "best"]
    found = run.evaluation("test")
    assert found is not None
    assert found["weights"] == "final"


def test_spectrum_runs_from_coarse_to_fine(tmp_path: Path) -> None:
    way = directions(read_run(make_run(tmp_path / "s1")))[0]
    figure = spectrum(way)
    assert list((figure.ticks or {}).values()) == ["0.12–0.25", "0.25–0.5"]
    assert figure.series[0].y == [-0.5, -1.5]


def test_pictures_are_inside(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "s1")
    sources = [a["src"] for t, a in page(folder).elements if t == "img"]
    assert len(sources) == 10  # two frames of the worst, four faces each; the newest sample, the one before it
    for i in range(3, 40):
        write_newest(folder / "samples" / f"{1600 * i:09d}.png", {"A->B": plain(i)})
    samples = read_run(folder).samples
    assert len(samples) == STRIP
    assert (samples[0].caption, samples[-1].caption) == ("1,600 images", "62,400 images")


def test_hostile_names_are_text(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script>'
    config = {**CONFIG, "name": hostile, "note": "</pre><img src=x>"}
    folder = make_run(tmp_path / "<b>x", config, name=hostile, warnings=["</script><script>alert(2)</script>"])
    content = json.loads((folder / "evaluation/final/test.json").read_text())
    content["directions"][0]["rows"][1]["label"] = content["directions"][0]["direction"] = "</script><i>C->D"
    (folder / "evaluation/final/test.json").write_text(json.dumps(content))
    RunRecord(folder).add_metrics({"images_seen": 4800, "</script><script>alert(3)</script>": 1.0})
    found = page(folder)
    scripts = [attributes for tag, attributes in found.elements if tag == "script"]
    assert len(scripts) == len([a for t, a in page(make_run(tmp_path / "s1")).elements if t == "script"])
    assert not [t for t, a in found.elements if t == "img" and not (a["src"] or "").startswith("data:")]
    assert "<script>alert(1)</script>/<b>x" in found.text
    beside = page(folder, make_run(tmp_path / "s2"))
    assert not [t for t, a in beside.elements if t == "img" and not (a["src"] or "").startswith("data:")]


def test_two_runs_show_only_the_keys_that_differ(tmp_path: Path) -> None:
    other = {**CONFIG, "seed": 2, "norm": {"groups": 8}, "optimizer": {"generator": {"lr": 2e-4}}}
    runs = [read_run(make_run(tmp_path / "s1")), read_run(make_run(tmp_path / "s2", other))]
    assert {fact.name: fact.values for fact in differing_keys(runs)} == {
        "seed": ["1", "2"],
        "norm": ["null", "–"],
        "norm.groups": ["–", "8"],
        "optimizer.generator.lr": ["0.0001", "0.0002"],
    }
    found = Page(render(runs))
    assert found.row("seed") == ["seed", "1", "2"]
    assert ["budget.images", "3200", "3200"] not in found.rows
    assert "These runs differ in" not in found.text


def test_unequal_precision_is_said_first(tmp_path: Path) -> None:
    changed = {"environment": {**FACTS["environment"], "precision": "bf16-mixed"}}  # type: ignore[dict-item]
    found = page(make_run(tmp_path / "s1"), make_run(tmp_path / "s2", **changed))
    assert "These runs differ in precision" in found.text.split("Ranking")[0]


def test_unequal_precision_is_compared_only_if_that_is_wanted(tmp_path: Path) -> None:
    changed = {"environment": {**FACTS["environment"], "precision": "bf16-mixed"}}  # type: ignore[dict-item]
    folders = [make_run(tmp_path / "s1"), make_run(tmp_path / "s2", **changed)]
    with pytest.raises(UserError, match=r"different precision \(32-true, bf16-mixed\).*mixed_precision=true"):
        write_report(folders, tmp_path / "report.html")
    assert write_report(folders, tmp_path / "report.html", mixed_precision=True).exists()


def test_identities_share_a_figure_and_gaps_stay_gaps(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "s1")
    for weighted in (0.25, 0.2):
        RunRecord(folder).add_metrics(
            {"images_seen": 4800, "loss/d/real": float("nan"), "loss/d/real_weighted": weighted}
        )
    RunRecord(folder).add_metrics({"images_seen": 4800, "val/psnr": 20.0, "val/psnr/A": 21.0, "val/psnr/B": 19.0})
    RunRecord(folder).add_metrics({"images_seen": 4800, "loss/g/x": 0.5, "loss/g/x_weighted": 0.5})
    figures = {figure.title: figure.series for figure in learning_curves(read_run(folder))}
    assert list(figures) == [
        "val/psnr",
        "loss/generator/reconstruction",
        "loss/d/real",
        "loss/d/real_weighted",
        "loss/g/x",  # its weighted twin is the same curve
    ]
    assert [(line.name, list(line.y)) for line in figures["val/psnr"]] == [("all", [20]), ("A", [21]), ("B", [19])]
    assert len({line.colour for line in figures["val/psnr"]}) == 3
    assert figures["loss/generator/reconstruction"][0].x == (1600, 3200)
    assert figures["loss/d/real"][0].y == (None, None)


def test_a_new_run_says_in_words_what_is_missing(tmp_path: Path) -> None:
    RunRecord.create(tmp_path / "s1", CONFIG, {}).end("diverged", "a loss was not finite at step 3")
    found = page(tmp_path / "s1")
    for words in (
        f"swaplab evaluate run={tmp_path / 's1'} split=test",
        "a loss was not finite at step 3",
        "Not known yet: nothing is measured on held-out clips",
        "No numbers have been reported yet",
        "No sample sheet has been drawn yet",
    ):
        assert words in found.text


def test_damaged_parts_are_left_out_and_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "s1")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(
            '{"images_seen": 48\n[1]\n{"steps": 3}\n{"images_seen": 6400, "loss/generator/reconstruction": 0.1}\n{"im'
        )
    sheet = folder / "samples" / "000003200.png"
    sheet.write_bytes(sheet.read_bytes()[:60])
    run = read_run(folder)
    assert [row["images_seen"] for row in run.rows] == [1600, 3200, 6400]
    assert "metrics.jsonl is damaged: line 3, 4, 5 cannot be read and is skipped" in run.remarks
    assert [picture.caption for picture in run.samples] == ["1,600 images"]
    assert any(remark.startswith("the picture samples/000003200.png cannot be shown") for remark in run.remarks)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("run.json", "{", r"run\.json is damaged"),
        ("run.json", "[]", r"run\.json is damaged \(it is not a record\); restore it, or move the run away with"),
        ("run.json", '{"status": "complete"}', r"run\.json is damaged \(its sessions is 'missing'\)"),
        ("config.yaml", "a: [", r"config\.yaml is damaged"),
    ],
)
def test_a_damaged_record_is_one_sentence_and_no_file(tmp_path: Path, file: str, content: str, says: str) -> None:
    folder = make_run(tmp_path / "s1")
    (folder / file).write_text(content)
    with pytest.raises(UserError, match=says):
        write_report([folder], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


WAY = '"direction": "A->B", "rows": [{"values": {}}], "metrics": {}'


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"split": "test", "directions": [{}]}',
        '{"split": "test", "directions": [{"direction": "A->B", "rows": []}]}',
        '{"split": "test", "weights": "final", "directions": []}',
        f'{{"split": "test", "weights": "best", "directions": [{{{WAY}}}]}}',
        f'{{"split": "test", "weights": "final", "directions": [{{{WAY}, "sheets": {{"worst": ["a"]}}}}]}}',
    ],
)
def test_a_damaged_evaluation_is_named_and_left_out(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path / "s1")
    (folder / "evaluation/final/test.json").write_text(content)
    run = read_run(folder)
    assert "test" not in [found["split"] for found in run.evaluations]
    said = next(remark for remark in run.remarks if "test.json is damaged" in remark)
    assert f"`swaplab evaluate run={folder} split=test` writes it again" in said


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "s1")
    for place in (tmp_path / "missing" / "report.html", tmp_path):
        with pytest.raises(
            UserError, match=rf"the report {re.escape(str(place))} cannot be written .* output=FILE.html"
        ):
            write_report([folder], place)
    assert [path.name for path in tmp_path.iterdir()] == ["s1"]


def test_numbers() -> None:
    assert measured("val/reconstruction_psnr/A", 21.2061) == "21.21"
    assert measured("val/reconstruction_mse", 0.0099353) == "0.00994"
    assert measured("score", -0.0001) == "0.000"
    assert measured("score", float("inf")) == "not finite"
    assert measured("score", None) == "–"
    assert significant(5137190) == "5,137,190"
    assert significant(101.184) == "101.2"
    assert duration(59.6) == "1 min 0 s"
    assert duration(3600) == "1 h 0 min 0 s"


def test_the_command_writes_beside_one_run_and_here_for_several(tmp_path: Path, process: Process) -> None:
    one, two = make_run(tmp_path / "s1"), make_run(tmp_path / "s2")
    (tmp_path / "here").mkdir()
    done = process("report", f"run={one}", cwd=tmp_path / "here")
    assert (done.wait(), done.out, done.err) == (0, f"report: {one / 'report.html'}\n", "")
    done = process("report", f"run={one}", f"run={two}", cwd=tmp_path / "here")
    assert (done.wait(), done.out, done.err) == (0, "report: report.html\n", "")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["report.html"]
    text = (tmp_path / "here" / "report.html").read_text()
    assert "quick/s1" in text
    assert "quick/s2" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("run=nowhere",),
            "nowhere is not a run folder, and the folder runs does not exist; give the run's folder, or the "
            "folder of all runs with runs=DIR",
        ),
        (
            ("output=x.html",),
            "set either run=RUN or group=DIR, see --help for examples",
        ),
        (("output=x", "output=y"), "output is given twice, x and y; remove one of them"),
    ],
)
def test_a_mistake_is_one_sentence_with_code_2(
    tmp_path: Path, words: tuple[str, ...], says: str, process: Process
) -> None:
    done = process("report", *words, cwd=tmp_path)
    assert (done.wait(), done.out, done.err) == (2, "", f"swaplab report: {says}\n")
    assert list(tmp_path.iterdir()) == []


def test_the_full_config_is_folded_in(tmp_path: Path) -> None:
    text = render([read_run(make_run(tmp_path / "s1"))])
    inside = re.search(r"<details><summary>Full config</summary><pre>(.*?)</pre>", text, re.DOTALL)
    assert inside is not None
    assert yaml.safe_load(inside.group(1)) == CONFIG
