"""The callbacks that a config adds to those of swaplab."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from lightning.pytorch.callbacks import Callback, DeviceStatsMonitor

from swaplab.catalogue import OF_A_RUN, known
from swaplab.config.build import build
from swaplab.devices import on_gpu
from swaplab.errors import UserError

SIDES = {"lower": "min", "higher": "max"}


def build_callbacks(config: Mapping[str, Any]) -> list[Callback]:
    """The callbacks of a config, in its order, without those set to null.

    Raises UserError for an object that is no callback, for one that would watch what is not measured, or the wrong side
    of a metric, and for a package that is missing.
    """
    nodes = {name: node for name, node in config.get("callbacks", {}).items() if node is not None}
    callbacks = {name: build(node, f"callbacks.{name}") for name, node in nodes.items()}
    for name, callback in callbacks.items():
        if not isinstance(callback, Callback):
            raise UserError(f"callbacks.{name}: a {type(callback).__name__} must be a lightning.pytorch.Callback")
        if isinstance(callback, DeviceStatsMonitor) and not on_gpu(config["trainer"]) and find_spec("psutil") is None:
            raise UserError(f"callbacks.{name} needs psutil on a CPU; install it with: pip install psutil")
        _check_monitor(name, callback, config)
    return list(callbacks.values())


def _check_monitor(name: str, callback: Callback, config: Mapping[str, Any]) -> None:
    metric, mode = getattr(callback, "monitor", None), getattr(callback, "mode", None)
    if not isinstance(metric, str):
        return
    entry = known(metric)
    if entry is None or not metric.startswith(OF_A_RUN):
        raise UserError(
            f"callbacks.{name}.monitor={metric} is not measured during training; choose one of metrics.jsonl, such as "
            f"{config['checkpoint']['best']}"
        )
    side = SIDES.get(str(entry.better))
    if mode and side and mode != side:
        raise UserError(f"callbacks.{name}.mode={mode}, but {metric} is better when {entry.better}; set mode={side}")
    if metric.startswith("val/") and config["every"]["validate"] == 0:
        raise UserError(f"callbacks.{name} has no effect, because every.validate=0 validates only at the end; set it")
