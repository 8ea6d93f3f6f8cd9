"""From a plan to the configs of its runs: one for each level and seed, alike in all but what the plan varies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from swaplab.ablations.plan import Cell, Plan
from swaplab.config.border import checked
from swaplab.config.read import resolved
from swaplab.errors import UserError
from swaplab.runs.identity import changed_keys, pinned, run_id_of

Compose = Callable[[Sequence[str]], DictConfig]  # overrides of conf/train.yaml -> the composed config

# What a plan decides for each of its runs, and where it says so.
DECIDED = {"seed": "ablation.seeds", "factors": "ablation.factor", "run_id": "ablation.seeds"}


@dataclass(frozen=True)
class Planned:
    """A plan and the resolved config of each of its cells."""

    plan: Plan
    configs: dict[Cell, dict[str, Any]]

    @property
    def cells(self) -> list[Cell]:
        """The cells, seed by seed: all levels have their first run before any has its second."""
        return sorted(self.configs, key=lambda cell: self.plan.seeds.index(cell.seed))


def planned(id: str, node: Mapping[str, Any], overrides: Sequence[str], compose: Compose) -> Planned:
    """The plan of ``node``, a file of conf/ablation, with a user's ``overrides`` of all runs, and its cells.

    Raises UserError, naming the level, where a cell cannot be composed, where a level is the reference under another
    name or differs from it in more than ``changes`` declares, and for an override of what the ablation varies.
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


def _configs(plan: Plan, level: str, compose: Compose) -> list[dict[str, Any]]:
    """The config of a level with each seed."""
    words = [f"name={plan.id}", "wandb.job_type=ablation", *plan.base, *plan.levels[level]]
    configs = []
    try:
        config = compose(words)
        for seed in plan.seeds:
            config.seed = seed
            configs.append(pinned(checked(resolved(config))) | {"factors": {plan.factor: level}})
    except UserError as error:
        raise UserError(f"ablation {plan.id}, level {level}: {error}") from None
    return configs


def key_of(word: str) -> str:
    """The key that an override sets, adds or removes."""
    return word.lstrip("+~").partition("=")[0]


def _refuse_overrides(plan: Plan, overrides: Sequence[str]) -> None:
    """UserError for an override that a level or the plan itself would undo."""
    varied = {key_of(word) for words in plan.levels.values() for word in words}
    for word in overrides:
        key = key_of(word)
        if key in DECIDED:
            raise UserError(f"{word}: the ablation decides it for each of its runs; change {DECIDED[key]} instead")
        if key in varied:
            raise UserError(
                f"{word}: this is what ablation {plan.id} varies, so its levels would undo it; change ablation.levels, "
                f"or take a level away: ~ablation.levels.NAME"
            )


def _check_level(plan: Plan, level: str, configs: Mapping[str, Mapping[str, Any]]) -> None:
    """UserError for a level that equals an earlier one, or differs from the reference in more than is declared."""
    own, where = _measured(configs[level]), f"ablation {plan.id}, level {level}"
    for other in plan.levels:
        if other == level:
            break
        if not changed_keys(_measured(configs[other]), own):
            raise UserError(f"{where} is the same run as level {other}; drop one of them")
    more = [key for key in changed_keys(_measured(configs[plan.reference]), own) if not _declared(key, plan.changes)]
    if more:
        raise UserError(
            f"{where} differs from the reference {plan.reference} in {more[0]}, which is not declared; hold it equal "
            f"in base, or add it to ablation.changes"
        )


def _measured(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "factors"}


def _declared(key: str, changes: Sequence[str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in changes)
