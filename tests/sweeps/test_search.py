"""The study: what it draws, what it goes on with, what it stops, and what it makes of the ends."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.trial import TrialState

from swaplab.errors import UserError
from swaplab.runs.record import RunRecord
from swaplab.sweeps.search import Drawn, Goal, Search, direction_of, opened, steps
from swaplab.sweeps.space import Space, space_of

GOAL = Goal("val/error", "minimize", "tpe", seed=3, startup_trials=4, pruner="median", warmup_images=0, cadence=40)


@pytest.fixture
def space() -> Space:
    words = ["lr=tag(log,interval(1e-4,1e-2))", "norm=none,group", "budget.images=80", "logger=none"]
    return space_of(OverridesParser.create().parse_overrides(words))


@pytest.fixture
def ended(tmp_path: Path) -> Callable[..., RunRecord]:
    """Makes records of runs that ended with a value of the metric."""

    def end(number: int, value: float) -> RunRecord:
        record = RunRecord.create(tmp_path / f"run{number}", {}, {})
        record.end("complete", "", metrics={"val/error": value})
        return record

    return end


def error_of(trial: Drawn) -> float:
    """The closed form that is searched: its least is 0, at lr=1e-3 with norm=group."""
    return float((np.log10(float(trial.levels["lr"])) + 3) ** 2 + (trial.levels["norm"] == "none"))


def searched(folder: Path, goal: Goal, space: Space, ended: Callable[..., RunRecord], trials: int) -> Search:
    search = Search(folder, goal, space)
    while batch := search.batch(trials, 2):
        for trial in batch:
            search.tell(trial.number, "complete", "", ended(trial.number, error_of(trial)))
    return search


def test_it_finds_a_better_value_than_random_draws_and_ends_at_the_number_asked_for(
    space: Space, tmp_path: Path, ended: Callable[..., RunRecord]
) -> None:
    best = {}
    for sampler in ("tpe", "random"):
        goal = replace(GOAL, sampler=sampler)
        (tmp_path / sampler).mkdir()
        search = searched(tmp_path / sampler, goal, space, ended, 40)
        assert len(search.trials()) == 40
        best[sampler] = [trial.value for trial in search.trials()]
    assert np.mean(best["tpe"][20:]) < np.mean(best["random"][20:]) / 2
    assert min(best["tpe"]) < 0.02


def test_the_largest_is_looked_for_where_that_is_the_direction(
    space: Space, tmp_path: Path, ended: Callable[..., RunRecord]
) -> None:
    search = searched(tmp_path, replace(GOAL, direction="maximize"), space, ended, 12)
    best = search.best()
    assert best is not None
    assert best.value == max(trial.value for trial in search.trials())


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_in_pieces_draws_what_it_would_have_drawn_at_once(
    sampler: str, space: Space, tmp_path: Path, ended: Callable[..., RunRecord]
) -> None:
    goal, found = replace(GOAL, sampler=sampler), {}
    for name, pieces in (("once", (14,)), ("pieces", (4, 8, 14))):
        (tmp_path / name).mkdir()
        for trials in pieces:
            search = searched(tmp_path / name, goal, space, ended, trials)
        found[name] = [trial.params for trial in search.trials()]
    assert found["once"] == found["pieces"]
    assert len({str(params) for params in found["once"]}) == 14


def test_trials_that_were_left_go_first_as_they_were_drawn(space: Space, tmp_path: Path) -> None:
    search = Search(tmp_path, GOAL, space)
    first = search.batch(6, 3)
    search.tell(first[1].number, "failed", "out of memory", None)
    search.tell(first[2].number, "interrupted", "stopped by SIGTERM", None)
    search.study.ask()  # the end came before anything was drawn
    again = Search(tmp_path, GOAL, space)
    assert again.batch(6, 3) == [first[0]]  # file names of jobs count on: 2 follows by itself
    again.tell(0, "failed", "", None)
    assert again.batch(6, 3) == [first[2]]
    again.tell(2, "failed", "", None)
    assert [trial.number for trial in again.batch(6, 9)] == [4, 5, 6]
    assert [trial.state for trial in again.study.trials[:4]] == [TrialState.FAIL] * 4


def test_a_trial_is_stopped_where_the_median_rule_says_so(space: Space, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    curves = rng.uniform(0, 1, (16, 1)) + rng.uniform(0, 0.3, (16, 5)) + np.linspace(1, 0, 5)
    search, whole = Search(tmp_path, GOAL, space), []
    for number, curve in enumerate(curves):
        [trial] = search.batch(16, 1)
        rows = [{"images_seen": 0, "val/error": 9.0}]
        stopped = None
        for step, value in enumerate(curve, 1):
            rows += [{"images_seen": 40 * step + 3, "val/error": value}, {"images_seen": 40 * step + 9, "loss/x": 1.0}]
            if search.watch(trial.number, rows):
                stopped = step
                break
        medians = np.median(np.array(whole), 0) if len(whole) >= GOAL.startup_trials else np.full(5, np.inf)
        worse = [s for s in range(1, 6) if np.min(curve[:s]) > medians[s - 1]]
        assert stopped == (worse[0] if worse else None), number
        record = RunRecord.create(tmp_path / f"run{number}", {}, {})
        record.end("interrupted" if stopped else "complete", "", metrics={"val/error": curve[-1]})
        search.tell(trial.number, record.status, "stopped by SIGTERM", record)
        state = search.study.trials[-1].state
        if stopped:
            assert state is TrialState.PRUNED
            reason = RunRecord.load(record.folder).facts["exit_reason"]
            assert reason == f"pruned: worse than the median at {40 * stopped} images"
        else:
            whole.append(curve)
    assert 4 < len(whole) < 16


def test_no_trial_is_stopped_before_the_warm_up_or_without_a_pruner(space: Space, tmp_path: Path) -> None:
    rows = [{"images_seen": 40 * step, "val/error": 100.0} for step in range(5)]
    for name, change, expected in (("warm", {"warmup_images": 120}, 3), ("none", {"pruner": "none"}, None)):
        (tmp_path / name).mkdir()
        search = Search(tmp_path / name, replace(GOAL, startup_trials=1, **change), space)  # type: ignore[arg-type]
        search.batch(2, 1)
        search.watch(0, [row | {"val/error": 1.0} for row in rows])
        record = RunRecord.create(tmp_path / name / "run", {}, {})
        record.end("complete", "", metrics={"val/error": 1.0})
        search.tell(0, "complete", "", record)
        search.batch(2, 1)
        stops = [search.watch(1, rows[: end + 1]) for end in range(5)]
        assert (stops.index(True) if any(stops) else None) == expected


def test_steps_are_cadences_so_that_batch_sizes_can_differ() -> None:
    rows = [{"images_seen": seen, "val/error": float(seen)} for seen in (0, 42, 84, 96, 130)]
    assert steps(rows, GOAL) == [(1, 42.0), (2, 96.0), (3, 130.0)]


def test_ends_are_told_as_what_they_are(space: Space, tmp_path: Path, ended: Callable[..., RunRecord]) -> None:
    search = Search(tmp_path, GOAL, space)
    search.batch(6, 6)
    search.tell(0, "complete", "done", ended(0, 0.5))
    search.tell(1, "complete", "done", ended(1, float("nan")))
    search.tell(2, "diverged", "a loss was not finite", None)
    search.tell(3, "failed", "out of memory", None)
    search.tell(4, "interrupted", "stopped by SIGTERM", None)
    states = [trial.state.name for trial in search.trials()]
    assert states == ["COMPLETE", "PRUNED", "PRUNED", "FAIL", "RUNNING", "RUNNING"]
    best = search.best()
    assert best is not None
    assert best.number == 0
    with search.write_table().open() as file:
        rows = list(csv.DictReader(file))
    assert [row["reason"] for row in rows] == ["done", "done", "a loss was not finite", "out of memory", "", ""]
    assert rows[0]["val/error"] == "0.5"
    assert rows[0]["norm"] in ("none", "group")
    record = ended(5, 0.5)
    record.end("complete", "", metrics={"loss/a": 1.0})
    with pytest.raises(UserError, match="val/error is not measured; choose from loss/a"):
        search.tell(5, "complete", "", record)


def test_a_stopped_trial_whose_end_was_not_seen_is_not_run_again(space: Space, tmp_path: Path) -> None:
    search = Search(tmp_path, GOAL, space)
    search.batch(2, 1)
    search._trial(0).set_user_attr("pruned", "worse than the median at 40 images")
    assert [trial.number for trial in Search(tmp_path, GOAL, space).batch(2, 1)] == [1]


def test_one_process_at_a_time_and_one_search_a_folder(space: Space, tmp_path: Path) -> None:
    with opened(tmp_path, GOAL, space), pytest.raises(UserError, match="is already running"):
        opened(tmp_path, GOAL, space).__enter__()
    with opened(tmp_path, GOAL, space):
        pass
    with pytest.raises(UserError, match="belongs to another search with other goal"):
        opened(tmp_path, replace(GOAL, seed=4), space).__enter__()
    more = Space((*space.fixed, "runs=elsewhere"), space.searched)
    with opened(tmp_path, GOAL, more):  # where it is written moves no number
        pass


def test_the_study_may_be_a_database(space: Space, tmp_path: Path, ended: Callable[..., RunRecord]) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    first = Search(tmp_path / "a", GOAL, space, url)
    [trial] = first.batch(2, 1)
    first.tell(trial.number, "complete", "", ended(0, 0.5))
    assert [trial.number for trial in Search(tmp_path / "a", GOAL, space, url).batch(2, 1)] == [1]
    with pytest.raises(UserError, match="cannot be used"):
        Search(tmp_path / "a", GOAL, space, "nonsense://x")


def test_a_damaged_study_is_refused_in_a_sentence(space: Space, tmp_path: Path) -> None:
    (tmp_path / "study.journal").write_text("{}\n{}\n")
    with pytest.raises(UserError, match="cannot be used"):
        Search(tmp_path, GOAL, space)


def test_a_study_cut_short_by_a_kill_goes_on(space: Space, tmp_path: Path) -> None:
    drawn = Search(tmp_path, GOAL, space).batch(3, 1)
    with (tmp_path / "study.journal").open("a") as file:
        file.write('{"op_code":6,"worker')
    again = Search(tmp_path, GOAL, space)
    assert again.batch(3, 1) == drawn
    again.tell(0, "failed", "", None)
    assert [trial.number for trial in Search(tmp_path, GOAL, space).batch(3, 1)] == [1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"direction": "up"}, "must be minimize or maximize"),
        ({"sampler": "grid"}, "must be tpe or random"),
        ({"pruner": "asha"}, "must be median or none"),
        ({"startup_trials": -1}, "must be at least 0"),
        ({"cadence": 0}, "measured at the end only"),
    ],
)
def test_a_goal_that_cannot_be_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        replace(GOAL, **change).check()  # type: ignore[arg-type]


def test_a_search_goes_towards_the_better_side_of_its_metric() -> None:
    assert direction_of("val/reconstruction_mse") == "minimize"
    assert direction_of("val/reconstruction_psnr/A") == "maximize"
    for metric in ("loss/discriminator/adversarial", "loss/other"):
        with pytest.raises(UserError, match=r"is unknown; set hydra\.sweeper\.direction"):
            direction_of(metric)
