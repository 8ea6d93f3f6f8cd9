import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from swaplab.catalogue import goodness
from swaplab.metrics.baseline import Baseline
from swaplab.metrics.evaluation import Evaluation, evaluate_swap
from swaplab.metrics.geometry import ANGLES
from swaplab.metrics.pixels import EXACT
from swaplab.metrics.task import SwapTask
from swaplab.metrics.trivial import LABELS
from swaplab.metrics.yardstick import RealFaces

TOP1, POSE, IDENTITY = "retrieval_top1[mixed]@56", "retrieval_top1[pose]@60", "identity[colour:0]"


@pytest.fixture(scope="module")
def of_perfect(perfect: Any, task: SwapTask, baseline: Baseline) -> Evaluation:
    return evaluate_swap(perfect, task, baseline)


def values(evaluation: Evaluation, key: str) -> dict[str, float]:
    row = evaluation.row(key)
    assert row is not None
    return row.values


def test_perfect_model_gets_full_marks(of_perfect: Evaluation) -> None:
    model = values(of_perfect, "model")
    assert model["score"] == pytest.approx(1, abs=1e-6)
    assert model[TOP1] == model[POSE] == 1
    assert model["reconstruction_psnr"] == EXACT
    assert model["copy_ratio"] == pytest.approx(1, abs=1e-4)
    assert model["leak"] == pytest.approx(0, abs=1e-4)
    assert model["tenengrad_ratio[truth]"] == pytest.approx(1, abs=1e-3)
    assert model[IDENTITY] == pytest.approx(1, abs=0.02)
    assert of_perfect.intervals["score"] == pytest.approx((1, 1), abs=1e-6)


def test_rows_are_model_then_trivial_then_ceilings(of_perfect: Evaluation) -> None:
    assert [row.key for row in of_perfect.rows] == ["model", *LABELS, "real", "re_encoded"]
    assert [row.label for row in of_perfect.rows][1] == "A itself"
    ceiling = values(of_perfect, "real")
    assert (ceiling["score"], ceiling["psnr"], ceiling[TOP1]) == (1, EXACT, 1)
    assert ceiling[IDENTITY] == pytest.approx(1, abs=1e-6)
    assert values(of_perfect, "re_encoded")["psnr"] == EXACT  # this model gives back what it is shown


def test_the_true_swap_is_at_the_good_end_of_every_metric(of_perfect: Evaluation) -> None:
    judged, of_a_copy = 0, ("kept_error", "landmark_distance", *(f"{a}_difference" for a in ("pose", *ANGLES)))
    for name, value in values(of_perfect, "real").items():
        best = goodness(name, value)
        if best is None or name.startswith(of_a_copy):
            continue  # these are 0 for a copy alone: people's shapes differ
        judged += 1
        for key in LABELS:
            found = goodness(name, values(of_perfect, key).get(name, value))
            assert found is not None
            assert found <= best + 0.05, (name, key)
    assert judged > 12


def test_score_of_the_best_trivial_answer_is_nought_and_no_trivial_one_is_better(of_perfect: Evaluation) -> None:
    scores = {key: values(of_perfect, key)["score"] for key in LABELS}
    assert scores[of_perfect.settings["best_trivial_by_mse"]] == max(scores.values()) == 0


def test_each_metric_alone_has_a_trivial_winner(of_perfect: Evaluation) -> None:
    copy, mean, matched = (values(of_perfect, key) for key in ("copy", "mean", "colour_match"))
    assert copy[TOP1] == matched[TOP1] == 1  # a copy keeps everything
    assert copy[IDENTITY] == pytest.approx(0, abs=1e-6)  # and is the wrong person
    assert copy["copy_ratio"] == 0
    assert copy["reconstruction_psnr"] == EXACT
    assert mean[IDENTITY] > 0.9  # a mean face is the right person
    assert mean[TOP1] < 0.1  # and keeps nothing
    assert of_perfect.metrics[TOP1]["best_trivial"] in ("copy", "colour_match")
    assert of_perfect.metrics["copy_ratio"]["best_trivial"] != "copy"


def test_copying_model_is_seen_through(model_of: Any, task: SwapTask, baseline: Baseline) -> None:
    evaluation = evaluate_swap(model_of(lambda faces: faces), task, baseline)
    model, copy = values(evaluation, "model"), values(evaluation, "copy")
    assert model["score"] < 0
    assert model == pytest.approx(copy)
    assert model["leak"] == pytest.approx(1)


