"""A stranger's config runs nothing, whatever it looks like: folders, resolved files, run folders; and ten thousand
mutants of what was once found to run code."""

import importlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig

from swaplab.config.build import build
from swaplab.config.read import resolved
from swaplab.config.slots import SLOTS
from swaplab.errors import UserError

Command = Callable[..., tuple[int, str, str]]
SECRET = "of-the-environment"
DECOYS = ("hydra", "hydra.job_logging", "hydra.callbacks", "hydra.launcher", "hydra.run", "generator", "norm")


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for configs from outside; nothing in it runs, reads the environment or leaves a trace."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SWAPLAB_SECRET", SECRET)
    return tmp_path / "conf"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Configs that would have been trained. Their components are built, and nothing else is done."""
    configs: list[dict[str, Any]] = []

    def build_all(config: dict[str, Any]) -> None:
        configs.append(config)
        for top in {key.partition(".")[0] for key in SLOTS}:
            node = config.get(top)
            for place, part in [(top, node), *((f"{top}.{k}", v) for k, v in node.items())] if node else ():
                try:
                    build(part, place)
                except (UserError, TypeError, ValueError):
                    continue

    monkeypatch.setattr("swaplab.cli.train.train_run", build_all)
    return configs


def check_nothing_ran(stranger: Path, said: object) -> None:
    assert not list(stranger.parent.glob("sentinel*")), said
    assert "SWAPLAB_EVIL" not in os.environ, said
    assert Path.cwd() == stranger.parent / "here", said
    assert SECRET not in str(said)


def write(stranger: Path, name: str, text: str) -> None:
    (stranger / name).parent.mkdir(parents=True, exist_ok=True)
    (stranger / name).write_text(text.replace("SENTINEL", str(stranger.parent / "sentinel")), newline="")


HANDLER = 'job_logging: {version: 1, handlers: {x: {"()": os.mkdir, path: SENTINEL}}, root: {handlers: [x]}}\n'


@pytest.mark.parametrize(
    "text",
    [
        "# @package _global_.hydra\n" + HANDLER,
        " # @package _global_.hydra\n" + HANDLER,
        "\n# @package hydra\n" + HANDLER,
        "# @package _global_\nhydra: {" + HANDLER.strip() + "}\n",
        "# @package _global_.hydra.callbacks\nx: {_target_: os.mkdir, path: SENTINEL}\n",
        "# @package _global_.hydra.run\ndir: SENTINEL\n",
        "# @package _global_\nhydra: {job: {env_set: {SWAPLAB_EVIL: 1}}}\n",
        "# @package _global_\nhydra: {job: {env_copy: [SWAPLAB_SECRET]}}\n",
        "# @package _global_\nhydra: {overrides: {task: ['+hydra.callbacks.x={_target_: os.mkdir}']}}\n",
        "# @package _global_\nhydra: {searchpath: [SENTINEL]}\n",
        "defaults:\n  - override /hydra/job_logging: payload\n",
        "defaults:\n  - /payload@_global_.hydra: payload\n",
        "# @package _global_\nhydra: null\n",
    ],
)
def test_a_folder_from_outside_sets_nothing_of_hydras_own(text: str, stranger: Path, command: Command) -> None:
    write(stranger, "experiment/evil.yaml", text)
    for group in ("payload", "hydra/job_logging"):
        write(stranger, f"{group}/payload.yaml", HANDLER)
    for words in ([], ["-m", "seed=1,2", "hydra/launcher=basic"]):
        code, out, err = command("train", "--config-dir", stranger, "experiment=evil", *words)
        assert code == 2
        assert ("hydra" in err) or "cannot be composed" in err or "Error merging" in err, err
        assert err.count("\n") == 1
        check_nothing_ran(stranger, out + err)


def test_a_job_of_a_sweep_is_judged_as_a_single_one_is(stranger: Path, command: Command) -> None:
    write(stranger, "experiment/good.yaml", "# @package _global_\nrun_id: null\n")
    write(stranger, "experiment/evil.yaml", "# @package _global_.hydra\n" + HANDLER)
    words = ["-m", "--config-dir", str(stranger), "experiment=good,evil", "hydra/launcher=basic"]
    code, out, err = command("train", *words)
    assert code == 2
    assert "sets hydra.job_logging" in err
    check_nothing_ran(stranger, out + err)


def test_what_shadows_our_own_launcher_is_refused(stranger: Path, command: Command) -> None:
    write(stranger, "hydra/launcher/swaplab.yaml", "_target_: os.abort\nslots: 1\n")
    code, out, err = command("train", "-m", "--config-dir", stranger, "seed=1,2")
    assert (code, "sets hydra.launcher" in err) == (2, True), err
    write(stranger, "hydra/launcher/theirs.yaml", "_target_: os.mkdir\npath: SENTINEL\n")
    (stranger / "hydra/launcher/swaplab.yaml").unlink()
    code, out, err = command("train", "-m", "--config-dir", stranger, "seed=1,2", "hydra/launcher=theirs")
    assert (code, "must not come from an external config folder" in err) == (2, True), err
    check_nothing_ran(stranger, out + err)


@pytest.mark.parametrize(
    "value",
    [
        "${oc.env:SWAPLAB_SECRET}",
        "${oc.${a}:SWAPLAB_SECRET}",
        "${${c}:SWAPLAB_SECRET}",
        "${oc.decode:'${oc.env:SWAPLAB_SECRET}'}",
        "x${ oc.env : SWAPLAB_SECRET }",
        "${oc.select:gone,${oc.env:SWAPLAB_SECRET}}",
        "${now:%Y}",
        "${hydra:runtime.cwd}",
        "${hydra.runtime.cwd}",
        "${hydra.job.name}",
    ],
)
def test_a_folder_from_outside_looks_up_nothing_but_itself(value: str, stranger: Path, command: Command) -> None:
    text = yaml.safe_dump({"a": "env", "c": "oc.env", "name": value})
    write(stranger, "experiment/evil.yaml", "# @package _global_\n" + text)
    code, out, err = command("train", "--config-dir", stranger, "experiment=evil")
    assert (code, "at name" in err) == (2, True), err
    check_nothing_ran(stranger, out + err)


def test_a_choice_of_a_defaults_list_reads_no_environment(stranger: Path, command: Command) -> None:
    write(stranger, "experiment/evil.yaml", "defaults:\n  - /payload: ${oc.env:SWAPLAB_SECRET}\n")
    write(stranger, f"payload/{SECRET}.yaml", "a: 1\n")
    code, out, err = command("train", "--config-dir", stranger, "experiment=evil")
    assert (code, "${oc.env:SWAPLAB_SECRET}" in err) == (2, True), err
    check_nothing_ran(stranger, out + err)


@pytest.mark.parametrize("flag", ["--config-dir", "--config-d", "-cd", "--config-dir=", "hydra.searchpath"])
@pytest.mark.parametrize("name", ["conf", "c=1", "a b,[c]"])
def test_every_way_to_bring_in_a_folder_is_watched(flag: str, name: str, stranger: Path, command: Command) -> None:
    write(stranger.parent / name, "experiment/evil.yaml", "# @package _global_.hydra\nverbose: true\n")
    write(stranger.parent / name, "experiment/fine.yaml", "# @package _global_\nname: there\n")
    place = str(stranger.parent / name)
    words = [f"{flag}{place}"] if flag.endswith("=") else [flag, place]
    if flag == "hydra.searchpath":
        words = [f"hydra.searchpath= [ 'file://{place}' ]"]
    code, out, _ = command("train", "experiment=fine", *words, "--cfg", "job")
    assert (code, "name: there" in out) == (0, True)
    code, out, err = command("train", "experiment=evil", *words)
    assert (code, "sets hydra.verbose" in err) == (2, True), err


@pytest.mark.parametrize("flag", ["--config-path", "-cp", "--config-name", "--experimental-rerun"])
def test_a_flag_that_would_replace_our_own_configs_is_not_known(flag: str, stranger: Path, command: Command) -> None:
    code, _, err = command("train", flag, stranger)
    assert (code, err.count("\n")) == (2, 1)


def test_a_search_path_that_names_a_package_is_refused(stranger: Path, command: Command) -> None:
    code, _, err = command("train", "hydra.searchpath=[pkg://antigravity]")
    assert (code, "pkg://antigravity is not a folder" in err) == (2, True)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, command: Command) -> None:
    for words in (["--config-dir", tmp_path / "gone"], [f"hydra.searchpath=[{tmp_path}/gone]"]):
        code, _, err = command("train", *words)
        assert (code, f"{tmp_path}/gone does not exist" in err) == (2, True), err


def test_no_group_of_ours_sets_anything_of_hydras_own() -> None:
    """So what our primary config and the command line say of Hydra is all that there is to say."""
    for file in (Path(__file__).parents[2] / "conf").rglob("*/*.yaml"):
        text = file.read_text()
        assert "hydra" not in str(yaml.safe_load(text)), file
        assert "@package hydra" not in text, file


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """A resolved config of a run."""
    from swaplab.config.compose import composer

    return resolved(composer("train")(["size=tiny"]))


EVIL = {"_target_": "os.mkdir", "path": "SENTINEL"}
PAIRS = "!!pairs [a: {_target_: os.mkdir, path: SENTINEL}]"


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump({"generator": EVIL}),
        yaml.safe_dump({"generator": {"_target_": "${norm}"}, "norm": "os.mkdir"}),
        yaml.safe_dump({"hydra": {"callbacks": {"x": EVIL}}}),
        "x: &a {_target_: os.mkdir, path: SENTINEL}\noptimizer: {generator: {<<: *a}}\n",
        f"norm: {PAIRS}\n",
        f"optimizer: {{generator: {PAIRS}}}\n",
        "seed: !!python/object/apply:os.mkdir [SENTINEL]\n",
        "optimizer: !!set {? {_target_: os.mkdir} }\n",
    ],
)
def test_a_resolved_file_runs_no_code(
    text: str, whole: dict[str, Any], stranger: Path, command: Command, built: list[dict[str, Any]]
) -> None:
    write(stranger, "evil.yaml", yaml.safe_dump(whole) + text)
    code, out, err = command("train", f"resolved={stranger / 'evil.yaml'}")
    assert (code, err.count("\n")) == (2, 1), err
    check_nothing_ran(stranger, out + err)


def test_a_resolved_config_is_looked_up_nowhere(stranger: Path, whole: dict[str, Any]) -> None:
    node = whole["optimizer"]["generator"] | {"lr": "${oc.env:SWAPLAB_SECRET}"}
    with pytest.raises(Exception, match=r"oc\.env") as refused:
        build(node, "optimizer.generator")
    check_nothing_ran(stranger, refused.value)


def test_a_declared_package_lends_its_name_to_nothing_that_it_imports(
    stranger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stranger / "mylab_that_imports.py").write_text("import os\nclass Mine:\n    pass\n")
    monkeypatch.syspath_prepend(str(stranger))
    monkeypatch.setenv("SWAPLAB_PACKAGES", "mylab_that_imports")
    assert build({"_target_": "mylab_that_imports.Mine"}, "generator") is not None
    for node in (EVIL | {"_target_": "mylab_that_imports.os.mkdir"},):
        for place in (node, {"_target_": "mylab_that_imports.Mine", "part": node}):
            with pytest.raises(UserError, match="is not defined in mylab_that_imports"):
                build(place, "generator")
    check_nothing_ran(stranger, "")


# A grammar of configs that are up to no good.
PACKAGES = (
    "",
    "# @package _global_\n",
    *(f"# @package {glob}{decoy}\n" for glob in ("", "_global_.") for decoy in DECOYS),
    "# @package _group_\n",
)
PAYLOADS = (
    HANDLER,
    HANDLER.replace("job_logging", "hydra_logging"),
    "callbacks: {x: {_target_: os.mkdir, path: SENTINEL}}\n",
    "launcher: {_target_: os.mkdir, path: SENTINEL}\n",
    "sweeper: {_target_: os.mkdir, path: SENTINEL}\n",
    "run: {dir: SENTINEL}\n",
    "sweep: {dir: SENTINEL, subdir: x}\n",
    "output_subdir: SENTINEL\n",
    "job: {chdir: true, env_set: {SWAPLAB_EVIL: '1'}, env_copy: [SWAPLAB_SECRET]}\n",
    "overrides: {task: ['+hydra.callbacks.x={_target_: os.mkdir, path: SENTINEL}'], hydra: [hydra.run.dir=SENTINEL]}\n",
    "mode: MULTIRUN\n",
    "_target_: os.mkdir\npath: SENTINEL\n",
    "x: {'()': os.mkdir, path: SENTINEL}\n",
)
REFERENCES = (
    "${oc.env:SWAPLAB_SECRET}",
    "${${c}:SWAPLAB_SECRET}",
    "${oc.${d}:SWAPLAB_SECRET}",
    "${oc.decode:'${oc.env:SWAPLAB_SECRET}'}",
    "${oc.create:{a: '${oc.env:SWAPLAB_SECRET}'}}",
    "${oc.select:gone,'${oc.env:SWAPLAB_SECRET}'}",
    "${hydra:job.env_set}",
    "${hydra.job.env_set.SWAPLAB_SECRET}",
    "${evil}",
    "${.evil}",
)
PLACES = ("name", "output", "run", "metric", "generator", "norm", "optimizer", "loss", "hydra", "evil", "runs")
DEFAULTS = (
    "override /hydra/job_logging: payload",
    "override hydra/launcher: payload",
    "/payload@hydra: payload",
    "/payload@_global_.hydra: payload",
    "/payload@:hydra.callbacks: payload",
    "/payload@hydra.job_logging: payload",
    "/payload@_global_: payload",
    "/payload: ${oc.env:SWAPLAB_SECRET}",
    "optional /payload@hydra: ${c}",
    "/payload@${c}: payload",
    "_self_",
)
WORDS = (
    [],
    ["-m", "seed=1,2"],
    ["-m", "seed=1,2", "hydra/launcher=basic"],
    ["-m", "experiment=mutant,other", "hydra/launcher=basic"],
    ["hydra.mode=MULTIRUN", "hydra/launcher=basic"],
    ["+payload@hydra=payload"],
    ["+payload@hydra.job_logging=payload"],
    ["hydra/job_logging=payload"],
    ["--cfg", "all"],
    ["--cfg", "job", "--resolve"],
)


def mutant(draw: random.Random) -> str:
    """The text of a config."""
    parts = []
    for _ in range(draw.randint(1, 4)):
        match draw.randrange(6):
            case 0:
                entries = draw.sample(DEFAULTS, draw.randint(1, 3))
                parts.append("defaults:\n" + "".join(f"  - {entry}\n" for entry in entries))
            case 1:
                parts.append(draw.choice(PAYLOADS))
            case 2:
                body = draw.choice(PAYLOADS).replace("\n", "\n  ").rstrip()
                parts.append(f"{draw.choice((*DECOYS, '_global_.hydra', '? hydra'))}:\n  {body}\n")
            case 3:
                parts.append(f'c: oc.env\nd: env\n{draw.choice(PLACES)}: "{draw.choice(REFERENCES)}"\n')
            case 4:
                anchor = draw.choice(("{_target_: os.mkdir, path: SENTINEL}", PAIRS, "{dir: SENTINEL}"))
                parts.append(f"evil: &a {anchor}\n{draw.choice(PLACES)}: {draw.choice(('*a', '{<<: *a}', '[*a]'))}\n")
            case 5:
                parts.append(f"{draw.choice(PLACES)}: {{_target_: {draw.choice(REFERENCES[-2:])}, path: SENTINEL}}\n")
    draw.shuffle(parts)
    text = draw.choice(PACKAGES) + "".join(parts)
    match draw.randrange(10):
        case 0:
            text = draw.choice(("\ufeff", " ", "\n", "---\n", "%YAML 1.1\n---\n", "#\n", "\t")) + text
        case 1:
            text = text.replace("\n", "\r\n")
        case 2:
            text = text.replace(": ", draw.choice((":  ", " : ", ":\t")))
        case 3:
            text = text.replace("@package ", draw.choice(("@package\t", "@package   ", " @package ", "@package: ")))
        case 4:
            at = draw.randrange(len(text))
            text = text[:at] + draw.choice(" \n#:{}[]&*!$.") + text[at + draw.randint(0, 1) :]
    return text


def attack(number: int, stranger: Path, command: Command) -> int:
    """One mutant, by the door that its number chooses; returns the exit code."""
    draw = random.Random(number)
    for name in ("experiment/mutant", "experiment/other", "payload/payload", "hydra/job_logging/payload"):
        write(stranger, f"{name}.yaml", mutant(draw))
    words = [*draw.choice(WORDS)]
    if not any("mutant" in word for word in words):
        words.append("experiment=mutant")
    code, out, err = command("train", "--config-dir", stranger, *words)
    assert "Traceback" not in err
    check_nothing_ran(stranger, (number, out, err))
    return code


@pytest.fixture
def quiet(built: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs that pass are built and not trained, those of a sweep neither."""
    train = importlib.import_module("swaplab.cli.train")

    def build_job(_: object, composed: DictConfig) -> None:
        train.train_run(resolved(composed))

    def build_all(jobs: list[Any]) -> None:
        for job in jobs:
            train.train_run(job.config)

    monkeypatch.setattr("swaplab.sweeps.apart.run_apart", build_job)
    monkeypatch.setattr(
        "swaplab.sweeps.planning.check_jobs", lambda jobs: [train.train_run(job.config) for job in jobs]
    )
    ended = SimpleNamespace(ended=True, objective=None)
    monkeypatch.setattr("swaplab.sweeps.runner.run_jobs", lambda jobs, *_, **__: [ended for _ in jobs])


@pytest.mark.usefixtures("quiet")
def test_no_mutant_runs(stranger: Path, command: Command) -> None:
    codes = [attack(number, stranger, command) for number in range(30)]
    assert 0 < codes.count(2) < len(codes)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("block", range(40))
def test_none_of_ten_thousand_mutants_runs(block: int, stranger: Path, command: Command) -> None:
    for number in range(250 * block, 250 * (block + 1)):
        attack(number, stranger, command)
