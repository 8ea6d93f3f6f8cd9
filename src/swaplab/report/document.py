"""Self-contained HTML files from the templates of this folder, with style, script and figures."""

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
    """Render a template of this folder with values and figures; the page refers to figures by their keys."""
    shared = {
        "figures": figures,
        "pointed": {name: figure.as_json() for name, figure in figures.items()},
        "version": metadata.version("swaplab"),
        "time": now(),
    }
    return environment().get_template(template).render(**shared, **values)


def environment() -> Environment:
    """The Jinja environment of this folder's templates: output is escaped, and an undefined name is an error."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(output: Path, text: str) -> None:
    """Write a report. Raises UserError if the file cannot be written."""
    try:
        write_text_atomically(output, text)
    except OSError as error:
        raise UserError(
            f"the report {output} cannot be written ({error.strerror}); choose another file with output=FILE.html"
        ) from None
