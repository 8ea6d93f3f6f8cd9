"""Build loss terms, actions and the LightningModule from a config."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from swaplab.config.build import build
from swaplab.config.slots import kind_of
from swaplab.errors import UserError
from swaplab.losses.settings import StepSettings
from swaplab.losses.term import LossTerm
from swaplab.losses.wasserstein import GradientPenalty
from swaplab.networks import spectral
from swaplab.networks.building import build_networks, check_contract, check_networks, check_parts
from swaplab.networks.composition import Composition
from swaplab.networks.loading import put_weights
from swaplab.networks.names import DISCRIMINATOR, GENERATOR
from swaplab.runs.identity import content_of, handed_on
from swaplab.training.actions import Action
from swaplab.training.checkpoint import average_of, load_checkpoint, networks_of
from swaplab.training.module import Measurement, SwapModule
from swaplab.training.optimizers import build_clips, build_groups, build_optimizers
from swaplab.training.rehearsal import rehearse
from swaplab.training.updates import UpdateOrder, parts

CODE_MATCH = "code_match."


def build_terms(config: Mapping[str, Any]) -> dict[str, LossTerm]:
    """The loss terms by name, without those set to null."""
    terms = {name: _term(node, name) for name, node in config["loss"].items() if node is not None}
    if not terms:
        raise UserError("loss is empty; choose at least one loss, such as loss/reconstruction=l1")
    return terms


def _term(node: dict[str, Any], name: str) -> LossTerm:
    for key, value in node.items():
        if isinstance(value, dict) and kind_of(("loss", name, key)) == "schedule":
            build(value, f"loss.{name}.{key}")  # separately, so that an error names it
    term = build(node, f"loss.{name}")
    if not isinstance(term, LossTerm):
        raise UserError(f"loss.{name}: a {type(term).__name__} must be callable and have side and weight")
    return term


def build_actions(config: Mapping[str, Any]) -> dict[str, Action]:
    """The one-off actions by name, without those set to null."""
    actions = {
        name: build(node, f"actions.{name}") for name, node in config.get("actions", {}).items() if node is not None
    }
    for name, action in actions.items():
        if not isinstance(action, Action):
            raise UserError(f"actions.{name}: a {type(action).__name__} must be callable and have points and check")
    return actions


def check_components(config: Mapping[str, Any]) -> None:
    """Raise UserError for a component that cannot be built. Networks are only built if the resolution is known."""
    for key in ("updates", "schedule"):
        build(config[key], key)
    build(config["noise"].get("mixup"), "noise.mixup")
    build_terms(config)
    build_actions(config)
    build_optimizers(config)
    build_clips(config)
    if config["data"]["resolution"] is not None:
        check_networks(config, tuple(config["data"]["identities"]), config["data"]["resolution"])


def check_composition(config: Mapping[str, Any]) -> None:
    """Raise UserError for composition=false without a mask, and for two masks."""
    learned, by = config["mask"] or config["mask_network"], config["composed_by"]
    if learned and by:
        raise UserError(f"composed_by={by} conflicts with the learned mask; choose one of them with mask=OPTION")
    if by and by not in masks_of(config):
        raise UserError(f"composed_by={by} needs that mask in the batches; set +data_masks.{by}=true")
    if not config["composition"] and not (learned or by):
        raise UserError("composition=false has no effect without a mask; choose one, such as mask=learned")


def masks_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The masks in every batch, as components of the config need them."""
    return tuple(name for name, wanted in config["data_masks"].items() if wanted)


