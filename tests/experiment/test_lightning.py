"""The module and its data under a plain Trainer, with Lightning's own callbacks and loggers."""

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
import torch.multiprocessing as mp
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

import swaplab
from swaplab.errors import UserError
from swaplab.training.assemble import ConfiguredModule
from swaplab.training.checkpoint import networks_of

PLAIN = ("experiment=quick", "trainer.precision=64-true")
GAN = (
    *PLAIN,
    "discriminator=per_identity",
    "discriminator.width=0.07",
    "loss/adversarial=lsgan",
    "loss/real_or_fake/history=image_pool",
)
PSNR = "val/reconstruction_psnr"
QUIET: dict[str, Any] = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "precision": "64-true",
}
BARE: dict[str, Any] = {**QUIET, "enable_checkpointing": False, "logger": False}


def trainer_of(folder: Path, steps: int, **more: Any) -> lightning.Trainer:
    """The Trainer of docs/lightning.md, in a folder of its own."""
    return lightning.Trainer(
        max_steps=steps,
        val_check_interval=5,
        check_val_every_n_epoch=None,
        log_every_n_steps=2,
        logger=CSVLogger(folder, name="csv", version=""),
        callbacks=[
            ModelCheckpoint(folder / "best", monitor=PSNR, mode="max", filename="best"),
            EarlyStopping(PSNR, mode="max", patience=100),
            LearningRateMonitor(),
        ],
        **QUIET | more,
    )


def fitted(config: dict[str, Any], folder: Path, steps: int, checkpoint: Path | None = None) -> lightning.Trainer:
    data = swaplab.build_data(config)
    module = swaplab.build_module(config, data)
    trainer = trainer_of(folder, steps)
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    return trainer


def state_of(trainer: lightning.Trainer) -> dict[str, Any]:
    """All that training has changed."""
    trainer.save_checkpoint(Path(trainer.loggers[0].save_dir) / "end.ckpt")  # type: ignore[arg-type]
    state = torch.load(Path(trainer.loggers[0].save_dir) / "end.ckpt", weights_only=True)  # type: ignore[arg-type]
    return {name: state[name] for name in ("state_dict", "optimizer_states", "swaplab", "FaceData", "global_step")}


