"""Composed configs as plain dictionaries."""

from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swaplab.config.trust import check_targets, lookups_only
from swaplab.errors import UserError


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain containers, every interpolation resolved and every ``_target_`` checked.

    Raises UserError for a missing value, a bad interpolation or a target that may not run.
    """
    with lookups_only():
        missing = sorted(OmegaConf.missing_keys(cfg))
        if missing:
            raise UserError(f"{missing[0]} is not set; give {missing[0]}=VALUE, see --help for examples")
        try:
            config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            raise UserError(f"the config cannot be resolved: {str(error).splitlines()[0]}") from None
    check_targets(config)
    return cast(dict[str, Any], config)
