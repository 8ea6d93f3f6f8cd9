"""Hydra's config loader with checks for untrusted config folders: a composed config is checked before it is used."""

from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swaplab.config.border import choice_of
from swaplab.config.trust import lookups_only
from swaplab.errors import UserError
from swaplab.places import expanded

# Keys below ``hydra`` that describe the composition; Hydra writes them after merging configs and never acts on them.
_FACTS = (("runtime", "choices"), ("runtime", "config_sources"), ("runtime", "cwd"), ("job", "override_dirname"))
_OWN = ("pkg://hydra.conf", "pkg://swaplab.conf")
USER_FOLDER = Path("~/.config/swaplab")  # local/default.yaml in it belongs to every run of this machine
NAME = "swaplab"  # the name of the Hydra application


def search_path(*folders: Path) -> ConfigSearchPath:
    """The config search path: Hydra's, ours, then ``folders``."""
    path = create_config_search_path("pkg://swaplab.conf")
    schema = path.get_path().pop()  # structured configs stay last
    for folder in folders:
        path.append("command-line", f"file://{folder}")
    path.get_path().append(schema)
    return path


def outside(folder: str | None) -> list[Path]:
    """The external config folders: the one of the command line, then the user's own, if it has a ``local`` folder.

    Raises UserError if the first does not exist.
    """
    found = []
    if folder is not None:
        found.append(expanded(folder).absolute())
        if not found[0].is_dir():
            raise UserError(f"config folder {found[0]} does not exist; check the command line")
    with suppress(RuntimeError):  # no home folder
        own = USER_FOLDER.expanduser()
        found += [own] if (own / "local").is_dir() else []
    return found


class _Repository(CachingConfigRepository):
    """Hydra's repository, which reads the configs of swaplab and Hydra once per process and not at every composition.

    They come first on every search path, so no external config can take their place.
    """

    _read: ClassVar[dict[str, ConfigResult]] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        key = f"config_path={config_path}"
        if key not in self.cache and config_path in self._read:
            self.cache[key] = deepcopy(self._read[config_path])  # composing changes what it gets
        known = key in self.cache
        found = super().load_config(config_path)
        if not known and found is not None and found.path in _OWN:
            self._read[config_path] = deepcopy(found)
        return found


class Loader(ConfigLoaderImpl):
    """Composes like Hydra, and rejects external config folders that change Hydra's settings or read outside values.

    Hydra composes everything with this loader: a single config and each job of a sweep, in any process. With external
    folders, the ``hydra`` node must equal the one that our configs and the command line give without them, and all
    interpolations must refer to the config itself. Raises UserError otherwise.
    """

    def __init__(self, folder: str | None = None) -> None:
        setbase("1.3")
        JobRuntime().set("name", NAME)
        super().__init__(search_path(*outside(folder)))
        self._outside: list[str] = []  # external folders of the current composition
        self._words: dict[str, list[str]] = {}  # its overrides, by kind

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
            except Exception as error:  # Hydra can raise anything for a file that it cannot handle
                if not self._outside:
                    raise
                said = " ".join(str(error).split()) or type(error).__name__
                raise UserError(f"the configs in {', '.join(self._outside)} cannot be composed: {said}") from error
        return config

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        """Same as Hydra's; also records the overrides and the external folders."""
        words = OverridesParser.create().parse_overrides(overrides)
        self._words = {
            "hydra": [str(word.input_line) for word in words if word.is_hydra_override()],
            "task": [str(word.input_line) for word in words if not word.is_hydra_override()],
            "own": [str(word.input_line) for word in words if concerns_hydra(word) and not _is_search_path(word)],
        }
        _check_packages(words)
        repository = _Repository(self.repository)
        _check_choices(words, repository)
        self._process_config_searchpath(config_name, words, repository)
        found = [source for source in repository.get_sources() if (source.scheme(), source.path) not in _own_sources()]
        self._outside = [source.path for source in found]
        for source in found:
            if not source.available():
                raise UserError(f"config folder {source.path} does not exist; check the command line")
        return words, repository

    def _check_hydra(self, config: DictConfig, config_name: str | None, rest: tuple[RunMode, bool, bool]) -> None:
        """Raise UserError unless the ``hydra`` node is the same as without the external folders."""
        try:
            expected = _expected(config_name, tuple(self._words["own"]), *rest)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(
                f"{' '.join(self._words['own'])}: hydra's own settings must not come from an external config folder "
                f"({str(error).splitlines()[0]}); remove it"
            ) from None
        expected = expected | {"overrides": {kind: self._words[kind] for kind in ("hydra", "task")}}
        key = _difference(expected, _settings(config), ("hydra",))
        if key is not None:
            raise UserError(
                f"a config in {', '.join(self._outside)} sets {key}; remove it, because hydra's own settings belong on "
                f"the command line"
            )


@cache
def _own_sources() -> set[tuple[str, str]]:
    """Scheme and path of every source of our own search path."""
    return {(source.scheme(), source.path) for source in ConfigLoaderImpl(search_path()).get_sources()}


@cache
def _expected(config_name: str | None, words: tuple[str, ...], *rest: Any) -> dict[str, Any]:
    """The ``hydra`` node of our own configs and these overrides."""
    return _settings(ConfigLoaderImpl(search_path()).load_configuration(config_name, list(words), *rest))


def concerns_hydra(word: Override) -> bool:
    """Whether an override sets one of Hydra's own settings."""
    places = (word.key_or_group.replace("/", "."), word.package or "")
    return any(place.split(".")[0] == "hydra" for place in places)


def _is_search_path(word: Override) -> bool:
    return bool(word.key_or_group == "hydra.searchpath")


def _check_packages(words: Sequence[Override]) -> None:
    """Raise UserError for a search path that names a Python package, because searching a package runs its code."""
    for word in words:
        places = word.value() if _is_search_path(word) else []
        for place in places if isinstance(places, list) else []:
            scheme, sign, _ = str(place).partition("://")
            if sign and scheme != "file" and place != "pkg://swaplab.conf":
                raise UserError(f"{word.input_line}: {place} is not a folder; use --config-dir FOLDER")


def _check_choices(words: Sequence[Override], repository: CachingConfigRepository) -> None:
    """Raise UserError if a group's value is a number or null; Hydra has no readable message for these."""
    for word in words:
        group, chosen = word.key_or_group, None if word.is_delete() else word.value()
        if word.is_delete() or word.is_sweep_override() or isinstance(chosen, str | list | dict):
            continue
        if repository.group_exists(group):
            raise UserError(f"{word.input_line} is not an option of the group; {choice_of(group)}")


def _settings(config: DictConfig) -> dict[str, Any]:
    node: Any = OmegaConf.to_container(config.hydra, resolve=False)
    for section, key in _FACTS:
        node[section].pop(key, None)
    return {key: value for key, value in node.items() if key != "searchpath"}


def _difference(expected: Any, found: Any, path: tuple[str, ...]) -> str | None:
    """The dotted key of the first difference between two trees, or None."""
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
    """Raise UserError unless all interpolations refer to the config itself, without its ``hydra`` node."""
    job = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        OmegaConf.to_container(job, resolve=True)
    except OmegaConfBaseException as error:
        said = str(error).splitlines()[0]
        raise UserError(
            f"an external config has an interpolation at {error.full_key} that is not allowed ({said}); write the value"
        ) from None
