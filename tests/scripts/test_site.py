"""The documentation builds as a site; what leads nowhere stops it."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = ROOT / ".venv-docs" / "bin" / "mkdocs"
MKDOCS = [str(OWN)] if OWN.exists() else [sys.executable, "-m", "mkdocs"]
PARTS = ("mkdocs.yml", "docs", "scripts", "LICENSE", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not OWN.exists() and importlib.util.find_spec("mkdocs") is None, reason="no MkDocs here; make docs installs it"
    ),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the site is made of."""
    for name in PARTS:
        copier = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copier(ROOT / name, tmp_path / name)
    return tmp_path


def build(place: Path) -> subprocess.CompletedProcess[str]:
    words = [*MKDOCS, "build", "--strict"]
    return subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)


def test_every_page_is_built_and_nothing_is_loaded_from_elsewhere(copy: Path) -> None:
    (copy / "docs" / "data.md").open("a").write("[a](../scripts/audit.py) [b](../README.md) `[c](c.md)`\n")
    done = build(copy)
    assert done.returncode == 0, done.stderr
    built = {page.relative_to(copy / "site").with_suffix("").as_posix() for page in (copy / "site").rglob("*.html")}
    pages = {page.relative_to(copy / "docs").with_suffix("").as_posix() for page in (copy / "docs").rglob("*.md")}
    assert built == pages | {"index", "contributing", "changelog", "security", "404"}
    for page in (copy / "site").rglob("*.html"):
        text = page.read_text()
        assert re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="?(?:https?:)?//', text) == []
        assert re.findall(r'<link[^>]*\shref="?(?:https?:)?//', text) == []
    data = (copy / "site" / "data.html").read_text()
    assert 'href="source/scripts/audit.py"' in data
    assert 'href="index.html"' in data
    assert (copy / "site" / "source" / "scripts" / "demo.py").read_text() == (ROOT / "scripts" / "demo.py").read_text()


@pytest.mark.parametrize(
    ("page", "text", "says"),
    [
        ("README.md", "[a](docs/no.md)", "links docs/no.md"),
        ("README.md", "[a](docs/data.md#no)", "does not contain an anchor '#no'"),
        ("docs/data.md", "[a](../src/no.py)", "links ../src/no.py"),
        ("docs/data.md", "[a](#no)", "there is no such anchor"),
        ("docs/data.md", "![a](images/no.png)", "links images/no.png"),
        ("docs/unlisted.md", "# A page that the map does not have", "unlisted.md"),
    ],
)
def test_what_leads_nowhere_stops_the_build(page: str, text: str, says: str, copy: Path) -> None:
    (copy / page).open("a").write(f"\n{text}\n")
    done = build(copy)
    assert done.returncode == 1
    assert says in done.stderr
