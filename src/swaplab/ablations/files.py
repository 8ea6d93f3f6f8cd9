"""The plan files: their names, and a plan with the overrides of a command line."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from swaplab.ablations.cells import Compose, Planned, key_of, planned
from swaplab.ablations.plan import Plan
from swaplab.catalogue import CATALOGUE, known
from swaplab.config import tree
from swaplab.config.compose import composer
from swaplab.errors import UserError
from swaplab.places import expanded
from swaplab.sweeps.launching import split_overrides


def files(folder: str | None) -> dict[str, Path]:
    """All plan files by name: ours, and those of an additional config folder."""
    folders = [tree.root(), *([expanded(folder)] if folder else [])]
    return {file.stem: file for each in folders for file in sorted((each / "ablation").glob("*.yaml"))}


def planned_from(name: str, overrides: Sequence[str], folder: str | None) -> Planned:
    """A plan with the configs of its cells. ``folder``: an additional config folder.

    ``overrides``: of all cells; those of a launcher have no effect. Raises UserError for an unknown name, an invalid
    plan or override, and other settings of Hydra.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from swaplab.config.loader import concerns_hydra

    if name not in files(folder):
        raise UserError(f"there is no ablation {name}; {_nearest(name, sorted(files(folder)))}")
    _, overrides = split_overrides(overrides)
    for word in overrides:
        if "=" not in word and not word.startswith("~"):
            raise UserError(f"{word} is not KEY=VALUE; name one ablation only")
        if key_of(word) == "ablation":
            raise UserError(f"{word}: the ablation is already named; remove this")
    for parsed in OverridesParser.create().parse_overrides(list(overrides)):
        if concerns_hydra(parsed):
            raise UserError(f"{parsed.input_line}: an ablation takes Hydra's launcher, no other setting; remove it")
    own = [word for word in overrides if key_of(word).split(".")[0] == "ablation"]
    compose = composer("train", folder)
    found = planned(name, _node(name, own, compose), [word for word in overrides if word not in own], compose)
    check_metrics(found.plan)
    return found


def plan_of(name: str, folder: str | None) -> Plan:
    """The current plan of a name. Raises UserError if it cannot be composed."""
    try:
        return Plan.parse(name, _node(name, [], composer("train", folder)))
    except UserError as error:
        raise UserError(
            f"the plan of ablation {name} cannot be composed ({error}); to use the stored plan alone, run "
            f"swaplab ablation report runs/{name}"
        ) from None


def _node(name: str, own: Sequence[str], compose: Compose) -> Any:
    return OmegaConf.to_container(compose([f"ablation={name}", *own]).ablation, resolve=True)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else "`swaplab ablation list` shows them"


def check_metrics(plan: Plan) -> None:
    """Raise UserError for an unknown or ambiguous metric, before any run starts."""
    for name in (plan.metric, *plan.guards):
        entry = known(name)
        if entry is None:
            raise UserError(f"ablation {plan.id}: no run has the metric {name!r}; choose from {', '.join(CATALOGUE)}")
        if "[" not in name and entry.several:
            raise UserError(f"ablation {plan.id}: write {name}[WHICH] for one of {entry.several}")
