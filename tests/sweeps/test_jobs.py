"""What a run's folder says about a job."""

from collections.abc import Callable
from pathlib import Path

import pytest

from swaplab.errors import UserError
from swaplab.runs.record import RunRecord
from swaplab.sweeps.jobs import Job, Outcome


def test_how_far_it_is_comes_from_the_last_full_line(job: Callable[..., Job]) -> None:
    each = job("a")
    assert each.images_seen() == 0
    each.folder.mkdir(parents=True)
    path = each.folder / "metrics.jsonl"
    path.write_text('{"images_seen": 16}\n{"images_seen": 32, "x": 1}\n{"images_se')
    assert each.images_seen() == 32
    path.write_text('{"images_s')
    assert each.images_seen() == 0


def test_a_folder_of_another_config_is_refused(job: Callable[..., Job]) -> None:
    RunRecord.create(job("a").folder, job("a").config, {}).end("complete", "", metrics={})
    assert job("a").done() is not None
    with pytest.raises(UserError, match=r"holds a run of another config \(lr differ\)"):
        job("a", lr=0.1).done()


def test_factors_do_not_make_another_run(job: Callable[..., Job], tmp_path: Path) -> None:
    plain, named = job("a"), job("a", factors={"norm": "none"})
    RunRecord.create(plain.folder, plain.config, {}).end("complete", "", metrics={})
    assert named.done() is not None


@pytest.mark.parametrize(("best", "objective"), [("val/reconstruction_mse", 0.5), ("val/reconstruction_psnr", -20.0)])
def test_less_is_better_whatever_the_metric(job: Callable[..., Job], best: str, objective: float) -> None:
    each = job("a", checkpoint={"best": best})
    values = {"val/reconstruction_mse": 0.5, "val/reconstruction_psnr": 20.0}
    RunRecord.create(each.folder, each.config, {}).end("complete", "", metrics=values)
    assert Outcome(each, "complete", "", 0.0).objective == objective