def test_mean_face_keeps_nothing_in_any_set(model_of: Any, task: SwapTask, baseline: Baseline, real: RealFaces) -> None:
    mean = real.train_target.faces.mean(0)
    model = values(evaluate_swap(model_of(lambda faces: mean.expand_as(faces)), task, baseline), "model")
    assert max(model[TOP1], model[POSE]) < 0.1
    assert model["tenengrad_ratio[truth]"] < 0.7  # and is smooth


def test_only_the_face_counts(model_of: Any, perfect: Any, task: SwapTask, baseline: Baseline) -> None:
    disc = task.mask[:1]

    def answer(faces: torch.Tensor) -> torch.Tensor:
        true = perfect.answer(faces)
        return disc * true + (1 - disc) * true.roll(7, 0)  # outside: another frame's

    model = values(evaluate_swap(model_of(answer), task, baseline), "model")
    assert model[TOP1] == model[POSE] == 1
    assert model["score"] == pytest.approx(1, abs=1e-6)
    assert model["error[face]"] == pytest.approx(0, abs=1e-3)
    assert model["error[surroundings]"] > 1  # where it is seen
    assert model["kept_error[surroundings]"] > 1


def test_composed_and_raw_are_both_measured(model_of: Any, perfect: Any, task: SwapTask, baseline: Baseline) -> None:
    evaluation = evaluate_swap(model_of(perfect.answer, mask=0.75), task, baseline)
    model, raw = values(evaluation, "model"), values(evaluation, "raw")
    assert raw["score"] == pytest.approx(1, abs=1e-6)
    assert model["copy_ratio"] == pytest.approx(0.75, abs=1e-4)
    assert model["leak"] == pytest.approx(0.25, abs=1e-4)
    # The error is a quarter of what the copy's is, so its square is a sixteenth.
    assert model["mse"] == pytest.approx(values(evaluation, "copy")["mse"] / 16, rel=1e-3)
    assert task.query_mask is not None
    assert model["mask_iou"] == pytest.approx(float(task.query_mask[0].mean()))
    assert "mask_iou" not in raw


def test_landmarks_tell_a_moving_face_from_a_frozen_one(of_perfect: Evaluation) -> None:
    copy, mean, model = (values(of_perfect, key) for key in ("copy", "mean", "model"))
    for name in ("landmark_distance", "landmark_distance_aligned", "pose_difference", "yaw_difference"):
        full = f"{name}[balance:0]"
        assert copy[full] == pytest.approx(0, abs=1e-3)
        assert model[full] < 0.4 * mean[full]
        assert of_perfect.metrics[full]["best_trivial"] == "copy"
    for name in ("yaw", "mouth"):
        full = f"{name}_correlation[balance:0]"
        assert copy[full] == pytest.approx(1)
        assert model[full] > 0.97
        assert mean[full] == of_perfect.metrics[full]["chance"] == 0
    assert of_perfect.settings["query_spread"]["yaw"] > 1
    assert of_perfect.settings["query_spread"]["eye"] == pytest.approx(0, abs=1e-3)
    assert model["eye_correlation[balance:0]"] == 0  # nothing to correlate with


def test_retrieval_says_how_many_and_what_chance_is(of_perfect: Evaluation) -> None:
    assert of_perfect.metrics[TOP1]["chance"] == 1 / 56  # four of a clip's five frames are too near
    assert of_perfect.metrics[POSE]["chance"] == 1 / 60
    harmonic = sum(1 / k for k in range(1, 61))
    assert of_perfect.metrics["retrieval_mrr[pose]@60"]["chance"] == pytest.approx(harmonic / 60)


def test_factor_is_chosen_on_val_and_not_on_test(
    task: SwapTask, real: RealFaces, yardstick_of: Any, embedder: Any, finder: Any, baseline: Baseline
) -> None:
    assert real.val_truth is not None
    truth = real.train_target.faces.mean(0).expand_as(real.val_truth.faces)
    still = replace(real, val_truth=replace(real.val_truth, faces=truth))
    assert Baseline.of(task, yardstick_of(still), embedder, finder).factors["swap"] == 0
    assert baseline.factors["swap"] > 0.5


