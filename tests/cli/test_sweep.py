"""From a command line with -m to checked jobs; what they are called and where they are kept."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from swaplab.runs.record import RunRecord
from swaplab.sweeps.planning import folder_override
from swaplab.sweeps.runner import run_jobs

STAND_IN = Path(__file__).parents[1] / "sweeps" / "stand_in.py"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def train(command: Command, tiny: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """swaplab train on two small people, whose jobs are stand-ins."""
    import swaplab.sweeps.process

    words = (sys.executable, str(STAND_IN))
    monkeypatch.setitem(run_jobs.__kwdefaults__, "command", words)
    monkeypatch.setattr(swaplab.sweeps.process, "COMMAND", words)
    monkeypatch.chdir(tmp_path)
    return lambda *more: command("train", *tiny, *more)


def records(tmp_path: Path) -> list[RunRecord]:
    return [RunRecord.load(path.parent) for path in sorted((tmp_path / "runs").glob("*/*/run.json"))]


def test_a_sweep_runs_every_combination_and_says_what_varies(train: Command, tmp_path: Path) -> None:
    code, output, complaint = train("-m", "generator.width=0.07,0.1", "norm=none,group", "updates=joint")
    assert (code, complaint) == (0, "")
    assert "4 jobs: 4 complete" in output
    assert "generator.width=0.1 norm=group: complete" in output
    found = [record.config() for record in records(tmp_path)]
    factors = {(config["factors"]["generator.width"], config["factors"]["norm"]) for config in found}
    assert factors == {(width, norm) for width in (0.07, 0.1) for norm in ("none", "group")}
    for config in found:
        assert config["generator"]["width"] == config["factors"]["generator.width"]
        assert (config["norm"] is None) == (config["factors"]["norm"] == "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    [sweep] = (tmp_path / "runs" / "sweeps").iterdir()
    assert len(list((sweep / "jobs").glob("*.yaml"))) == 4


def test_the_same_command_in_another_order_goes_on_and_starts_nothing_twice(train: Command, tmp_path: Path) -> None:
    train("-m", "norm=none,group", "seed=1,2")
    assert {tuple(record.config()["factors"]) for record in records(tmp_path)} == {("norm",)}
    code, output, _ = train("seed=1,2", "norm=none,group", "--multirun", "hydra.launcher.slots=1")
    assert code == 0
    assert output.count("already finished") == 4
    assert len(list((tmp_path / "runs" / "sweeps").iterdir())) == 1
    assert all(len((r.folder / "starts.txt").read_text().splitlines()) == 1 for r in records(tmp_path))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["norm=none,nothing"], "Could not find 'norm/nothing'"),
        (["size.width=1,-1"], "size.width=-1: size.width=-1 must be"),
        (["batch_size=4,0"], "batch_size=0: batch_size=0 must be a whole number of at least 1"),
        (["norm=none,group", "attention_sites=[decoder.up1]"], "attention_sites has no effect"),
        (["composition=true,false"], "composition=False: composition=false has no effect"),
        (["workers=0,1"], "'workers=0' and 'workers=1' are the same run"),
        (["trainer.nodes=1,2"], "trainer.nodes=2"),
        (["data.identities.A=/not/there,/neither/there"], "data.identities.A=/not/there"),
        (["+plan._target_=os.system,os.popen"], "os.system"),
        (["seed=1,2", "ablation=norm"], "swaplab ablation run NAME"),
    ],
)
def test_one_bad_cell_and_nothing_starts(train: Command, tmp_path: Path, words: list[str], sentence: str) -> None:
    code, output, complaint = train("-m", *words)
    assert code == 2
    assert sentence in complaint
    assert complaint.count("\n") == 1
    assert "running" not in output
    assert records(tmp_path) == []


def test_a_failed_job_ends_the_sweep_with_its_table_and_no_traceback(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nif '001' in sys.argv[1]: sys.exit('swaplab train: no disk')\nexec(open({str(STAND_IN)!r}).read())"
    )
    monkeypatch.setitem(run_jobs.__kwdefaults__, "command", (sys.executable, str(script)))
    code, output, complaint = train("-m", "seed=1,2,3")
    assert (code, complaint) == (1, "")
    assert "3 jobs: 2 complete, 1 failed" in output
    assert "[2/3] seed=2: failed; no disk" in output


def test_hydras_own_launcher_runs_each_job_in_a_process_too(train: Command, tmp_path: Path) -> None:
    code, _, complaint = train("-m", "hydra/launcher=basic", "norm=none,group")
    assert (code, complaint) == (0, "")
    assert [record.status for record in records(tmp_path)] == ["complete"] * 2
    assert {record.config()["factors"]["norm"] for record in records(tmp_path)} == {"none", "group"}
    pids = {line.split()[0] for r in records(tmp_path) for line in (r.folder / "starts.txt").read_text().splitlines()}
    assert len(pids) == 2


def test_a_config_that_is_composed_already_is_read_as_a_strangers(
    command: Command, tiny: list[str], tmp_path: Path
) -> None:
    _, text, _ = command("train", *tiny, "--cfg", "job", "--resolve")
    config = yaml.safe_load(text)
    file = tmp_path / "run.yaml"

    def refused(config: object, *more: str) -> str:
        file.write_text(yaml.safe_dump(config))
        code, _, complaint = command("train", f"resolved={file}", *more)
        assert code == 2
        assert complaint.count("\n") == 1
        return complaint

    assert "_target_ 'os.system' at plan" in refused(config | {"plan": {"_target_": "os.system"}})
    assert "has the interpolation ${oc.env:HOME} at name" in refused(config | {"name": "${oc.env:HOME}"})
    assert "unknown key hydra" in refused(config | {"hydra": {}})
    assert "budget is missing" in refused({k: v for k, v in config.items() if k != "budget"})
    assert "is not a config" in refused([])
    assert "seed=2 cannot be combined with" in refused(config, "seed=2")
    assert "evaluate=all must be val or test" in refused(config, "evaluate=all")
    assert not (tmp_path / "runs").exists()


def test_a_sweeps_folder_depends_on_what_can_change_numbers_alone() -> None:
    def folder(*words: str, configs: str | None = None) -> list[str]:
        return folder_override(words, configs)

    [one] = folder("norm=none,group", "seed=1,2")
    assert [one] == folder("seed=1,2", "norm=none,group", "hydra.launcher.slots=2", "workers=3")
    assert [one] != folder("norm=none,group", "seed=1,2,3")
    assert [one] != folder("norm=none,group", "seed=1,2", configs="mine")
    assert folder("hydra.sweep.dir=here") == []
