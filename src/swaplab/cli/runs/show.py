"""Subcommands that only read runs."""

import shlex
import sys

from swaplab.cli.runs.asked import Asked
from swaplab.errors import UserError

FORMS = ("--csv", "--json")


def list_runs(asked: Asked) -> int:
    """Print the runs that meet the conditions, as a table, or as CSV or JSON for other programs."""
    from swaplab.runs import table
    from swaplab.runs.registry import all_runs, matching

    asked.refuse(asked.named, [flag for flag in asked.flags if flag not in FORMS])
    if len(set(asked.flags)) > 1:
        raise UserError("--csv and --json exclude each other; give only one of them")
    metric, sort = asked.settings.pop("metric", None), asked.settings.pop("sort", None)
    entries = all_runs(asked.runs)
    found = matching(entries, asked.settings)
    names = table.metrics_named(found, metric)
    if sort is not None:
        by = table.sort_key(found, sort)
        found, names = table.ordered(found, by), table.beside(names, by)
    if "--csv" in asked.flags:
        print(table.as_csv(found, names))
    elif "--json" in asked.flags:
        print(table.as_list(found, None if metric is None else names))
    else:
        print(table.as_text(found, names))
        print(f"{len(found)} of {len(entries)} runs under {asked.runs}")
    return 0


def watch_runs(asked: Asked) -> int:
    """Show the active runs live, until there are none."""
    from swaplab.runs.watching import watch

    asked.refuse(asked.named, asked.settings, asked.flags)
    watch(asked.runs)
    return 0


def list_unfinished(asked: Asked) -> int:
    """Print the runs that are neither finished nor active, and the commands that resume them."""
    from swaplab.runs import table
    from swaplab.runs.registry import all_runs, matching, unfinished

    asked.refuse(asked.named, asked.flags)
    entries = all_runs(asked.runs)
    found = unfinished(matching(entries, asked.settings))
    for entry in entries:
        if entry.problem is not None:
            print(f"{entry.label}: {entry.problem}", file=sys.stderr)
    if not found:
        print(f"every run under {asked.runs} is finished or active")
        return 0
    print(table.as_text(found, table.metrics_named(found, None)))
    print("\nto resume:")
    for entry in found:
        print("  " + shlex.join(["swaplab", "train", f"resolved={asked.runs / entry.label / 'config.yaml'}"]))
    return 0


def show_difference(asked: Asked) -> int:
    """Print the keys that differ between two runs' configs, first those that can change numbers."""
    from swaplab.runs.difference import difference
    from swaplab.runs.record import RunRecord

    asked.refuse(asked.settings, asked.flags)
    if len(asked.named) != 2:
        raise UserError(f"diff compares two runs, not {len(asked.named)}; write swaplab runs diff RUN1 RUN2")
    first, second = (asked.folder(name) for name in asked.named)
    before, now = (RunRecord.load(folder).config() for folder in (first, second))
    print(difference(before, now, (str(first), str(second))))
    return 0


COMMANDS = {"list": list_runs, "watch": watch_runs, "unfinished": list_unfinished, "diff": show_difference}
