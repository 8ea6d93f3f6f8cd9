import base64
import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from swaplab.errors import UserError
from swaplab.report.grids import Grid
from swaplab.report.level_curves import level_curves
from swaplab.report.matrix import drawn, strips
from swaplab.report.outcomes import matching, outcome, seconds_to
from swaplab.report.study import Study, read_ablation, read_group
from swaplab.report.study_page import Findings, findings, html, markdown, table
from swaplab.runs.record import RunRecord
from swaplab.runs.sheets import write_newest
from swaplab.runs.statistics import paired_interval
from swaplab.sheets import Columns

Make = Callable[..., Path]
Process = Callable[..., Any]


def score(level: str, seed: int) -> float:
    shift = {"none": 0.0, "group": 0.04, "batch": -0.05}[level]
    return 0.2 + shift + 0.03 * seed + 0.004 * ((seed * 7 + len(level)) % 5)


def grid(found: Findings, starts: str) -> Grid:
    return next(each for each in (*found.answers, *found.details) if each.title.startswith(starts))


def row(table: Grid, name: str) -> dict[str, str]:
    items = next(items for label, items in table.rows if label == name)
    return dict(zip(table.head, [item.text for item in items], strict=True))


def test_a_run_is_the_mean_of_its_directions_and_a_pair_a_seed(study_folder: Make) -> None:
    found = findings(read_ablation(study_folder()))
    for level in ("none", "group", "batch"):
        expected = [score(level, seed) for seed in range(1, 7)]
        assert found.primary.of(level) == pytest.approx(expected, abs=1e-12)
    differences = [score("group", s) - score("none", s) for s in range(1, 7)]
    low, high = paired_interval(differences)
    shown = row(grid(found, "Verdict"), "group − none")
    assert shown["mean difference"] == f"+{np.mean(differences):.3f}"
    assert shown["interval"] == f"+{low:.3f} … +{high:.3f}"
    assert (shown["seeds"], shown["verdict"], shown["sign-flip p"]) == ("6", "supported", "0.0312")
    assert found.verdict == "supported"
    assert found.sentences[0].startswith("supported: score of group is higher than that of none (mean difference +0.0")


def test_runs_that_are_lost_are_counted_shown_and_move_the_verdict(study_folder: Make) -> None:
    states = {("group", 2): "diverged", ("none", 3): None, ("batch", 1): "failed", ("batch", 2): "interrupted"}
    found = findings(read_ablation(study_folder(states)))
    assert found.verdict == "undecided"
    assert "runs are missing or not measured: seed 3" in found.sentences[0]
    assert "a run diverged at seed 2" in found.sentences[0]
    assert row(grid(found, "Every seed"), "group")["seed 2"] == "diverged"
    assert row(grid(found, "Every seed"), "none")["seed 3"] == "not started"
    counts = row(grid(found, "Runs"), "batch")
    assert (counts["measured"], counts["failed"], counts["unfinished"], counts["diverged"]) == ("4", "1", "1", "0")
    assert "diverged" in html(found)
    assert "| diverged |" in markdown(found)


def test_a_run_without_a_measurement_or_a_finite_number_is_not_a_number(study_folder: Make) -> None:
    folder = study_folder()
    (folder / "s1-group" / "evaluation/final/test.json").unlink()
    path = folder / "s2-group" / "evaluation/final/test.json"
    content = json.loads(path.read_text())
    content["directions"][0]["rows"][0]["values"]["score"] = float("nan")
    path.write_text(json.dumps(content))
    found = findings(read_ablation(folder))
    assert row(grid(found, "Every seed"), "group")["seed 1"] == "not measured"
    assert row(grid(found, "Every seed"), "group")["seed 2"] == "diverged"
    assert found.verdict == "undecided"


def test_a_damaged_run_is_named_and_the_others_are_shown(study_folder: Make) -> None:
    folder = study_folder()
    (folder / "s1-group" / "run.json").write_text("[1,2]")
    (folder / "s2-group" / "config.yaml").write_bytes(b"a: \xff")
    study = read_ablation(folder)
    for name in ("s1-group", "s2-group"):
        assert [text for text in study.remarks if f"`swaplab runs set-aside {folder / name}`" in text]
    found = findings(study)
    assert row(grid(found, "Every seed"), "group")["seed 1"] == "not started"
    assert found.verdict == "undecided"


