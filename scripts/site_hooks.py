"""Hooks of MkDocs for the documentation site (``hooks`` in mkdocs.yml).

Links in README.md and docs/ are written for the repository. The site has the pages of docs/, those at the top of the
repository (``TOP``), and, below source/, a copy of every other file that a page links. Links are rewritten accordingly;
a broken link stops the build. MkDocs then checks pages and anchors.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[1]
TOP = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"""(\]\(|(?:src|href)=")([^)"\s#:]+)(?=[)"\s#])""")  # a colon belongs to a URL


def on_config(config: Any) -> Any:
    """Name anchors like the repository's host: with a dash for each space."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from the top of the repository."""
    for source, page in TOP.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Rewrite the links of a page, and add the linked files."""
    written = Path(page.file.abs_src_path).relative_to(ROOT).parent

    def rewrite(link: re.Match[str]) -> str:
        target = posixpath.normpath((written / link[2]).as_posix())
        if not (ROOT / target).is_file():
            raise PluginError(f"{page.file.abs_src_path} links {link[2]}, which is not a file in the repository")
        place = TOP.get(target) or target.removeprefix("docs/")
        if place == target:
            place = f"source/{target}"
            if files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / target)))
        return link[1] + posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or ".")

    parts = CODE.split(markdown)  # alternately text and code
    return "".join(part if number % 2 else LINK.sub(rewrite, part) for number, part in enumerate(parts))
