"""The runs of an ablation plan: one config per level and seed, equal except for what the plan varies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig

from swaplab.ablations.plan import Cell, Plan
from swaplab.config.border import checked
from swaplab.config.read import resolved
from swaplab.errors import UserError
from swaplab.runs.identity import changed_keys, run_id_of
from swaplab.runs.naming import located

Compose = Callable[[Sequence[str]], DictConfig]  # overrides of conf/train.yaml -> the composed config

# Keys that the plan sets for each run, and the fields of the plan that set them.
DECIDED = {"seed": "ablation.seeds", "factors": "ablation.factor", "run_id": "ablation.seeds"}


@dataclass(frozen=True)
class Planned:
    """An ablation plan and the resolved configs of its cells."""

    plan: Plan
    configs: dict[Cell, dict[str, Any]]

    @property
    def cells(self) -> list[Cell]:
        """The cells ordered by seed, so that all levels run once before any level runs twice."""
        return sorted(self.configs, key=lambda cell: self.plan.seeds.index(cell.seed))

    @property
    def folder(self) -> Path:
        """The folder of all runs."""
        config = next(iter(self.configs.values()))
        return Path(config["runs"]) / config["name"]

    def overrides(self, cell: Cell) -> list[str]:
        """The overrides of a cell's run; any process composes the same config from them."""
        return [*common_overrides(self.plan), *_own_overrides(self.plan, cell.level), f"seed={cell.seed}"]


def planned(id: str, node: Mapping[str, Any], overrides: Sequence[str], compose: Compose) -> Planned:
    """The plan of ``node`` (a file of conf/ablation) with the user's ``overrides`` of all runs, and its configs.

    Raises UserError if a config does not compose, if two levels are the same run, if a level differs from the reference
    in keys outside ``changes``, and for an override of a key that the ablation varies.
    """
    plan = Plan.parse(id, {**node, "base": [*node.get("base", ()), *overrides]})
    _refuse_overrides(plan, overrides)
    configs = {level: _configs(plan, level, compose) for level in plan.levels}
    for level in plan.levels:
        _check_level(plan, level, {name: of_seeds[0] for name, of_seeds in configs.items()})
    return Planned(
        plan,
        {
            Cell(level, config["seed"], run_id_of(config)): config
            for level, of_seeds in configs.items()
            for config in of_seeds
        },
    )


def common_overrides(plan: Plan) -> list[str]:
    """The overrides of every run of a plan."""
    return [f"name={plan.id}", "labels.job_type=ablation", *plan.base]


def _own_overrides(plan: Plan, level: str) -> list[str]:
    """The overrides of a level's runs."""
    name = QuotedString(text=level, quote=Quote.single).with_quotes()
    return [*plan.levels[level], f"++factors={{{plan.factor}:{name}}}"]


def _configs(plan: Plan, level: str, compose: Compose) -> list[dict[str, Any]]:
    """The configs of a level, one per seed."""
    configs = []
    try:
        config = compose([*common_overrides(plan), *_own_overrides(plan, level)])
        for seed in plan.seeds:
            config.seed = seed
            configs.append(located(checked(resolved(config))))
    except UserError as error:
        raise UserError(f"ablation {plan.id}, level {level}: {error}") from None
    return configs


def key_of(word: str) -> str:
    """The key of an override."""
    return word.lstrip("+~").partition("=")[0]


def _refuse_overrides(plan: Plan, overrides: Sequence[str]) -> None:
    """Raise UserError for an override of a key that the levels or the plan set."""
    varied = {key_of(word) for words in plan.levels.values() for word in words}
    for word in overrides:
        key = key_of(word)
        if key in DECIDED:
            raise UserError(f"{word}: the ablation sets this key for each run; change {DECIDED[key]} instead")
        if key in varied:
            raise UserError(
                f"{word}: ablation {plan.id} varies this key, so the override would have no effect; change "
                f"ablation.levels, or remove a level with ~ablation.levels.NAME"
            )


def _check_level(plan: Plan, level: str, configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise UserError for a level that equals an earlier one, or differs from the reference in undeclared keys."""
    own, where = _measured(configs[level]), f"ablation {plan.id}, level {level}"
    for other in plan.levels:
        if other == level:
            break
        if not changed_keys(_measured(configs[other]), own):
            raise UserError(f"{where} is the same run as level {other}; remove one of them")
    more = [key for key in changed_keys(_measured(configs[plan.reference]), own) if not _declared(key, plan.changes)]
    if more:
        raise UserError(
            f"{where} differs from the reference {plan.reference} in {more[0]}, which is not in ablation.changes; set "
            f"it in base for all levels, or add it to ablation.changes"
        )


def _measured(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "factors"}


def _declared(key: str, changes: Sequence[str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in changes)