def test_per_frame_and_per_clip_add_up(model_of: Any, perfect: Any, task: SwapTask, baseline: Baseline) -> None:
    blunder = torch.zeros(60, 1, 1, 1)
    blunder[[7, 33]] = torch.tensor([0.3, 0.2]).view(2, 1, 1, 1)

    def answer(faces: torch.Tensor) -> torch.Tensor:
        return perfect.answer(faces) + blunder

    evaluation = evaluate_swap(model_of(answer), task, baseline)
    assert evaluation.sheets(2)["worst"] == [7, 33]
    assert evaluation.sheets(60)["best"][-2:] == [33, 7]
    assert evaluation.frames[7] == {"clip": "test1", "time": pytest.approx(0.4)}
    assert evaluation.per_frame["mse"][7] == pytest.approx(0.09, rel=0.05)
    assert evaluation.per_clip["mse"]["test1"] == pytest.approx(np.mean(evaluation.per_frame["mse"][5:10]))
    assert evaluation.per_clip["score"]["test0"] == pytest.approx(1, abs=1e-6)
    low, high = evaluation.intervals["score"]
    assert low < values(evaluation, "model")["score"] < high


def test_result_is_plain_json(of_perfect: Evaluation) -> None:
    text = json.dumps(of_perfect.as_json(), allow_nan=False)
    assert json.loads(text)["direction"] == "A->B"


def test_a_baseline_that_was_kept_gives_the_same_numbers(
    of_perfect: Evaluation, perfect: Any, task: SwapTask, real: RealFaces, yardstick_of: Any, embedder: Any, finder: Any
) -> None:
    made = Baseline.of(task, yardstick_of(real), embedder, finder)
    assert evaluate_swap(perfect, task, made).as_json() == of_perfect.as_json()
    kept = Baseline.from_json(json.loads(json.dumps(made.as_json())), embedder, finder)
    assert kept.as_json() == made.as_json()
    assert evaluate_swap(perfect, task, kept).as_json() == of_perfect.as_json()


def test_a_score_is_divided_by_what_was_fitted_on_the_yardstick(
    of_perfect: Evaluation, model_of: Any, task: SwapTask, baseline: Baseline, real: RealFaces, yardstick_of: Any
) -> None:
    assert of_perfect.settings["yardstick"] == "made up"
    assert of_perfect.settings["judged_on"] == task.digest
    assert replace(task, query=task.query.flip(0)).digest != task.digest
    spoiled = replace(real, train_target=replace(real.train_target, faces=real.train_target.faces * 0.8))
    other = Baseline.of(task, yardstick_of(spoiled), baseline.identity.embedder, baseline.landmarks.finder)
    copied = [evaluate_swap(model_of(lambda faces: faces), task, each) for each in (other, baseline)]
    scores = [values(each, "model")["score"] for each in copied]
    assert abs(scores[0] - scores[1]) > 0.05  # which is why numbers by different yardsticks are not compared
    assert values(copied[0], "model")["psnr"] == values(copied[1], "model")["psnr"]


def test_real_people_lose_only_what_needs_the_true_swap(
    perfect: Any, task: SwapTask, real: RealFaces, yardstick_of: Any, embedder: Any, finder: Any
) -> None:
    unknown = replace(task, truth=None, truth_mask=None, retrieval={})
    yardstick = yardstick_of(replace(real, val_truth=None))
    evaluation = evaluate_swap(perfect, unknown, Baseline.of(unknown, yardstick, embedder, finder))
    model = values(evaluation, "model")
    needs_truth = ("score", "mse", "psnr", "ssim", "copy_ratio", "retrieval", "coherence")
    assert not [name for name in model if name.startswith(needs_truth)]
    assert model[IDENTITY] == pytest.approx(1, abs=0.02)
    assert {"reconstruction_psnr", "tenengrad_ratio[query]", "spectral_gap[query]"} <= set(model)
    assert [row.key for row in evaluation.rows] == ["model", *(k for k in LABELS if k != "shifted_mean"), "real"]
    errors = evaluation.per_frame["landmark_distance[balance:0]"]
    assert evaluation.sheets(8)["worst"] == sorted(range(60), key=lambda i: -errors[i])[:8]
    json.dumps(evaluation.as_json(), allow_nan=False)
