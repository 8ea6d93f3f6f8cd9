"""Build networks from a config."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from swaplab.config.build import build, located
from swaplab.config.slots import SHARED, kind_of
from swaplab.config.trust import targets_in
from swaplab.errors import UserError
from swaplab.networks import spectral
from swaplab.networks.contract import (
    LAYERS,
    Layer,
    check_discriminator,
    check_generator,
    check_members,
    checked_layers,
    code_shape,
)
from swaplab.networks.initialisation import initialise
from swaplab.networks.names import DISCRIMINATOR, GENERATOR
from swaplab.networks.protocols import Discriminator, Generator


def build_networks(config: Mapping[str, Any], identities: tuple[str, ...], resolution: int) -> nn.ModuleDict:
    """The generator and, if configured, the discriminator, initialised by (seed, site)."""
    networks: dict[str, nn.Module] = {
        name: build(_sized(config[name], config["size"]["width"]), name, identities=identities, resolution=resolution)
        for name in (GENERATOR, DISCRIMINATOR)
        if config.get(name)
    }
    for name, protocol in ((GENERATOR, Generator), (DISCRIMINATOR, Discriminator)):
        if name in networks:
            check_members(networks[name], protocol, name)
    if config.get("spectral"):
        _normalise_spectra(networks, config["spectral"])
    if config["generator"].get("code_match"):
        _add_code_match(networks[GENERATOR], config["generator"]["code_match"], identities, resolution)
    if config["mask_network"]:
        shape = code_shape(networks[GENERATOR], resolution)
        given = {"identities": identities, "shape": shape, "resolution": resolution}
        networks[GENERATOR].add_module("mask_network", build(config["mask_network"], "mask_network", **given))
    for name, network in networks.items():
        initialise(network, config["seed"], name)
        network.to(memory_format=torch.channels_last)
    return nn.ModuleDict(networks)


def check_networks(config: Mapping[str, Any], identities: tuple[str, ...], resolution: int) -> None:
    """Raise UserError for networks that cannot be built. They are built on the meta device, without memory; a network
    that needs values is skipped."""
    from hydra.errors import InstantiationException

    for name in (GENERATOR, DISCRIMINATOR):
        if config[name]:
            with suppress(InstantiationException), torch.device("meta"):
                sized = _sized(config[name], config["size"]["width"])
                build(sized, name, identities=identities, resolution=resolution)


def check_contract(
    networks: nn.ModuleDict, config: Mapping[str, Any], identities: tuple[str, ...], resolution: int
) -> None:
    """Raise UserError for networks and layers that do not keep their protocols (`swaplab.networks.contract`)."""
    checks = {GENERATOR: check_generator, DISCRIMINATOR: check_discriminator}
    for name, network in networks.items():
        with checked_layers(network, _layers_in(config[name], name)):
            checks[name](network, identities, resolution)


def _layers_in(node: Mapping[str, Any], network: str) -> dict[Layer, list[type]]:
    """The classes of the norms, attentions and mask heads in a network's config."""
    found: dict[Layer, list[type]] = {kind: [] for kind in LAYERS}
    for path, name in targets_in(node, (network,)):
        for kind in (kind for kind in LAYERS if kind == kind_of(path)):
            target = located(name, ".".join(path))
            found[kind] += [target] if isinstance(target, type) else []
    return found


def _sized(node: Mapping[str, Any], width: float) -> dict[str, Any]:
    """A network's node with its width and its code multiplied by ``size.width``."""
    sized = dict(node)
    if node.get("width") is not None:
        sized["width"] = node["width"] * width
    if node.get("latent") is not None:
        sized["latent"] = max(8, round(node["latent"] * width))
    return sized


def _normalise_spectra(networks: Mapping[str, nn.Module], settings: Mapping[str, Any]) -> None:
    """Apply spectral normalisation to the networks that ``spectral`` names. Raises UserError for a missing network."""
    for name in settings["networks"]:
        if name not in networks:
            raise UserError(f"spectral needs a {name}, but there is none; choose spectral=none or add a {name}")
        spectral.apply(networks[name], settings["iterations"])


def check_parts(config: Mapping[str, Any]) -> None:
    """Raise UserError for a component that no network uses, and for an attention site that no network has."""
    nodes = {GENERATOR: config["generator"], DISCRIMINATOR: config.get("discriminator") or {}}
    for part in SHARED:
        if config.get(part) and not any(node.get(part) for node in nodes.values()):
            names = " and ".join(str(node["_target_"]).rsplit(".", 1)[-1] for node in nodes.values() if node)
            verb = "do" if " and " in names else "does"
            raise UserError(f"{part} has no effect, because {names} {verb} not use it; set {part}=none")
    sites = config["attention_sites"] or ()
    if sites and not config["attention"]:
        raise UserError("attention_sites has no effect without attention; choose one, such as attention=sagan")
    for site in sites:
        network = DISCRIMINATOR if site.split(".")[0] == DISCRIMINATOR else GENERATOR
        if site.split(".")[0] not in ("encoder", "decoder", DISCRIMINATOR) or not nodes[network].get("attention"):
            raise UserError(
                f"attention_sites has {site!r}, but no {network} of this config has attention there; remove it"
            )


def _add_code_match(generator: nn.Module, node: dict[str, Any], identities: tuple[str, ...], resolution: int) -> None:
    """Add the module that matches codes between identities, for the generator's code shape."""
    assert isinstance(generator, Generator)
    if not generator.shared_encoder:
        raise UserError(
            f"generator.code_match needs a shared encoder, which {type(generator).__name__} does not have; set "
            f"generator/code_match=none"
        )
    shape = code_shape(generator, resolution)
    generator.add_module("code_match", build(node, "generator.code_match", identities=identities, shape=shape))
