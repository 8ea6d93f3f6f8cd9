"""Write docs/components.md: every group, every option in one line, and its source.

    python scripts/document_components.py

Groups and options come from the config tree, the description from the first sentence of the option's comment or of its
class, the source from the class's docstring (a citation with a year). A test fails if the page is stale.
"""

from pathlib import Path

from swaplab.config import tree
from swaplab.config.slots import OF_A_RUN

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "components.md"

HEAD = """# Components

Every choice that `swaplab train` offers, what it does, and where it comes from.

Each group below is one switch: `swaplab train GROUP=OPTION`. `swaplab options GROUP OPTION` shows the keys of an
option; set them one by one, as in `norm.groups=4`. `swaplab train experiment=NAME` chooses a whole system. The default,
`experiment=quick`, sets keys that not every generator has: write `swaplab train '~experiment' generator=resnet`.

`python scripts/document_components.py` writes this page from the config files.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, options in tree.groups().items():
        if name.split("/")[0] in OF_A_RUN:
            continue
        title = "Systems (`experiment=`)" if name == "experiment" else f"`{name}`"
        owners = ", ".join(f"`{owner}`" for owner in tree.owners(name))
        head = [f"## {title}\n", *([f"Only with {owners}.\n"] if owners else []), "| option | what it does | source |"]
        found = [tree.option(name, option) for option in options]
        rows = [f"| `{o.name}` | {o.what.replace('|', '/')} | {o.source.replace('|', '/')} |" for o in found]
        parts.append("\n".join([*head, "|---|---|---|", *rows]))
    return "\n".join([parts[0], "\n\n".join(parts[1:]), ""])


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE.relative_to(ROOT)}")
