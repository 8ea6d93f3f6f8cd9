"""The page of ablations says what the files say, and no statement is passed over."""

import runpy
from pathlib import Path

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "document_ablations.py"))


def test_the_page_is_fresh() -> None:
    page = SCRIPT["page"]()
    assert SCRIPT["PAGE"].read_text() == page, "stale; run python scripts/document_ablations.py"
    assert all(page.count(f"| `{file.stem}` |") == 1 for file in SCRIPT["FILES"].glob("*.yaml"))


def test_every_statement_is_asked_about_or_said_to_be_missing() -> None:
    assert SCRIPT["neither"]() == []


def test_the_head_of_a_file_is_read() -> None:
    assert SCRIPT["asked"]("# Is it\n# so? (statements 3, 14; more)\nclaim: x") == ("Is it so?", [3, 14])
