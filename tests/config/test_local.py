"""The user's own config of a machine: it changes every run, and is judged like any config from outside."""

from pathlib import Path

import pytest

from swaplab.config import loader
from swaplab.config.compose import composer
from swaplab.errors import UserError


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, in a folder that stands for the user's own."""
    monkeypatch.setattr(loader, "USER_FOLDER", tmp_path)
    (tmp_path / "local").mkdir()
    return tmp_path / "local" / "default.yaml"


def test_it_changes_every_run_but_not_what_is_typed_or_debugged(local: Path) -> None:
    local.write_text("# @package _global_\nworkers: 3\nbatch_size: 7\nname: mine\n")
    config = composer("train")(["batch_size=5", "experiment=demo", "debug=fast"])
    assert (config.batch_size, config.workers, config.name) == (5, 0, "debug")
    assert composer("train")([]).workers == 3
    local.unlink()
    assert composer("train")([]).workers == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hydra: {job: {chdir: true}}", "sets hydra.job.chdir"),
        ("name: ${oc.env:HOME}", "an interpolation at name that is not allowed"),
    ],
)
def test_it_passes_the_gate_of_configs_from_outside(local: Path, text: str, said: str) -> None:
    local.write_text(f"# @package _global_\n{text}\n")
    with pytest.raises(UserError, match=said):
        composer("train")([])


def test_a_folder_of_the_command_line_comes_first(local: Path, tmp_path: Path) -> None:
    local.write_text("# @package _global_\nworkers: 3\n")
    other = tmp_path / "configs"
    (other / "local").mkdir(parents=True)
    (other / "local/default.yaml").write_text("# @package _global_\nworkers: 4\n")
    assert composer("train", str(other))([]).workers == 4
