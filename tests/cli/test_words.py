"""Words of the command line: names and paths of any characters, keys given twice, flags cut short, truth values."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, with_config
from typing_extensions import TypedDict

from swaplab.cli.words import CommandLine, parsed
from swaplab.config import keys
from swaplab.config.keys import as_truth
from swaplab.config.values import STRICT, Default, Number, Text, Whole
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
    keys = ("name", "runs", "data.cache", "labels.group", "logger.wandb.project", "run_id")
    line = CommandLine.parse([f"{key}={odd}" for key, odd in zip(keys, ODD[:5] + ODD[6:7], strict=True)])
    config = compose(list(line.with_names(keys).overrides))
    found = [
        config["name"],
        config["runs"],
        config["data"]["cache"],
        config["labels"]["group"],
        config["logger"]["wandb"]["project"],
    ]
    assert [*found, config["run_id"]] == [*ODD[:5], ODD[6]]


def test_what_is_no_text_stays_what_it_is() -> None:
    words = ["run_id=null", "+data.identities.C={seed: 7}", "name='a b'", "seed=1e4", "labels.tags=[a,b]"]
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
        ("report", ["group=a", "metric=a", "metric=b"]),
        ("convert", ["run=A", "input=x", "input=y", "output=z"]),
        ("extract", ["input=x", "input=y", "output=z"]),
    ],
)
def test_a_path_that_is_given_twice_is_refused(name: str, words: list[str], command: Command) -> None:
    code, _, err = command(name, *words)
    assert (code, "is given twice" in err, err.count("\n")) == (2, True, 1)


def test_several_runs_of_a_report_are_all_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("swaplab.runs.naming.run_folder", lambda _, name: name)
    monkeypatch.setattr("swaplab.cli.report.report_runs", lambda folders, *_: shown.append(folders))
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


def test_an_ablation_is_planned_without_a_trace(tiny: list[str], command: Command, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    code, out, err = command("ablation", "plan", "--config-d", tmp_path / "own", "norm", *tiny)
    assert (code, "nothing was started" in out) == (0, True), err
    assert not (tmp_path / "runs").exists()


def test_truth_values_are_words() -> None:
    assert all(as_truth("x", value) for value in ("1", "true", "YES", " on"))
    assert not any(as_truth("x", value) for value in ("0", "false", "No", "off"))
    for value in ("maybe", "", "2", "null"):
        with pytest.raises(UserError, match="must be true or false"):
            as_truth("x", value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run"], "no ablation given"),
        (["run", "seed=1"], "no ablation given"),
        (["run", "nrom"], "there is no ablation nrom; did you mean norm"),
        (["run", "norm", "encoder"], "encoder is not KEY=VALUE"),
        (["run", "norm", "ablation=encoder"], "already named"),
        (["run", "norm", "-m", "seed=1,2"], "an ablation is a sweep already"),
        (["run", "norm", "--cfg", "job"], "swaplab ablation plan NAME"),
        (["run", "norm", "hydra.run.dir=x"], "an ablation takes Hydra's launcher, no other setting"),
        (["report", "norm", "metric=x"], "unknown key metric"),
        (["rnu", "norm"], "there is no subcommand rnu"),
        ([], "no subcommand given"),
    ],
)
def test_an_ablation_that_is_asked_for_in_a_wrong_way_is_no_run(words: list[str], says: str, command: Command) -> None:
    code, _, err = command("ablation", *words)
    assert (code, says in err, err.count("\n")) == (2, True, 1), err


def test_train_sends_an_ablation_to_its_own_command(command: Command) -> None:
    for words in (
        ["ablation=norm"],
        ["-m", "ablation=norm,encoder"],
        ["+ablation=[norm]"],
        ["--cfg", "job", "ablation=x"],
    ):
        code, _, err = command("train", *words)
        assert (code, "swaplab ablation run NAME" in err) == (2, True), err


def test_the_report_that_an_ablation_names_can_be_made() -> None:
    from swaplab.ablations.running import report_command

    def words(*given: Any) -> list[str]:
        program, name, command, *rest = shlex.split(report_command(*given))
        assert (program, name, command) == ("swaplab", "ablation", "report")
        return rest

    assert words("norm", Path("runs/norm"), None) == ["norm"]
    assert words("norm", Path("/x y/norm"), None) == ["norm", "runs=/x y"]
    assert words("mine", Path("runs/mine"), "my conf") == ["--config-dir", "my conf", "mine"]
    assert words("norm", Path("runs/enc2"), "conf") == ["runs/enc2"]
    assert words("norm", Path("enc2"), None) == ["./enc2"]


@with_config(STRICT)
class Inner(TypedDict):
    depth: Annotated[Whole, Field(ge=1), Default(3)]
    flag: Annotated[bool, Default(False)]


@with_config(STRICT)
class Keys(TypedDict):
    path: Annotated[Text, Field(description="where")]
    share: Annotated[Number | None, Default(None)]
    sort: Annotated[Literal["a", "b"], Default("a")]
    many: Annotated[list[Text] | None, Default(None)]
    inner: Inner


@pytest.mark.parametrize(
    "odd", [*ODD, "null", "3", "${oc.env:HOME}", "{a: 1}", "\\${x}", '\\"', "é 日本", "trail ", "~/a"]
)
def test_a_value_is_literal_where_its_key_is_text(odd: str) -> None:
    assert keys.parsed(Keys, [f"path={odd}", f"many={odd}", f"many={odd}"])["path"] == odd
    assert keys.parsed(Keys, [f"path={odd}", f"many={odd}", "many=x"])["many"] == [odd, "x"]


def test_a_value_has_the_type_of_its_key_and_every_other_key_its_default() -> None:
    assert keys.parsed(Keys, ["path=x"]) == {
        "path": "x", "share": None, "sort": "a", "many": None, "inner": {"depth": 3, "flag": False}
    }  # fmt: skip
    found = keys.parsed(Keys, ["path=x", "share=1e-2", "sort=b", "inner.depth=1e2", "inner.flag=Yes"])
    assert (found["share"], found["sort"], found["inner"]) == (0.01, "b", {"depth": 100, "flag": True})
    assert keys.parsed(Keys, ["path=x", "share=null"])["share"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "path is missing; set path=VALUE"),
        (["x"], "x is not KEY=VALUE"),
        (["pathh=x"], "did you mean path"),
        (["inner.dept=2", "path=x"], "did you mean inner.depth"),
        (["path=x", "path=y"], "path is given twice, x and y"),
        (["path="], 'path="" must be'),
        (["path=x", "inner.depth=0"], "inner.depth=0 must be"),
        (["path=x", "inner.depth=1.5"], "inner.depth=1.5 must be"),
        (["path=x", "inner.flag=maybe"], "inner.flag=maybe must be"),
        (["path=x", "share=nan"], "share=NaN must be"),
        (["path=x", "sort=c"], "sort=c must be a or b"),
        (["path=x", "+inner.depth=2"], "unknown key +inner.depth"),
    ],
)
def test_a_wrong_word_is_one_sentence(words: list[str], says: str) -> None:
    with pytest.raises(UserError) as refused:
        keys.parsed(Keys, words)
    assert says in str(refused.value)


def test_every_key_is_in_the_help_with_its_default() -> None:
    text = keys.table(Keys)
    assert [line.split()[:2] for line in text.splitlines()] == [
        ["path", "required"], ["share", "none"], ["sort", "a"], ["many", "none"], ["inner.depth", "3"],
        ["inner.flag", "false"],
    ]  # fmt: skip
