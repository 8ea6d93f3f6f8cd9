"""Composed configs as plain dictionaries."""

from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from swaplab.config.border import missing
from swaplab.config.trust import check_targets, lookups_only
from swaplab.errors import UserError


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain containers, with interpolations resolved and every ``_target_`` checked.

    Raises UserError for a missing value, an invalid interpolation or a target that is not allowed.
    """
    with lookups_only():
        try:
            unset = sorted(OmegaConf.missing_keys(cfg))
            if unset:
                raise UserError(f"{unset[0]} is missing; set {unset[0]}=VALUE, see --help for examples")
            config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
        except InterpolationKeyError as error:
            key = str(error).partition("'")[2].partition("'")[0]
            raise UserError(f"{missing(key)}: {error.full_key} refers to it") from None
        except OmegaConfBaseException as error:
            raise UserError(f"the config cannot be resolved: {str(error).splitlines()[0]}") from None
    check_targets(config)
    return cast(dict[str, Any], config)
