"""What `make audit` says for each way that an audit can end."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FINE = {"name": "fine", "version": "1", "vulns": []}
FAULTY = {"name": "faulty", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[[str, int], tuple[int, str]]:
    """Runs the script with a stand-in for pip-audit that prints a text and ends with a code."""
    main = runpy.run_path(str(ROOT / "scripts" / "audit.py"))["main"]

    def run(text: str, code: int) -> tuple[int, str]:
        program = f"import sys; print({text!r}); print('no such host', file=sys.stderr); sys.exit({code})"
        return main([tmp_path], (sys.executable, "-c", program)), capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("packages", "code", "says"),
    [
        ([FINE], 0, "audited: 1 packages, no known vulnerability"),
        ([FINE, FAULTY], 1, "faulty 2 is vulnerable: CVE-1; fixed in 2.1"),
        ([FINE, UNKNOWN], 2, "not audited: the database does not know 1 of 2 packages"),
        ([FAULTY, UNKNOWN], 1, "not audited: the database does not know 1 of 2 packages"),
        ([], 2, "not audited"),
    ],
)
def test_what_was_found_is_said(packages: list[Any], code: int, says: str, audit: Callable[..., Any]) -> None:
    ended, said = audit(json.dumps({"dependencies": packages}), 0)
    assert (ended, says in said) == (code, True), said


def test_a_database_that_cannot_be_reached_is_said_in_one_sentence(audit: Callable[..., Any]) -> None:
    ended, said = audit("", 1)
    assert (ended, said.count("\n")) == (2, 1)
    assert said.startswith("not audited: the vulnerability database could not be reached")
    assert "no such host" in said


def test_every_package_of_the_environment_is_pinned_with_its_hashes() -> None:
    lines = (ROOT / "constraints.txt").read_text().replace("\\\n", " ").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 100
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
