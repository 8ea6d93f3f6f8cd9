"""Optimisers, gradient clipping and parameter groups from a config."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from swaplab.config.build import build
from swaplab.config.optimizers import CLIP, GROUPS
from swaplab.errors import UserError
from swaplab.training.clipping import Clip
from swaplab.training.groups import Group

KERNELS = ("fused", "foreach", "differentiable", "capturable")  # arguments that choose how a step is computed


def build_optimizers(config: Mapping[str, Any]) -> dict[str, Callable[..., torch.optim.Optimizer]]:
    """The optimiser factories by network, with one kernel for all parameters where the class has one.

    Each is tried on one parameter, because optimisers check their own values.
    """
    optimizers = {}
    groups = build_groups(config)
    for name, node in _nodes(config).items():
        factory = build(node, f"optimizer.{name}")
        if "fused" in inspect.signature(factory).parameters and not any(key in node for key in KERNELS):
            factory = partial(factory, fused=True)
        try:
            for settings in ({}, *(group.settings for group in groups.get(name, ()))):
                factory([nn.Parameter(torch.zeros(1))], **settings)  # the values of groups are checked only like this
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"optimizer.{name} cannot be built: {error}; check the values under it") from None
        optimizers[name] = factory
    return optimizers


def build_clips(config: Mapping[str, Any]) -> dict[str, Clip]:
    """The gradient clipping by network, where it is on."""
    clips = {name: Clip(**(node.get(CLIP) or {})) for name, node in _nodes(config).items()}
    return {name: clip for name, clip in clips.items() if clip != Clip()}


def build_groups(config: Mapping[str, Any]) -> dict[str, tuple[Group, ...]]:
    """The parameter groups by network, where there are any."""
    found = {}
    for name, node in _nodes(config).items():
        groups = tuple(
            Group(tuple(group["match"]), {key: value for key, value in group.items() if key != "match"})
            for group in node.get(GROUPS) or ()
        )
        if groups:
            found[name] = groups
    return found


def _nodes(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: node for name, node in config["optimizer"].items() if node is not None}