def test_every_level_is_judged_with_holm_where_no_contrast_was_named(study_folder: Make) -> None:
    found = findings(read_ablation(study_folder(contrast=None, direction="higher")))
    assert found.verdict == "undecided"  # six seeds do not suffice for two comparisons
    assert "corrected for 2 comparisons, is 0.0625, not below 0.05; 7 seeds are" in found.sentences[0]
    seeds = list(range(1, 9))
    found = findings(read_ablation(study_folder(name="more", contrast=None, direction="higher", seeds=seeds)))
    assert [row(grid(found, "Verdict"), f"{x} − none")["verdict"] for x in ("group", "batch")] == [
        "supported",
        "refuted",
    ]
    assert found.verdict == "refuted"


def test_the_tables_beside_the_verdict(study_folder: Make) -> None:
    found = findings(read_ablation(study_folder()))
    anchors = grid(found, "Levels beside")
    assert row(anchors, "ceiling: real")["score"] == "1.000"
    assert row(anchors, "trivial: mean")["score"] == "0.000"
    guards = grid(found, "Guards")
    assert row(guards, "group − none")["retrieval_top1[mixed]@100"] == "+0.040"
    assert "The verdict does not use these" in guards.note
    assert guards.head[0] == "psnr"  # dB stand beside a score, named or not
    best = row(grid(found, "Best of n"), "group")
    top = max(score("group", s) for s in range(1, 7))
    assert best["best"] == f"{top:.3f}"
    mean = np.mean([score("none", s) for s in range(1, 7)])
    assert best["best − mean of none"] == f"+{top - mean:.3f}"
    tails = row(grid(found, "Worst frames"), "none")
    per_run = [0.004 * (1 - score("none", s)) for s in range(1, 7)]  # frames from 0.5 to 1.5 of it, evenly
    assert tails["mse, mean"] == f"{np.mean(per_run):.5f}"
    assert tails["mse, 95 %"] == f"{1.45 * np.mean(per_run):.5f}"
    assert tails["mse, 99 %"] == f"{1.49 * np.mean(per_run):.5f}"
    config = grid(found, "Config")
    assert [name for name, _ in config.rows] == ["norm"]
    costs = row(grid(found, "Cost"), "group")
    assert (costs["parameters"], costs["MACs per face"]) == ("1,000,320", "75,000,000")
    directions = row(grid(found, "By direction"), "none")
    assert float(directions["A → B"]) - float(directions["B → A"]) == pytest.approx(0.2, abs=2e-3)


def test_seconds_to_a_validation_score(study_folder: Make) -> None:
    run = read_ablation(study_folder()).runs["none", 1]  # 140 images a second; 0.02 / i + 0.0001 at 800 i
    assert seconds_to(run, "val/reconstruction_mse", 0.0102) == pytest.approx(1600 / 140)
    assert seconds_to(run, "val/reconstruction_mse", 0.001) is None


def test_the_name_of_a_metric_must_be_one(study_folder: Make) -> None:
    names = ["identity[dlib]", "identity_cosine[dlib]", "coherence[a]", "coherence[b]", "score"]
    assert matching("identity", names) == ["identity[dlib]"]
    assert matching("coherence", names) == ["coherence[a]", "coherence[b]"]
    assert matching("sco", names) == ["score"]
    study = read_ablation(study_folder())
    with pytest.raises(UserError, match=r"the metric cost/p is ambiguous; choose from cost/parameters"):
        outcome(study, "cost/p")
    assert outcome(study, "cost/parameters").of("group") == [1_000_320] * 6


