"""docs/extending.md, followed word for word in an empty folder."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.runs.record import RunRecord

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def followed(tmp_path: Path) -> Path:
    """A folder with the page's files."""
    for language, text in BLOCKS:
        if language in ("python", "yaml"):
            head, _, body = text.partition("\n")
            place = tmp_path / head.removeprefix("# ")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(body)
    (tmp_path / "json.py").write_text("raise SystemExit('the current folder was imported')\n")
    return tmp_path


def test_the_page_works_as_it_is_written(followed: Path, tiny: list[str], process: Callable[..., Any]) -> None:
    small = [word for word in tiny if not word.startswith("generator.")] + ["budget.images=16", "every.sample=16"]
    lines = [line for language, text in BLOCKS if language == "bash" for line in text.splitlines()]
    assert len(lines) == 2
    for line in lines:
        setting, program, name_of, *words = shlex.split(line)
        assert program == "swaplab"
        name, _, value = setting.partition("=")
        started = process(name_of, *words, *small, env={name: value}, cwd=followed)
        assert started.wait() == 0, started.err
    records = [RunRecord.load(file.parent) for file in (followed / "runs" / "ours").glob("*/run.json")]
    assert {record.config()["generator"]["channels"] for record in records} == {8, 16}
    assert all("loss/generator/tint" in record.metrics()[-1] for record in records)


def test_a_package_that_is_not_declared_or_not_there_is_said(
    followed: Path, tiny: list[str], process: Callable[..., Any]
) -> None:
    small = [word for word in tiny if not word.startswith("generator.")]
    for package, says in (("", "is not allowed"), ("mylab", "mylab")):
        folder = followed if not package else followed / "conf"
        words = ["--config-dir", followed / "conf", "experiment=ours", *small]
        started = process("train", *words, env={"SWAPLAB_PACKAGES": package}, cwd=folder)
        assert started.wait() == 2, started.err
        assert says in started.err
        assert started.err.count("\n") == 1


@pytest.mark.slow
def test_no_process_of_a_sweep_imports_what_lies_in_the_current_folder(
    followed: Path, tiny: list[str], process: Callable[..., Any]
) -> None:
    for name in ("yaml", "torch", "swaplab", "hydra_plugins"):
        (followed / f"{name}.py").write_text("raise SystemExit('the current folder was imported')\n")
    words = [*tiny, "budget.images=16", "every.sample=16", "-m", "seed=1", "trainer=ddp_cpu"]
    started = process("train", *words, cwd=followed)
    assert started.wait(600) == 0, started.out + started.err
