"""The record holds the digest of the code that made a run, so that other code is detected."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swaplab import places
from swaplab.config.trust import named_packages, shipped_targets
from swaplab.errors import UserError
from swaplab.runs import code as codes
from swaplab.runs.code import SILENT, Code, check_code, code_of
from swaplab.runs.identity import config_hash
from swaplab.runs.record import RunRecord

Command = Callable[..., tuple[int, str, str]]

LOSS = """
from swaplab.losses.reconstruction import L1

class Mine(L1):
    pass
"""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of swaplab in another place, as from a wheel."""
    place = tmp_path / "elsewhere" / "swaplab"
    shutil.copytree(places.PACKAGE, place, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(places, "PACKAGE", place)
    codes._swaplab.cache_clear()
    yield place
    codes._swaplab.cache_clear()


def digest() -> str:
    codes._swaplab.cache_clear()
    return code_of().digest


def test_the_digest_is_of_what_numbers_depend_on_and_not_of_the_place(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = digest()
    for silent in (
        *("cli/report.py", "report/page.py", "marking/claim.py", "runs/record.py", "training/loggers/feed.py"),
        *("metrics/judge.py", "metrics/identity.py", "metrics/evaluation.py"),  # what is measured after training
    ):
        with (copy / silent).open("a") as file:
            file.write("# another word\n")
    assert digest() == elsewhere
    for counted in (
        "losses/reconstruction.py",
        "schedule.py",
        "training/module.py",
        "data/sampler.py",
        "randomness.py",
    ):
        before = digest()
        with (copy / counted).open("a") as file:
            file.write("# another word\n")
        assert digest() != before, counted
    assert digest() != elsewhere
    monkeypatch.undo()
    assert digest() == elsewhere


def test_whatever_training_loads_or_a_config_may_name_is_in_it() -> None:
    script = "import sys, swaplab.experiment.data, swaplab.experiment.fit; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    named = {target.rpartition(".")[0] for targets in shipped_targets().values() for target in targets}
    files = code_of().files
    for module in {*loaded, *named}:
        if module.startswith("swaplab."):
            name = module.removeprefix("swaplab.").replace(".", "/")
            known = f"{name}.py" in files or f"{name}/__init__.py" in files
            assert known or f"{name}/".startswith(SILENT) or f"{name}.py".startswith(SILENT) or name == "cli", name


def test_it_takes_no_time() -> None:
    def seconds() -> float:
        codes._swaplab.cache_clear()
        started = time.process_time()
        code_of()
        return time.process_time() - started

    assert min(seconds() for _ in range(5)) < 0.2


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="the package nowhere of SWAPLAB_PACKAGES cannot be found"):
        code_of(["nowhere"])


def record(folder: Path, code: Code) -> None:
    RunRecord.create(folder, {}, {}, code).end("interrupted", "stopped", metrics={})


def test_other_code_is_refused_by_name_unless_it_was_proven_equal(tmp_path: Path) -> None:
    config = {"runs": str(tmp_path), "name": "x", "seed": 1}
    one, two, three = (Code({"losses/edge.py": word, "schedule.py": "same"}, {}) for word in "abc")
    check_code(tmp_path / "x/run", config, one)
    record(tmp_path / "x/run", one)
    check_code(tmp_path / "x/run", config, one)
    with pytest.raises(UserError, match=r"\(interrupted\) made by other code \(losses/edge.py differ\)"):
        check_code(tmp_path / "x/run", config, three)
    proofs = tmp_path / codes.PROOFS
    lines = [
        {"config": config_hash(config), "codes": pair}
        for pair in ([three.digest, two.digest], [two.digest, one.digest])
    ]
    proofs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    check_code(tmp_path / "x/run", config, three)
    with pytest.raises(UserError, match="made by other code"):
        check_code(tmp_path / "x/run", config | {"seed": 2}, three)  # proven for another config
    proofs.write_text("[1")
    with pytest.raises(UserError, match=r"\.proofs\.jsonl is damaged"):
        check_code(tmp_path / "x/run", config, three)


def test_a_package_counts_only_where_the_config_names_something_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLAB_PACKAGES", "mylab, other")
    assert named_packages({"losses": {"edge": {"_target_": "swaplab.losses.edge.Edge"}}}) == ()
    assert named_packages({"losses": {"edge": {"_target_": "other.Edge"}}}) == ("mylab", "other")
    monkeypatch.setenv("SWAPLAB_PACKAGES", "")
    assert named_packages({"losses": {"edge": {"_target_": "other.Edge"}}}) == ()


def test_a_loss_of_ones_own_that_changes(
    tmp_path: Path, tiny: list[str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mylab"
    package.mkdir()
    (package / "__init__.py").write_text(LOSS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SWAPLAB_PACKAGES", "mylab")
    words = [*tiny, "budget.images=32", "run_id=x", "loss.reconstruction._target_=mylab.Mine"]
    assert command("train", *words, "budget.session_images=16")[0] == 0
    folder = tmp_path / "runs/quick/x"
    first = RunRecord.load(folder).codes
    (kept,) = (folder / "code").glob("*.zip")
    with zipfile.ZipFile(kept) as archive:
        assert archive.read("mylab/__init__.py").decode() == LOSS
    said = json.loads(kept.with_suffix(".json").read_text())["sources"]
    assert said == {"file": f"{first[0]}.zip", "sha256": hashlib.sha256(kept.read_bytes()).hexdigest()}

    (package / "__init__.py").write_text(LOSS + "    weight = 2\n")
    before = (folder / "run.json").read_bytes()
    code, _, complaint = command("train", *words)
    assert code == 2
    assert "holds a run (interrupted) made by other code (mylab:__init__.py differ)" in complaint
    assert (folder / "run.json").read_bytes() == before
    now = code_of(["mylab"]).digest
    config = RunRecord.load(folder).config()
    (tmp_path / "runs" / codes.PROOFS).write_text(
        json.dumps({"config": config_hash(config), "codes": [*first, now]}) + "\n"
    )
    assert command("train", *words)[0] == 0
    assert RunRecord.load(folder).codes == [*first, now]
    assert len(list((folder / "code").glob("*.zip"))) == 2
    (package / "__init__.py").write_text(LOSS + "    weight = 3\n")
    code, _, complaint = command("train", *words)
    assert code == 2
    assert "holds a run (complete) made by other code" in complaint
    sys.modules.pop("mylab", None)