def test_the_page_needs_nothing_else_and_tells_the_plan_first(study_folder: Make) -> None:
    folder = study_folder()
    text = html(findings(read_ablation(folder)))
    said = ["Normalisation helps.", "Group normalisation gives a higher score", "Verdict:", "Every seed:"]
    places = [text.index(words) for words in said]
    assert places == sorted(places)
    assert "<link" not in text
    assert 'src="http' not in text
    figures = json.loads(text.partition('id="figures">')[2].partition("</script>")[0])
    points = next(each for each in figures["seeds"]["series"] if each["name"] == "group")
    assert points["y"] == pytest.approx([score("group", s) for s in range(1, 7)])
    study = read_ablation(folder)
    curves = level_curves({level: study.of(level) for level in study.levels})
    (band,) = [each.series[0] for each in curves if each.title == "val/reconstruction_mse"]
    ends = zip(band.low, band.y, band.high, strict=True)
    assert all(low <= middle <= high for low, middle, high in ends)  # type: ignore[operator]
    assert (band.low[0], band.high[0]) == pytest.approx((0.0201, 0.0206))
    assert [figure["title"] for name, figure in figures.items() if name.startswith("cost-")] == [
        "seconds",  # they differ by seed
        "images per second",
        "parameters",  # these do not differ at all
        "MACs",
        "peak memory, MB",
    ]


