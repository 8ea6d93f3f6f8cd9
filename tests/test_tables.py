"""Tables as text: columns line up, numbers stand on the right, and Markdown stays Markdown."""

from markdown_it import MarkdownIt

from swaplab.tables import aligned, markdown

ROWS = [["name", "n"], ["a", "12"], ["longer", "3"]]


def test_columns_line_up() -> None:
    assert aligned(ROWS) == ["name    n", "a       12", "longer  3"]
    assert aligned(ROWS, right={1}) == ["name     n", "a       12", "longer   3"]
    assert aligned([["", ""]]) == [""]


def test_markdown_is_read_as_a_table_of_the_same_cells() -> None:
    text = markdown(ROWS, right={1})
    assert text.splitlines()[1] == "| ------ | --: |"
    assert len({len(line) for line in text.splitlines()}) == 1
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert [t.content for t in tokens if t.type == "inline"] == [cell for row in ROWS for cell in row]
    assert [t.attrGet("style") for t in tokens if t.type == "td_open"] == [None, "text-align:right"] * 2
