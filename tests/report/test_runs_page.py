"""The page of several runs: what is compared, in which order, beside which faces, and what is said first."""

import base64
import copy
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from swaplab.report.factors import factors_of, labels_of, levels_of
from swaplab.report.matrix import run_matrices, strips
from swaplab.report.ranking import Ranking, ranking
from swaplab.report.reading import ReportedRun, read_run
from swaplab.report.runs_page import render_runs
from swaplab.report.unequal import unequal
from swaplab.runs.record import RunRecord
from swaplab.runs.sheets import write_newest, write_sheet
from swaplab.sheets import Columns

Make = Callable[..., Path]
Score = Callable[[str, int], float]
GROUP = {"_target_": "swaplab.networks.norm.GroupNorm", "groups": 8}
BATCH = {"_target_": "swaplab.networks.norm.BatchNorm", "eps": 1e-5}


def of_config(**config: Any) -> ReportedRun:
    """A run that nothing is known of but its config."""
    folder = Path(f"runs/quick/s{config.get('seed')}-0123456789")
    label = f"{config.get('name', 'quick')}/{folder.name}"
    return ReportedRun(folder=folder, label=label, status="complete", facts={}, config=config, rows=[], **NOTHING)


NOTHING: dict[str, Any] = {
    name: type_()
    for name, type_ in (("evaluations", list), ("samples", list), ("pictures", dict), ("remarks", list))
    if name in ReportedRun.__dataclass_fields__
}


def compared(runs: Sequence[ReportedRun]) -> tuple[dict[str, tuple[str, ...]], list[str], list[str]]:
    """Factors, levels and labels."""
    factors = factors_of(runs)
    levels = levels_of(runs, factors)
    return {f.key: f.values for f in factors}, [level.label for level in levels], labels_of(runs, levels)


def test_a_component_stands_for_its_keys_and_copies() -> None:
    runs = [of_config(seed=s, norm=n, generator={"norm": n, "width": 1}) for s in (1, 2) for n in (None, GROUP, BATCH)]
    factors, levels, labels = compared(runs)
    assert factors == {"norm": ("none", "GroupNorm", "BatchNorm") * 2}
    assert levels == ["none", "GroupNorm", "BatchNorm"]
    assert labels[:2] == ["none · seed 1", "GroupNorm · seed 1"]


def test_what_a_component_does_not_explain_is_a_factor_of_its_own() -> None:
    runs = [of_config(seed=1, norm=n, lr=lr) for n, lr in ((None, 1), (GROUP, 2), (GROUP | {"groups": 4}, 2))]
    factors, levels, _ = compared(runs)
    assert list(factors) == ["norm", "lr", "norm.groups"]
    assert levels == ["norm=none, lr=1", "norm=GroupNorm, lr=2, groups=8", "norm=GroupNorm, lr=2, groups=4"]


def test_declared_factors_name_levels_and_hide_no_other_difference() -> None:
    runs = [
        of_config(seed=1, factors={"norm": name}, norm=norm, budget={"images": images})
        for name, norm, images in (("none", None, 1000), ("group", GROUP, 2000))
    ]
    factors, levels, _ = compared(runs)
    assert factors == {"norm": ("none", "group"), "budget.images": ("1000", "2000")}
    assert levels == ["norm=none, images=1000", "norm=group, images=2000"]
    free = [of_config(seed=1, factors={"bottleneck": each}, norm=each, width=each) for each in ("dense", "conv")]
    assert compared(free)[1] == ["dense", "conv"]  # a level may change whatever it wants


def test_experiments_that_differ_in_much_are_told_apart_by_name() -> None:
    runs = [of_config(seed=1, name=name, **{f"key{i}": f"{name}{i}" for i in range(9)}) for name in ("quick", "demo")]
    assert compared(runs)[0] == {"name": ("quick", "demo")}


def test_runs_of_one_config_and_seed_are_told_apart_by_their_folders() -> None:
    labels = compared([of_config(seed=1, name="a"), of_config(seed=1, name="b"), of_config(seed=2, name="a")])[2]
    assert labels == ["seed 1 · a/s1-0123456789", "seed 1 · b/s1-0123456789", "seed 2"]