class ConfiguredModule(SwapModule):
    """The LightningModule of a config; ``load_from_checkpoint`` builds it again.

    ``resolution``: side of the faces in pixels. ``total_images``: the budget. The other arguments are `SwapModule`'s.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        identities: Sequence[str],
        resolution: int,
        total_images: int,
        measure: Mapping[str, Measurement] | None = None,
        prepare: Callable[[nn.Module], None] | None = None,
    ) -> None:
        check_parts(config)
        check_composition(config)
        _check_tracked(config["tracked_forwards"])
        order = build_order(config)
        optimizers = build_optimizers(config)
        networks, terms = build_networks(config, tuple(identities), resolution), build_terms(config)
        _refuse_missing_derivatives(networks, terms)
        _refuse_bounded_scores(networks, terms)
        super().__init__(
            networks,
            terms,
            order,
            optimizers,
            identities=tuple(identities),
            settings=StepSettings(
                config["batch_size"],
                config["joint_pass"],
                frozenset(config["tracked_forwards"]),
                seed=config["seed"],
                masks=masks_of(config),
                mixup=build(config["noise"].get("mixup"), "noise.mixup"),
                composition=Composition.of(config),
            ),
            total_images=total_images,
            learning_rate=build(config["schedule"], "schedule") or 1.0,
            actions=build_actions(config),
            accumulate=config["accumulate"],
            clips=build_clips(config),
            groups=build_groups(config),
            ema_half_life=float(config["ema"]["half_life"]),
            measure=measure,
            prepare=prepare,
        )
        self.save_hyperparameters("config", "identities", "resolution", "total_images")


def build_module(
    config: Mapping[str, Any], identities: Sequence[str], resolution: int, total_images: int, **observers: Any
) -> ConfiguredModule:
    """The LightningModule of a config, checked and rehearsed, with the weights of ``init_from``."""
    module = ConfiguredModule(config, identities, resolution, total_images, **observers)
    check_contract(module.networks, config, tuple(identities), resolution)
    rehearse(module, resolution)
    if config["init_from"]:
        _init_from(module, config["init_from"])
    return module


def build_order(config: Mapping[str, Any]) -> UpdateOrder:
    """The update order of a config."""
    order = build(config["updates"], "updates")
    if not isinstance(order, UpdateOrder):
        raise UserError(f"updates: a {type(order).__name__} must have updates(); choose an option of the group")
    return order


def parts_of(config: Mapping[str, Any], identities: Sequence[str]) -> int:
    """Number of batches per step of a config."""
    networks = [GENERATOR, *([DISCRIMINATOR] if config["discriminator"] else [])]
    return parts(build_order(config).updates(identities, networks))


def _check_tracked(names: Sequence[str]) -> None:
    if {"reconstruction", "swap"} <= set(names):
        raise UserError(
            "tracked_forwards has reconstruction and swap, but a decoder's running statistics can follow only one; "
            "keep the one that the decoder is trained for"
        )


def _refuse_missing_derivatives(networks: nn.ModuleDict, terms: Mapping[str, LossTerm]) -> None:
    """Raise UserError for a gradient penalty on a discriminator whose attention has no second derivative."""
    modules = networks[DISCRIMINATOR].modules() if DISCRIMINATOR in networks else ()
    streaming = [type(module).__name__ for module in modules if getattr(module, "streaming", False)]
    penalties = [name for name, term in terms.items() if isinstance(term, GradientPenalty)]
    if streaming and penalties:
        raise UserError(
            f"loss.{penalties[0]} needs a second derivative, which the {streaming[0]} of the discriminator does not "
            f"have; use attention=sagan, or attention_sites of the generator only"
        )


def _refuse_bounded_scores(networks: nn.ModuleDict, terms: Mapping[str, LossTerm]) -> None:
    """Raise UserError for a loss on logits or margins if the discriminator ends in a sigmoid."""
    if DISCRIMINATOR not in networks or not getattr(networks[DISCRIMINATOR], "sigmoid", False):
        return
    for name, term in terms.items():
        if getattr(term, "unbounded", False):
            raise UserError(
                f"loss.{name} needs unbounded scores, but the discriminator ends in a sigmoid; set "
                f"discriminator.sigmoid=false or choose loss/adversarial=lsgan"
            )


def _init_from(module: SwapModule, source: Mapping[str, Any]) -> None:
    """Copy another run's weights under the given prefixes; ``frozen``: do not train them.

    The generator's weights are the averaged ones. The statistics of code_match are measured, never copied.
    """
    path, named = handed_on(source["run"]), source.get("weights")
    if named and named != content_of(path):
        raise UserError(f"the weights of init_from.run={source['run']} are no longer {named}; start a new run")
    state = load_checkpoint(path)
    average = {
        f"{GENERATOR}.{name}": value for name, value in average_of(state).items() if not name.startswith(CODE_MATCH)
    }
    own, theirs = module.networks.state_dict(), networks_of(state) | average
    prefixes = tuple(source.get("parts") or [""])
    unmatched = [p for p in prefixes if not any(name.startswith(p) for name in own)]
    if unmatched:
        raise UserError(f"init_from.parts has {unmatched[0]!r}, but no parameter of this run begins with it; remove it")
    at = {spectral.site_of(name): value for name, value in theirs.items()}
    taken = {name: at[site] for name in own if name.startswith(prefixes) and (site := spectral.site_of(name)) in at}
    put_weights(module.networks, own | taken, f"init_from.run={source['run']}")
    if not taken:
        raise UserError(
            f"init_from.run={source['run']} has no weights under {', '.join(prefixes)}; check init_from.parts"
        )
    if source.get("frozen"):
        for name, parameter in module.networks.named_parameters():
            if name in taken:
                parameter.requires_grad_(False)