def same(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b


def logged(folder: Path) -> list[dict[str, str]]:
    with (folder / "csv" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "words", [pytest.param(PLAIN, marks=pytest.mark.slow, id="autoencoder"), pytest.param(GAN, id="GAN")]
)
def test_a_resumed_fit_equals_a_straight_one(
    compose: Callable[..., Any], tiny: list[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    config = compose([*words, *tiny])
    per_step = 2 if words is GAN else 1  # Lightning counts optimiser steps
    straight = fitted(config, tmp_path / "straight", 10 * per_step)
    half = fitted(config, tmp_path / "half", 5 * per_step)
    resumed = fitted(config, tmp_path / "resumed", 10 * per_step, Path(half.checkpoint_callback.best_model_path))
    assert same(state_of(straight), state_of(resumed))
    assert straight.callback_metrics[PSNR] == resumed.callback_metrics[PSNR]
    rows = [logged(tmp_path / name) for name in ("straight", "resumed")]
    name = "loss/generator/reconstruction"
    losses = [{row["images_seen"]: row[name] for row in of if row[name]} for of in rows]
    assert len(losses[0]) == 5
    assert losses[1].items() <= losses[0].items()
    assert len(losses[1]) >= 2


def test_the_code_of_the_page_runs(tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/lightning.md, with the words of a tiny run and fewer steps."""
    page = (Path(__file__).parents[2] / "docs" / "lightning.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    lines = [line for line in code.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 11
    monkeypatch.chdir(tmp_path)
    code = code.replace('compose("experiment=quick")', f'compose("experiment=quick", *{tiny})')
    found: dict[str, Any] = {}
    exec(code.replace("max_steps=50, val_check_interval=10", "max_steps=4, val_check_interval=2"), found)
    assert found["module"].counters.steps == 4
    assert Path(found["watchers"][0].best_model_path).is_file()


def test_validation_test_and_a_loaded_checkpoint(compose: Callable[..., Any], tiny: list[str], tmp_path: Path) -> None:
    config = compose([*PLAIN, *tiny])
    data = swaplab.build_data(config)
    module = swaplab.build_module(config, data)
    trainer = trainer_of(tmp_path, 5)
    trainer.fit(module, datamodule=data)
    during = float(trainer.callback_metrics[PSNR])
    assert trainer.validate(module, datamodule=data, verbose=False)[0][PSNR] == during
    assert "test/reconstruction_psnr" in trainer.test(module, datamodule=data, verbose=False)[0]
    path = trainer.checkpoint_callback.best_model_path  # type: ignore[union-attr]
    loaded = ConfiguredModule.load_from_checkpoint(path)
    assert same(dict(loaded.networks.state_dict()), networks_of(torch.load(path, weights_only=True)))
    assert loaded.ema is not None
    assert module.ema is not None
    assert same(dict(loaded.ema.network.state_dict()), dict(module.ema.network.state_dict()))
    assert loaded.counters == module.counters
    again = swaplab.build_module(config, data)
    assert lightning.Trainer(**BARE).validate(again, data, path, verbose=False)[0][PSNR] == during


def test_the_position_goes_on_over_epochs_and_stays_when_overfitting(
    compose: Callable[..., Any], tiny: list[str]
) -> None:
    config = compose([*PLAIN, *tiny])
    seen: list[list[int]] = []

    class Positions(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            seen.append(batch["position"].tolist())

    for more in ({"limit_train_batches": 2, "limit_val_batches": 0}, {"overfit_batches": 2}):
        data = swaplab.build_data(config)
        module = swaplab.build_module(config, data)
        trainer = lightning.Trainer(**BARE, **more, max_epochs=2, callbacks=[Positions()])
        trainer.fit(module, datamodule=data)
    starts = [position[0] for position in seen]
    assert starts == [0, 4, 8, 12, 0, 4, 0, 4]


def test_it_trains_in_a_thread(compose: Callable[..., Any], tiny: list[str]) -> None:
    config, ends = compose([*PLAIN, *tiny]), []

    def train() -> None:
        data = swaplab.build_data(config)
        module = swaplab.build_module(config, data)
        lightning.Trainer(**BARE, max_steps=1).fit(module, datamodule=data)
        ends.append(module.counters.steps)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert ends == [1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["batch_size=2"], r"has 4 faces per identity, but a step of this module takes 1 x 2"),
        (["+data_masks.face=true"], r"masks must be a uint8 tensor"),
    ],
)
def test_a_batch_of_another_config_is_refused(
    compose: Callable[..., Any], tiny: list[str], words: list[str], said: str
) -> None:
    data = swaplab.build_data(compose([*PLAIN, *tiny]))
    module = swaplab.build_module(compose([*PLAIN, *tiny, *words]), data)
    with pytest.raises(UserError, match=said):
        lightning.Trainer(**BARE, max_steps=1).fit(module, datamodule=data)


def work(rank: int, place: str, config: dict[str, Any]) -> None:
    """One of two ranks under ``strategy="ddp"``."""
    import os

    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517", "TORCHELASTIC_RUN_ID": "1", "GROUP_RANK": "0"}
    data = swaplab.build_data(config)
    module = swaplab.build_module(config, data)
    trainer = trainer_of(Path(place), 10, strategy="ddp", devices=2)
    trainer.fit(module, datamodule=data)
    if rank == 0:
        torch.save(
            {"networks": module.networks.state_dict(), "metrics": dict(trainer.callback_metrics)}, f"{place}/0.pt"
        )


def test_plain_ddp_on_two_ranks_equals_one(compose: Callable[..., Any], tiny: list[str], tmp_path: Path) -> None:
    config = compose([*GAN, *tiny])
    one = fitted(config, tmp_path / "one", 10)
    (tmp_path / "two").mkdir()
    mp.spawn(work, (str(tmp_path / "two"), config), nprocs=2)
    two = torch.load(tmp_path / "two" / "0.pt", weights_only=True)
    expected = one.lightning_module.networks.state_dict()
    assert all(torch.allclose(two["networks"][name], expected[name], rtol=0, atol=1e-9) for name in expected)
    assert two["metrics"][PSNR] == pytest.approx(float(one.callback_metrics[PSNR]), abs=1e-6)
