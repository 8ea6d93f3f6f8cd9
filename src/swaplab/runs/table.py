"""Runs as one table: its metrics, its order, and its form: text, CSV or JSON."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from swaplab.catalogue import loss_of
from swaplab.errors import UserError
from swaplab.progress import duration
from swaplab.runs.registry import Entry
from swaplab.runs.rows import as_json
from swaplab.tables import aligned

# Shown if no metric is named: the first of these that exists.
USUAL = ("evaluation/final/test/score", "evaluation/final/val/score", "val/reconstruction_psnr")
CREATED = "created"
FACTS = ("name", "id", "status", "seed", CREATED, "images_seen", "seconds")


def metrics_named(entries: Sequence[Entry], named: str | None) -> list[str]:
    """The metrics that ``named`` (``a,b``) means, each by `metric_named`; if it is None, the usual ones."""
    if named is not None:
        return list(dict.fromkeys(metric_named(entries, word.strip()) for word in named.split(",")))
    names = {name for entry in entries for name in entry.metrics}
    name = next((name for name in USUAL if name in names), None)
    if name is None:
        return []
    return [name, name.removesuffix("score") + "psnr"] if name.endswith("/score") else [name]  # dB beside a score


def metric_named(entries: Sequence[Entry], word: str) -> str:
    """The metric that a user means: its name, else its beginning, else its end after a slash.

    UserError if no metric, or several, match.
    """
    names = sorted({name for entry in entries for name in entry.metrics})
    ways = (
        [name for name in names if name == word],
        [name for name in names if name.startswith(word)],
        [name for name in names if name.endswith(f"/{word}")],
    )
    fitting = next((found for found in ways if found), [])
    if len(fitting) == 1 or not names:
        return (fitting or [word])[0]
    among = fitting or names
    shown = ", ".join(among[:6]) + (", ..." if len(among) > 6 else "")
    raise UserError(f"metric {word} matches {'several' if fitting else 'none'} of the metrics; write one of: {shown}")


def sort_key(entries: Sequence[Entry], word: str) -> str:
    """The key of `ordered` for a user's ``word``: the whole name of a metric, or `CREATED`; keeps a leading ``-``."""
    sign, name = ("-", word[1:]) if word.startswith("-") else ("", word)
    return sign + (name if name == CREATED else metric_named(entries, name))


def beside(metrics: Sequence[str], by: str) -> list[str]:
    """The metrics to show, including the one that the table is sorted by."""
    name = by.removeprefix("-")
    return [*metrics] if name == CREATED or name in metrics else [name, *metrics]


def ordered(entries: Sequence[Entry], by: str) -> list[Entry]:
    """The runs by a metric, best first; by `CREATED`, newest first; a leading ``-`` reverses the order.

    If neither direction is better, the smallest value comes first. Runs without a finite value always come last.
    """
    name, turned = by.removeprefix("-"), by.startswith("-")
    if name == CREATED:
        return sorted(entries, key=lambda entry: str(entry.facts.get(CREATED)), reverse=not turned)
    losses = {entry.label: loss_of(name, entry.metrics.get(name, math.nan)) for entry in entries}
    known = [entry for entry in entries if math.isfinite(losses[entry.label])]
    known.sort(key=lambda entry: losses[entry.label], reverse=turned)
    return known + [entry for entry in entries if not math.isfinite(losses[entry.label])]


def as_text(entries: Sequence[Entry], metrics: Sequence[str]) -> str:
    """Aligned columns, one line per run, for terminals and ``grep``; then the problems of damaged runs."""
    rows = [("name", "id", "seed", "status", "images", *metrics, "time", "factors")]
    for e in entries:
        values = [e.metrics.get(each) for each in metrics]
        numbers = [f"{value:.6g}" if isinstance(value, int | float) else "-" for value in values]
        factors = " ".join(f"{key}={level}" for key, level in e.factors.items()) or "-"
        seed, images = str(e.config.get("seed", "-")), f"{e.images_seen:,}"
        rows.append((e.name, e.id, seed, e.status, images, *numbers, duration(e.seconds), factors))
    lines = aligned(rows, right={2, *range(4, len(rows[0]) - 1)})
    return "\n".join([*lines, *(f"{entry.label}: {entry.problem}" for entry in entries if entry.problem is not None)])


def as_csv(entries: Sequence[Entry], metrics: Sequence[str]) -> str:
    """One line per run: `FACTS`, the metrics, and a column ``factors.NAME`` per factor; empty if unknown."""
    factors = list(dict.fromkeys(name for entry in entries for name in entry.factors))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FACTS, *metrics, *(f"factors.{name}" for name in factors)])
    for entry in entries:
        facts = facts_of(entry)
        levels = [entry.factors.get(name) for name in factors]
        writer.writerow([*facts.values(), *(entry.metrics.get(name) for name in metrics), *levels])
    return text.getvalue().rstrip("\n")


def as_list(entries: Sequence[Entry], metrics: Sequence[str] | None) -> str:
    """A JSON list with one object per run: `FACTS`, ``factors``, ``problem`` (null, or why it is damaged), and
    ``metrics`` by name, all of them if the argument is None."""
    found = [
        facts_of(entry)
        | {"factors": entry.factors, "problem": entry.problem}
        | {"metrics": {name: entry.metrics.get(name) for name in entry.metrics if metrics is None or name in metrics}}
        for entry in entries
    ]
    return as_json(found, indent=2)


def facts_of(entry: Entry) -> dict[str, Any]:
    """The `FACTS` of a run."""
    known = (entry.name, entry.id, entry.status, entry.config.get("seed"), entry.facts.get(CREATED))
    return dict(zip(FACTS, (*known, entry.images_seen, entry.seconds), strict=True))
