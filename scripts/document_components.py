"""Writes docs/components.md: every group, every option in one line, and its source.

    python scripts/document_components.py

Groups and options come from the config tree, the description from the first sentence of the option's comment or of its
class, the source from the class's docstring (a citation with a year). A test fails if the page is stale.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object

ROOT = Path(__file__).parents[1]
CONF, PAGE = ROOT / "conf", ROOT / "docs" / "components.md"
# Data, the place where a run is computed, and questions to several runs are not components.
APART = ("data", "data/profile", "trainer", "ablation")
SYSTEM = re.compile(r"\b(?:faceswap-GAN(?: v[\d.]+\d)?|CycleGAN|pix2pix)\b")
CITATION = re.compile(r"\(([^()]*(?:\([^()]*\)[^()]*)?\b(?:19|20)\d\d\b[^()]*)\)|([A-Z][\w&. ]*\b(?:19|20)\d\d[^.;:]*)")

HEAD = """# Components

Every choice that `swaplab train` offers, what it does, and where it comes from.

Each group below is one switch: `swaplab train GROUP=OPTION`. `swaplab options GROUP OPTION` shows the keys of an option;
set them one by one, as in `norm.groups=4`. `swaplab train experiment=NAME` chooses a whole system.

`python scripts/document_components.py` writes this page from the config files.
"""


def groups() -> Iterator[tuple[str, list[Path]]]:
    """Every config group with its option files."""
    folders = {file.parent for file in CONF.rglob("*.yaml")} - {CONF}
    for folder in sorted(folders):
        name = folder.relative_to(CONF).as_posix()
        if name not in APART:
            yield name, sorted(folder.glob("*.yaml"), key=lambda file: (file.stem != "none", file.stem))


def comment(file: Path) -> str:
    """The sentences at the head of a config file."""
    lines = []
    for line in file.read_text().splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def targets(node: Any) -> Iterator[str]:
    """The classes that a config names, outermost first."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def sentence(text: str) -> str:
    """The first sentence of a text, on one line."""
    flat = " ".join(text.split("\n\n")[0].split())
    found = re.match(r"(.+?\.)(?:\s+[A-Z(\"'`]|$)", flat)
    return (found.group(1) if found else flat).rstrip(";.") + "."


def described(file: Path) -> tuple[str, str]:
    """What an option is, and its source in the literature ("ours" where there is none)."""
    names = list(dict.fromkeys(targets(yaml.safe_load(file.read_text()))))
    texts = [inspect.getdoc(get_object(name)) or "" for name in names if name.startswith("swaplab.")]
    said = comment(file)
    what = sentence(said or (texts[0] if texts else "")) if said or texts else "Off."
    cited = [a or b for text in [*texts, said] for a, b in CITATION.findall(text)]
    cited = cited or SYSTEM.findall(said)
    sources = list(dict.fromkeys(" ".join(c.split()) for c in cited))
    return what, "; ".join(sources[:2]) or ("" if file.stem == "none" else "ours")


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, files in groups():
        title = "Systems (`experiment=`)" if name == "experiment" else f"`{name}`"
        rows = [f"| `{file.stem}` | {' | '.join(x.replace('|', '/') for x in described(file))} |" for file in files]
        parts.append("\n".join([f"## {title}\n", "| option | what it does | source |", "|---|---|---|", *rows]))
    return "\n".join([parts[0], "\n\n".join(parts[1:]), ""])


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE.relative_to(ROOT)}")
