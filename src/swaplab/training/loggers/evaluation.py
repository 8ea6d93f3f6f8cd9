"""Passes on the measurement of a run's weights to its loggers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swaplab.runs.evaluations import means, plotted_name
from swaplab.runs.record import RunRecord
from swaplab.training.loggers.feed import Feeds, views_of
from swaplab.training.loggers.shown import Shown


def publish_evaluation(
    record: RunRecord, config: Mapping[str, Any], content: Mapping[str, Any], sheets: Sequence[Path]
) -> None:
    """Show the values of ``evaluation/WEIGHTS/SPLIT.json``, per metric and per direction, and its sheets."""
    weights, split = str(content["weights"]), str(content["split"])
    feeds = Feeds(views_of(config), Shown(record, config, (weights, split)))
    values = {plotted_name(metric): value for metric, value in means(dict(content)).items()}
    values["images_seen"] = record.facts.get("images_seen", 0)
    feeds.show(values, {f"evaluation/{weights}/{sheet.stem.replace('-', '/', 1)}": sheet for sheet in sheets})
    feeds.finish({}, record.status)
