"""Hydra's own loader of configs, for configs of strangers: what is composed is judged before anything of it is used."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from hydra.types import RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swaplab.config.border import choice_of
from swaplab.config.trust import lookups_only
from swaplab.errors import UserError
from swaplab.places import expanded

# Facts of one composition below ``hydra``, which Hydra writes after all configs were merged and never acts upon.
_FACTS = (("runtime", "choices"), ("runtime", "config_sources"), ("runtime", "cwd"), ("job", "override_dirname"))
NAME = "swaplab"  # of Hydra's application


def search_path(folder: str | None = None) -> ConfigSearchPath:
    """Where configs are looked for: Hydra's, ours, then ``folder``. UserError if that does not exist."""
    path = create_config_search_path("pkg://swaplab.conf")
    if folder is not None:
        place = expanded(folder).absolute()
        if not place.is_dir():
            raise UserError(f"config folder {place} does not exist; check the command line")
        schema = path.get_path().pop()  # structured configs are looked for last
        path.append("command-line", f"file://{place}")
        path.get_path().append(schema)
    return path


class Loader(ConfigLoaderImpl):
    """Composes as Hydra does, and refuses what a config folder from outside must not do.

    Everything that Hydra composes comes through here: a single config, each job of a sweep, in any process. What is
    composed with the outside folders has the very ``hydra`` settings that our configs and the user's own words make
    without them, and the rest of it refers to nothing but itself. Raises UserError for anything else.
    """

    def __init__(self, folder: str | None = None) -> None:
        setbase("1.3")
        JobRuntime().set("name", NAME)
        super().__init__(search_path(folder))
        self._outside: list[str] = []  # of the composition that is at work: the places besides ours,
        self._words: dict[str, list[str]] = {}  # and the words of the command line, by kind

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        rest = run_mode, from_shell, validate_sweep_overrides
        with lookups_only():
            try:
                config = super().load_configuration(config_name, overrides, *rest)
                if self._outside:
                    self._check_hydra(config, config_name, rest)
                    _check_references(config)
            except (UserError, HydraException, OmegaConfBaseException):
                raise
            except Exception as error:  # whatever Hydra makes of a file that is not written for it
                if not self._outside:
                    raise
                said = " ".join(str(error).split()) or type(error).__name__
                raise UserError(f"the configs in {', '.join(self._outside)} cannot be composed: {said}") from error
        return config

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        """As Hydra's own, and says what is at work."""
        words = OverridesParser.create().parse_overrides(overrides)
        self._words = {
            "hydra": [str(word.input_line) for word in words if word.is_hydra_override()],
            "task": [str(word.input_line) for word in words if not word.is_hydra_override()],
            "own": [str(word.input_line) for word in words if concerns_hydra(word) and not _is_search_path(word)],
        }
        _check_packages(words)
        repository = CachingConfigRepository(self.repository)
        _check_choices(words, repository)
        self._process_config_searchpath(config_name, words, repository)
        own = {(source.scheme(), source.path) for source in ConfigLoaderImpl(search_path()).get_sources()}
        found = [source for source in repository.get_sources() if (source.scheme(), source.path) not in own]
        self._outside = [source.path for source in found]
        for source in found:
            if not source.available():
                raise UserError(f"config folder {source.path} does not exist; check the command line")
        return words, repository

    def _check_hydra(self, config: DictConfig, config_name: str | None, rest: tuple[RunMode, bool, bool]) -> None:
        """UserError unless the ``hydra`` part is what it is without the folders from outside."""
        try:
            expected = _expected(config_name, tuple(self._words["own"]), *rest)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(
                f"{' '.join(self._words['own'])}: hydra's own settings may not come from a config folder from outside "
                f"({str(error).splitlines()[0]}); leave it out"
            ) from None
        expected = expected | {"overrides": {kind: self._words[kind] for kind in ("hydra", "task")}}
        key = _difference(expected, _settings(config), ("hydra",))
        if key is not None:
            raise UserError(
                f"a config in {', '.join(self._outside)} sets hydra's own settings at {key}; remove that: they belong "
                f"on the command line"
            )


@cache
def _expected(config_name: str | None, words: tuple[str, ...], *rest: Any) -> dict[str, Any]:
    """The ``hydra`` part that our own configs and the user's words make."""
    return _settings(ConfigLoaderImpl(search_path()).load_configuration(config_name, list(words), *rest))


def concerns_hydra(word: Override) -> bool:
    """Whether an override of the command line is of Hydra's own settings."""
    places = (word.key_or_group.replace("/", "."), word.package or "")
    return any(place.split(".")[0] == "hydra" for place in places)


def _is_search_path(word: Override) -> bool:
    return bool(word.key_or_group == "hydra.searchpath")


def _check_packages(words: Sequence[Override]) -> None:
    """UserError for a search path that names a Python package: to look into one is to run it."""
    for word in words:
        places = word.value() if _is_search_path(word) else []
        for place in places if isinstance(places, list) else []:
            scheme, sign, _ = str(place).partition("://")
            if sign and scheme != "file" and place != "pkg://swaplab.conf":
                raise UserError(f"{word.input_line} names {place}, which is no folder; give --config-dir FOLDER")


def _check_choices(words: Sequence[Override], repository: CachingConfigRepository) -> None:
    """UserError for a group of which no option is chosen but a number or nothing, which Hydra makes no sentence of."""
    for word in words:
        group, chosen = word.key_or_group, None if word.is_delete() else word.value()
        if word.is_delete() or word.is_sweep_override() or isinstance(chosen, str | list | dict):
            continue
        if repository.group_exists(group):
            raise UserError(f"{word.input_line} chooses no option of the group; {choice_of(group)}")


def _settings(config: DictConfig) -> dict[str, Any]:
    node: Any = OmegaConf.to_container(config.hydra, resolve=False)
    for section, key in _FACTS:
        node[section].pop(key, None)
    return {key: value for key, value in node.items() if key != "searchpath"}


def _difference(expected: Any, found: Any, path: tuple[str, ...]) -> str | None:
    """The key of the first difference between two trees."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            here = (*path, str(key))
            if (key in expected) != (key in found):
                return ".".join(here)
            below = _difference(expected[key], found[key], here)
            if below is not None:
                return below
        return None
    return None if type(expected) is type(found) and expected == found else ".".join(path)


def _check_references(config: DictConfig) -> None:
    """UserError unless every value is written out or looked up in the config itself, its ``hydra`` part excepted."""
    job = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        OmegaConf.to_container(job, resolve=True)
    except OmegaConfBaseException as error:
        said = str(error).splitlines()[0]
        raise UserError(
            f"a config from outside refers at {error.full_key} to what is not in it ({said}); write the value itself"
        ) from None