def pixels(uri: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB"))


def test_the_matrix_shows_each_level_on_the_same_inputs(study_folder: Make) -> None:
    matrix = findings(read_ablation(study_folder({("none", 1): "diverged"}))).matrices[0]
    assert matrix.caption == "A → B, test split, seed 2: the inputs are at fixed indices, not cherry-picked."
    image = pixels(drawn(matrix).uri)
    side = 64  # twice a face without its frame
    assert image.shape == (5 * side, 150 + 5 * side, 3)
    centres = [image[i * side + side // 2, 150 + side // 2].tolist() for i in range(5)]
    assert centres[1:4] == [[100] * 3, [140] * 3, [50] * 3]  # none, group, batch between source and true swap
    of_page = strips(matrix, down=False)
    assert [strip.label for strip in of_page] == ["source", "none", "group", "batch", "true swap"]
    for strip, value in zip(of_page[1:4], (100, 140, 50), strict=True):
        image = pixels(strip.picture.uri)
        assert image.shape == (32, 5 * 32, 3)
        assert abs(int(image[16, 16, 0]) - value) <= 3  # as lossy as a page may be


def test_sheets_of_training_stand_in_where_nothing_is_measured(study_folder: Make) -> None:
    folder = study_folder(metric="val/reconstruction_mse", guards=[], split=None)
    black = np.zeros((2, 32, 32, 3), np.uint8)
    for run in folder.glob("s2-*"):
        there = Columns(black, black, black + 60, black)
        back = Columns(black, black, black + len(run.name), black + 90)
        write_newest(run / "samples" / "000003200.png", {"A->B": there, "B->A": back})
    first, second = findings(read_ablation(folder)).matrices
    assert second.caption.startswith("B → A, val split, end of training, seed 2:")
    for matrix, expected in ((first, [60, 60, 60, 0]), (second, [7, 8, 8, 90])):
        assert [int(np.asarray(faces[0])[16, 16, 0]) for _, faces in matrix.rows[1:]] == expected
        assert len(matrix.sources) == 2


def test_csv_has_a_row_a_run_and_metric(study_folder: Make) -> None:
    rows = list(csv.DictReader(io.StringIO(table(read_ablation(study_folder({("batch", 6): None}))))))
    scores = [float(r["value"]) for r in rows if (r["level"], r["seed"], r["metric"]) == ("group", "3", "score")]
    assert np.mean(scores) == pytest.approx(score("group", 3))
    assert [r["status"] for r in rows if (r["level"], r["seed"]) == ("batch", "6")] == ["not started"]
    assert {r["split"] for r in rows} == {"", "test"}


def test_unequal_precision_asks_for_a_flag(study_folder: Make) -> None:
    folder = study_folder(precisions={"group": "bf16-mixed"})
    with pytest.raises(UserError, match="different precision"):
        read_ablation(folder)
    text = html(findings(read_ablation(folder, mixed_precision=True)))
    assert "These runs differ in precision<" in text
    assert "Precision may explain a difference" in text


def test_runs_without_a_plan_are_grouped_and_not_judged(study_folder: Make) -> None:
    folder = study_folder({("batch", 2): None})
    (folder / "plan.json").unlink()
    study = read_group([folder])
    assert set(study.levels) == {"none", "group", "batch"}
    found = findings(study)
    assert (found.verdict, found.sentences, found.answers) == ("", [], [])
    assert row(grid(found, "Every seed"), "batch")["seed 2"] == "not started"
    assert "so there is no verdict" in html(found)
    record = RunRecord.load(folder / "s1-none")
    RunRecord.create(folder / "again", record.config(), record.facts | {"sessions": []}).end("complete", "")
    with pytest.raises(UserError, match=r"have the same level and seed \(none, 1\)"):
        read_group([folder])


def test_an_edited_plan_is_refused(study_folder: Make) -> None:
    folder = study_folder()
    text = (folder / "plan.json").read_text()
    (folder / "plan.json").write_text(text.replace('"higher"', '"lower"'))
    with pytest.raises(UserError, match="edited after it was stored"):
        read_ablation(folder)


def test_the_command_judges_by_the_stored_plan_or_not_at_all(
    study_folder: Make, tmp_path: Path, process: Process
) -> None:
    folder = study_folder()
    done = process("ablation", "report", "norm", cwd=tmp_path)  # conf/ablation/norm.yaml asks something else
    assert done.wait() == 2
    assert "which alone decides the verdict" in done.err
    assert not (folder / "report.html").exists()
    done = process("ablation", "report", folder, cwd=tmp_path)
    assert (done.wait(), done.err) == (0, "")
    assert "\nverdict: supported\n" in done.out
    assert {path.name for path in folder.glob("report*")} == {
        "report.html",
        "report.md",
        "report.csv",
        "report-samples-1.png",
        "report-samples-2.png",
    }
    done = process("report", f"group={folder}", "output=here.md", cwd=tmp_path)
    assert (done.wait(), done.out) == (0, "report: here.md\n")
    done = process("report", f"group={folder}", "output=here.pdf", cwd=tmp_path)
    assert (done.wait(), done.err.count("\n")) == (2, 1)
    assert "must end in .html, .md, .csv" in done.err


def test_the_time_to_a_value_is_by_the_better_side_of_its_metric(study_folder: Make) -> None:
    rows: list[dict[str, Any]] = [
        {"images_seen": 10 * i, "train/images_per_second": 1.0, "val/reconstruction_psnr": 20.0 + i, "val/mse": 1 / i}
        for i in range(1, 5)
    ]
    run = replace(next(iter(read_ablation(study_folder()).runs.values())), rows=rows)
    assert seconds_to(run, "val/reconstruction_psnr", 22.0) == 20
    assert seconds_to(run, "val/mse", 0.4) == 30  # of what the catalogue does not know less is wanted


def judged_by(folder: Path, yardsticks: dict[str, str], frames: dict[str, str]) -> Study:
    """The ablation's study, its levels measured against these yardsticks on these frames."""
    for file in folder.glob("*/evaluation/final/test.json"):
        level = file.parents[2].name.partition("-")[2]
        content = json.loads(file.read_text())
        for way in content["directions"]:
            way["settings"] = {"yardstick": yardsticks.get(level, "clean"), "judged_on": frames.get(level, "frames")}
        file.write_text(json.dumps(content))
    return read_ablation(folder)


def test_levels_that_were_measured_against_different_people_are_not_compared(study_folder: Make) -> None:
    assert findings(judged_by(study_folder(), {}, {})).verdict == "supported"
    with pytest.raises(UserError, match=r"score was measured against different people .*; use psnr instead"):
        findings(judged_by(study_folder(name="apart"), {"group": "others"}, {}))


def test_guards_that_do_not_compare_are_left_out_with_a_remark(study_folder: Make) -> None:
    folder = study_folder(metric="mse", guards=["score", "retrieval_top1[mixed]"], contrast=None, direction="lower")
    study = judged_by(folder, {"group": "others"}, {})
    assert "score" not in grid(findings(study), "Guards").head
    assert any(remark.endswith("measured against different people or faces: score") for remark in study.remarks)


def test_levels_that_were_judged_on_other_frames_are_remarked(study_folder: Make) -> None:
    study = judged_by(study_folder(), {}, {"group": "others"})
    assert [each.what for each in study.unequal] == ["set of held-out frames"]
    assert "the runs differ in set of held-out frames: " in markdown(findings(study))
    assert findings(study).verdict == "supported"
