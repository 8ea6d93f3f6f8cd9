"""swaplab: a laboratory for face-swap models. Every decision is a switch, every answer is measured."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swaplab.data.module import FaceData
    from swaplab.experiment.run import Run as Run
    from swaplab.training.assemble import ConfiguredModule

__version__ = "0.1.0"


def compose(*overrides: str) -> dict[str, Any]:
    """The checked config of a run, from the overrides that `swaplab train` takes. Raises UserError for a wrong one."""
    from swaplab.config.compose import run_config

    return run_config(*overrides)


def build_data(config: dict[str, Any]) -> "FaceData":
    """The LightningDataModule of a config. Rendered faces are rendered first, unless they are in the cache."""
    from swaplab.experiment.data import load_data

    return load_data(config)[1]


def build_module(config: dict[str, Any], data: "FaceData") -> "ConfiguredModule":
    """The LightningModule of a config, for the faces of ``data``."""
    from swaplab.experiment.module import module_of

    return module_of(config, data)


def __getattr__(name: str) -> Any:
    """`Run`, imported when it is first used, because it needs torch."""
    if name != "Run":
        raise AttributeError(f"module swaplab has no attribute {name}")
    from swaplab.experiment.run import Run

    return Run
