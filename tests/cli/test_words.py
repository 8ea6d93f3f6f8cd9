"""Words of the command line: names and paths of any characters, keys given twice, flags cut short, truth values."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.apps.words import CommandLine, as_truth, parsed
from swaplab.errors import UserError

Command = Callable[..., tuple[int, str, str]]
ODD = ("lr=1e-4", "a b", "a,b", "[c]", "(d)", "1e4", 'it\'s "e"', "f$x{g}", "true")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_a_name_is_text_whatever_it_holds(odd: str, flags: list[str]) -> None:
    words = [f"name={odd}", f"+data.identities.C=x/{odd}", "seed=3"]
    line = CommandLine.parse([*flags, *words]).with_names(("name", "data.identities.*"))
    if flags and odd == "a,b":  # what Hydra reads as several names is a sweep over them
        assert list(line.overrides) == words
    else:
        assert [word.value() for word in parsed(line.overrides)] == [odd, f"x/{odd}", 3]


def test_names_are_composed_as_they_were_typed(compose: Callable[[list[str]], dict[str, Any]]) -> None:
    keys = ("name", "runs", "data.cache", "wandb.group", "wandb.project", "run_id")
    line = CommandLine.parse([f"{key}={odd}" for key, odd in zip(keys, ODD[:5] + ODD[6:7], strict=True)])
    config = compose(list(line.with_names(keys).overrides))
    found = [config["name"], config["runs"], config["data"]["cache"], *map(config["wandb"].get, ("group", "project"))]
    assert [*found, config["run_id"]] == [*ODD[:5], ODD[6]]


def test_what_is_no_text_stays_what_it_is() -> None:
    words = ["run_id=null", "+data.identities.C={seed: 7}", "name='a b'", "seed=1e4", "wandb.tags=[a,b]"]
    line = CommandLine.parse(words).with_names(("run_id", "data.identities.*", "name"))
    assert list(line.overrides) == words


@pytest.fixture(scope="module")
def odd_run(facesets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where odd names are made."""
    folder = tmp_path_factory.mktemp("a=b, [c] d")
    for name in "AB":
        shutil.copytree(facesets[name], folder / f"{name}={name}")
    return folder


def test_a_run_of_an_odd_name_is_made_measured_shown_and_removed(
    odd_run: Path, tiny: list[str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(odd_run)
    words = [word for word in tiny if not word.startswith(("data.", "runs=", "budget."))]
    words += [f"data.identities.{name}={odd_run / name}={name}" for name in "AB"]
    words += ["runs=r=1, [x]", "name=lr=1e-4", "run_id=s1,x y", "budget.images=16", "every.sample=16"]
    code, out, err = command("train", *words)
    assert code == 0, err
    run = Path("r=1, [x]/lr=1e-4/s1,x y")
    assert (run / "run.json").exists()
    code, out, err = command("evaluate", f"run={run}", "threads=1")
    assert (code, (run / "evaluation").is_dir()) == (0, True), err
    code, out, err = command("report", f"run={run}", f"run={odd_run / run}", "output=o=1, [x].html")
    assert (code, Path("o=1, [x].html").exists()) == (0, True), err
    code, out, err = command("runs", "diff", "runs=r=1, [x]", "lr=1e-4/s1,x y", str(run))
    assert (code, "the configs are the same" in out) == (0, True), err
    code, out, err = command("runs", "remove", "runs=r=1, [x]", "lr=1e-4/s1,x y", "yes=Yes")
    assert (code, run.exists()) == (0, False), err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("evaluate", ["run=A", "run=B"]),
        ("report", ["ablation=a", "ablation=b"]),
        ("convert", ["run=A", "input=x", "input=y", "output=z"]),
        ("extract", ["input=x", "input=y", "output=z"]),
    ],
)
def test_a_path_that_is_given_twice_is_refused(name: str, words: list[str], command: Command) -> None:
    code, _, err = command(name, *words)
    assert (code, "is given twice" in err, err.count("\n")) == (2, True, 1)


def test_several_runs_of_a_report_are_all_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("swaplab.apps.report.report", lambda **config: shown.append(config["run"]))
    command("report", "run=A=1,2", "run=[B]")
    command("report", "run=A")
    assert shown == [["A=1,2", "[B]"], ["A"]]


@pytest.mark.parametrize("words", [["--config-d", "x y", "a=1"], ["a=1", "-cd", "x y"], ["--config-dir=x y", "a=1"]])
def test_a_flag_cut_short_is_the_same_flag(words: list[str]) -> None:
    assert CommandLine.parse(words) == CommandLine(("a=1",), folder="x y")
    assert CommandLine.parse(["a=1", "-m", *words]).several


def test_what_cannot_be_together_and_what_is_not_known_is_said() -> None:
    for words in (["-m", "--cfg", "job"], ["--config-path", "x"], ["--rerun=x"], ["--cfg"], ["--experimental-rerun=x"]):
        with pytest.raises(UserError):
            CommandLine.parse(words)


def test_an_ablation_is_only_planned_however_that_is_said(tiny: list[str], command: Command, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    code, out, err = command("train", "--config-d", tmp_path / "own", "ablation=norm", *tiny, "plan_only= Yes")
    assert (code, "nothing was started" in out) == (0, True), err
    assert not (tmp_path / "runs").exists()


def test_truth_values_are_omegaconfs() -> None:
    assert all(as_truth("x", value) for value in (True, 1, "1", "true", "YES", "on", "y"))
    assert not any(as_truth("x", value) for value in (False, 0, "0", "false", "No", "off", "n"))
    for value in ("maybe", None, 0.5, [1], ""):
        with pytest.raises(UserError, match="neither true nor false"):
            as_truth("x", value)


def test_an_ablation_that_is_swept_or_named_twice_over_is_no_run(command: Command) -> None:
    for words in (["-m", "ablation=norm,encoder"], ["ablation=[norm]"]):
        code, _, err = command("train", *words)
        assert (code, "ablation names one ablation" in err) == (2, True), err


def test_the_report_that_an_ablation_names_can_be_made() -> None:
    from swaplab.apps.ablation import _report_command

    def words(*given: Any) -> list[str]:
        program, *rest = shlex.split(_report_command(*given))
        assert program == "swaplab-report"
        return rest

    assert words("norm", Path("runs/norm"), None) == ["ablation=norm"]
    assert words("norm", Path("/x y/norm"), None) == ["ablation=norm", "runs=/x y"]
    assert words("mine", Path("runs/mine"), "my conf") == ["--config-dir", "my conf", "ablation=mine"]
    assert words("norm", Path("runs/enc2"), "conf") == ["ablation=runs/enc2"]
    assert words("norm", Path("enc2"), None) == ["ablation=./enc2"]