def read(folder: Path) -> list[ReportedRun]:
    return [read_run(run, pictures=False) for run in sorted(folder.glob("s*"))]


def ranked(runs: Sequence[ReportedRun], **options: Any) -> Ranking:
    factors = factors_of(runs)
    levels = levels_of(runs, factors)
    return ranking(runs, factors, levels, labels_of(runs, levels), "test", **{"anchored": True} | options)


def test_levels_and_runs_are_ranked_with_their_spread(study_folder: Make, score_of: Score) -> None:
    found = ranked(read(study_folder({("batch", 2): "diverged"})))
    assert [column.label for column in found.columns if not column.more][:2] == ["score", "psnr"]
    groups = [group for group, _, more in found.groups if not more]
    assert groups == ["true swap?", "frame kept?", "right person?", "training", "cost"]
    assert [line.label for line in found.levels] == ["group", "none", "batch"]
    scores = [score_of("group", seed) for seed in range(1, 7)]
    top = found.levels[0].items[0]
    assert top.text == f"{np.mean(scores):.3f}"
    assert top.small == f"{min(scores):.3f} … {max(scores):.3f}"
    assert top.mark == "beats"
    lost = found.levels[2]
    assert (lost.status, lost.items[0].small.endswith("(5 of 6 runs)")) == ("diverged", True)
    every = [(score_of(level, seed), f"{level} · seed {seed}") for level in ("none", "group") for seed in range(1, 7)]
    every += [(score_of("batch", seed), f"batch · seed {seed}") for seed in (1, 3, 4, 5, 6)]
    assert [line.label for line in found.runs] == [label for _, label in sorted(every, reverse=True)] + [
        "batch · seed 2"
    ]
    assert {"norm=batch", "seed=2", "diverged"} <= set(found.runs[-1].words.split())
    mean = next(items for name, items in found.anchors if name == "best trivial baseline")
    assert mean[0].text == "0.000"
    psnr = next(i for i, column in enumerate(found.columns) if column.name == "identity[dlib128:fd7c9dc2]")
    assert {line.items[psnr].mark for line in found.runs} == {""}  # none is nearer to the target than 0.86


def test_one_trivial_baseline_holds_only_where_all_were_measured_alike(study_folder: Make) -> None:
    found = ranked(read(study_folder()), anchored=False)
    assert found.anchors == []
    assert {item.mark for line in found.runs for item in line.items} == {""}


def test_a_column_is_ordered_by_its_better_side_and_by_the_metric_that_is_asked_for(study_folder: Make) -> None:
    found = ranked(read(study_folder()), metric="val/reconstruction_mse")
    assert found.columns[found.primary].name == "val/reconstruction_mse"
    values = [float(line.items[found.primary].text) for line in found.runs]
    assert values == sorted(values)


CHANGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "training data": lambda facts, config: facts.update(data={"digest": "feedfacefeedface"}),
    "image budget": lambda facts, config: config["budget"].update(images=6400),
    "precision": lambda facts, config: facts["environment"].update(precision="bf16-mixed"),
    "code": lambda facts, config: facts["sessions"][0].update(code="feedfacefeedface"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_differs_besides_the_factors_is_said_first_and_by_run(study_folder: Make, what: str) -> None:
    runs = read(study_folder(seeds=[1, 2]))
    assert unequal(runs, "test") == []
    assert "These runs differ in" not in render_runs(runs)
    place = [run.folder.name for run in runs].index("s2-group")
    facts, config = copy.deepcopy(runs[place].facts), copy.deepcopy(runs[place].config)
    CHANGES[what](facts, config)
    runs[place] = replace(runs[place], facts=facts, config=config)
    (found,) = unequal(runs, "test")
    assert (found.what, found.grave) == (what, True)
    assert sorted(places for _, places in found.groups) == sorted([[place], [i for i in range(6) if i != place]])
    text = render_runs(runs)
    assert text.index(f"These runs differ in {what}<") < text.index(f">{what}</dt>") < text.index("Ranking")
    named = text[text.index(f">{what}</dt>") :]
    assert "group" in named[: named.index("</dd>")]


def test_other_yardsticks_and_frames_are_said_and_take_the_trivial_baseline_away(study_folder: Make) -> None:
    folder = study_folder(seeds=[1, 2])
    assert "best trivial baseline</span>" in render_runs(read(folder))
    file = folder / "s1-none/evaluation/final/test.json"
    content = json.loads(file.read_text())
    for way in content["directions"]:
        way["settings"] = {"yardstick": "others"}
    file.write_text(json.dumps(content))
    text = render_runs(read(folder))
    assert "scores and identities cannot be compared" in text
    assert "best trivial baseline</span>" not in text


def test_the_same_faces_stand_beside_each_other(study_folder: Make) -> None:
    folder = study_folder(seeds=[1, 2])
    other = Columns(*np.zeros((4, 5, 32, 32, 3), np.uint8))
    write_sheet(folder / "s2-batch/evaluation/final/test-A_to_B-samples.png", {"A->B": other})
    (folder / "s2-group/evaluation/final/test-A_to_B-samples.png").unlink()
    runs = read(folder)
    labels = [run.folder.name for run in runs]
    shared, apart, back = run_matrices(runs, labels, "test")
    assert [label for label, _ in shared.rows] == ["source", "s1-batch", "s1-group", "s1-none", "s2-none", "true swap"]
    assert [label for label, _ in apart.swaps] == ["s2-batch"]
    assert shared.caption.endswith("Without a sheet: s2-group.")
    assert (back.way, len(back.swaps)) == ("B->A", 6)
    down = strips(shared, down=True)
    with Image.open(io.BytesIO(base64.b64decode(down[2].picture.uri.partition(",")[2]))) as image:
        assert image.size == (32, 5 * 32)
        assert abs(int(np.asarray(image.convert("RGB"))[16, 16, 0]) - 140) <= 3


def test_many_runs_show_fewer_faces_of_each(study_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swaplab.report.matrix.CELLS", 36)
    runs = read(study_folder(seeds=[1, 2]))
    assert {len(matrix.sources) for matrix in run_matrices(runs, [run.label for run in runs], "test")} == {3}


@pytest.fixture
def twenty(tmp_path: Path) -> list[Path]:
    """Ten levels with two seeds each: 1000 reports of 16 numbers, faces of 128 pixels, as large runs have them."""
    draws = np.random.default_rng(0)
    faces = [cv2.GaussianBlur(draws.integers(0, 256, (128, 128, 3), dtype=np.uint8), (0, 0), 1.5) for _ in range(8)]
    columns = Columns(*[np.stack([cv2.normalize(f, None, 0, 255, cv2.NORM_MINMAX) for f in faces])] * 3)
    found = []
    for level in range(10):
        for seed in (1, 2):
            folder = tmp_path / f"s{seed}-{level}"
            config = {"name": "twenty", "seed": seed, "lr": level, "many": {str(i): i for i in range(300)}}
            record = RunRecord.create(folder, config, {"environment": {"precision": "32-true"}, "warnings": []})
            values = draws.random((1000, 16))
            rows = [
                {"images_seen": 64 * i} | {f"loss/generator/{j}": v for j, v in enumerate(row)}
                for i, row in enumerate(values.tolist(), 1)
            ]
            record.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            record.update(faces={"identities": ["A", "B"]})
            record.end("complete", "")
            write_newest(folder / "samples/000064000.png", {"A->B": columns, "B->A": columns})
            found.append(folder)
    return found


@pytest.mark.slow
def test_twenty_runs_take_at_most_six_megabytes(twenty: list[Path]) -> None:
    page = render_runs([read_run(folder, pictures=False) for folder in twenty])
    assert page.count("data:image/webp") == 2 * 21
    assert 1e6 < len(page.encode()) <= 6e6


def test_the_file_needs_nothing_else(study_folder: Make) -> None:
    text = render_runs(read(study_folder(seeds=[1, 2])))
    assert "<link" not in text
    assert 'src="http' not in text
    assert "url(" not in text
