"""One HTML file that needs nothing but itself: templates of this folder with their style, script and figures."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from swaplab.errors import UserError
from swaplab.report.figures import Figure
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.record import now


def filled(template: str, figures: Mapping[str, Figure], **values: Any) -> str:
    """A template of this folder with its values and its figures, each by the name that its place in the page has."""
    shared = {
        "figures": figures,
        "pointed": {name: figure.as_json() for name, figure in figures.items()},
        "version": metadata.version("swaplab"),
        "time": now(),
    }
    return environment().get_template(template).render(**shared, **values)


def environment() -> Environment:
    """The templates of this folder: what they print is escaped, and an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(output: Path, text: str) -> None:
    """Write a report; UserError if its place cannot be written."""
    try:
        write_text_atomically(output, text)
    except OSError as error:
        raise UserError(
            f"the report {output} cannot be written ({error.strerror}); choose another with output=FILE.html"
        ) from None
