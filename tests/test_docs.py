"""README.md and docs/: every link leads somewhere, every file that is named exists, every page is on the map."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMED = re.compile(r"(?:src|tests|docs|conf|scripts|docker|swaplab|hydra_plugins)/[\w./-]+")
ATTRIBUTE = re.compile(r'(?:src|href|srcset)="([^"]+)"')


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(page.read_text()))


def inline(page: Path) -> Iterator[Token]:
    for token in tokens(page):
        yield from token.children or [token]


def links(page: Path) -> Iterator[str]:
    for token in inline(page):
        if token.type.startswith("html_"):
            yield from ATTRIBUTE.findall(token.content)
        for attribute in ("href", "src"):
            if attribute in token.attrs:
                yield str(token.attrs[attribute])


def anchors(page: Path) -> set[str]:
    """Names of the headings, as the repository's host and the site make them."""
    headings = [after for token, after in pairwise(tokens(page)) if token.type == "heading_open"]
    texts = ["".join(child.content for child in heading.children or []) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def broken(page: Path) -> list[str]:
    """What is wrong with the links of a page and with the files that its code names."""
    wrong = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.is_file():
            wrong.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target):
            wrong.append(f"{link}: no such heading")
    for token in inline(page):
        if token.type == "code_inline" and NAMED.fullmatch(token.content):
            pattern = re.sub(r"(?<![A-Za-z])[A-Z]{2,}(?![a-z])", "*", token.content)  # NAME stands for any name
            if not any([*ROOT.glob(pattern), *ROOT.glob(f"src/{pattern}")]):
                wrong.append(f"`{token.content}`: no such file")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# The `first` heading, A->B\n[a](#the-first-heading-a-b) [b](#no) [c](other.md) ![d](d.png) [e](page.md#no)\n"
        '<img src="e.png"> `tests/no.py` `tests/test_NAME.py` `swaplab/errors.py`\n```\n[f](f.md)\n```\n'
        "| [g](g.md) |\n|---|\n| [h](https://example.org/h.md) |\n"
    )
    wrong = [
        "#no: no such heading",
        "other.md",
        "d.png",
        "page.md#no: no such heading",
        "e.png",
        "g.md",
        "`tests/no.py`",
    ]
    found = broken(page)
    assert len(found) == len(wrong), found
    assert all(text.startswith(start) for text, start in zip(found, wrong, strict=True)), found


def test_every_page_is_on_the_map_of_the_site() -> None:
    def listed(node: object) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        for value in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
            yield from listed(value)

    top = {"index.md", *(page.name.lower() for page in ROOT.glob("*.md") if page.name != "README.md")}
    nav = list(listed(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(nav) == sorted(top | {page.name for page in ROOT.glob("docs/*.md")})
