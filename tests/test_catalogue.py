import pytest

from swaplab.catalogue import CATALOGUE, better, check_choice, goodness, known, loss_of
from swaplab.errors import UserError


def test_full_names_are_found() -> None:
    for name, key in (
        ("retrieval_top1[mixed]@100", "retrieval_top1"),
        ("retrieval_top1@100", "retrieval_top1"),
        ("evaluation/final/test/identity[dlib128:fd7c9dc2]/A_to_B", "identity"),
        ("evaluation/best/val/psnr", "psnr"),
        ("val/reconstruction_psnr/A", "val/reconstruction_psnr"),
        ("loss/discriminator/adversarial_weighted", "loss/discriminator"),
        ("cost/macs", "cost/macs"),
    ):
        assert known(name) is CATALOGUE[key]
    for name in ("beauty", "val/other", "images_seen", "evaluation/final/test", "reconstruction"):
        assert known(name) is None


def test_every_side_is_turned_the_right_way() -> None:
    assert goodness("val/reconstruction_mse", 0.25) == -0.25
    assert goodness("val/reconstruction_psnr/B", 20.0) == 20.0
    assert goodness("copy_ratio", 0.75) == -0.25
    assert goodness("high_frequency_share", 0.1) is goodness("beauty", 0.1) is None
    assert [loss_of(name, 3.0) for name in ("psnr", "mse", "beauty")] == [-3.0, 3.0, 3.0]


def test_better_is_by_the_metric_s_side_and_never_without_a_number() -> None:
    assert better("mse", 0.1, 0.2)
    assert not better("psnr", 0.1, 0.2)
    assert better("psnr", 0.1, None)
    assert not better("psnr", float("nan"), None)
    assert not better("loss/discriminator/adversarial", 1.0, None)


def test_a_model_is_chosen_by_what_every_validation_measures() -> None:
    for name in ("val/reconstruction_mse", "val/reconstruction_psnr", "val/reconstruction_psnr/B"):
        check_choice(name, ("A", "B"), rendered=False)
    check_choice("val/oracle_swap_psnr", ("A", "B"), rendered=True)
    for name in (
        "val/oracle_swap_psnr",
        "val/reconstruction_psnr/C",
        "loss/generator/pixel",
        "train/progress",
        "score",
    ):
        with pytest.raises(UserError, match="choose one of val/reconstruction_mse"):
            check_choice(name, ("A", "B"), rendered=False)
