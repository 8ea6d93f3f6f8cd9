"""swaplab runs: look through run folders, compare two, remove or set aside some, send offline ones to the dashboard."""

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.config.keys import as_truth
from swaplab.errors import UserError
from swaplab.places import expanded

if TYPE_CHECKING:
    from swaplab.runs.registry import Entry

HELP = """
swaplab runs: look through the run folders, compare two, find unfinished ones, remove some, send them to the dashboard.

  swaplab runs list                                   every run under runs/
  swaplab runs list status=failed,interrupted seed=1  by name, id, status, seed, a factor, or any key of the config
  swaplab runs list norm=batch metric=val/rec         metric: what the column shows; a beginning is enough
  swaplab runs unfinished                             no result, nobody at work; with the commands that continue them
  swaplab runs diff norms/s1-0123 norms/s1-9876       what differs in two runs' configs
  swaplab runs remove norms/s1-0123 yes=true          without yes=true it asks; a living run is refused
  swaplab runs set-aside norms/s1-0123                move a run, damaged or not, to runs/.set-aside; deletes nothing
  swaplab runs sync                                   send offline W&B runs, each once; RUN or conditions choose some
  swaplab runs index                                  read all records anew

RUN is a folder, NAME/ID, or the beginning of an ID. runs=DIR: where the runs are (runs).
"""

METRICS = (
    "evaluation/final/test/score",
    "evaluation/final/val/score",
    "val/reconstruction_psnr",
)  # the column shows the first that there is
WORD = re.compile(r"([A-Za-z_][\w./-]*)=(.*)", re.DOTALL)


def run(words: Sequence[str]) -> int:
    """Do what the first word says."""
    if not words or words[0] not in COMMANDS:
        said = f"there is no subcommand {words[0]}" if words else "no subcommand given"
        raise UserError(f"{said}; write one of {', '.join(COMMANDS)}, see --help")
    given = [word.removeprefix("runs=") for word in words[1:] if word.startswith("runs=")]
    runs = expanded(given[-1] if given else "runs")
    named: list[str] = []
    settings: dict[str, str] = {}
    for word in words[1:]:
        pair = WORD.fullmatch(word)
        if pair is None or Path(word).is_dir() or (runs / word).is_dir():  # names of runs may hold = too
            named.append(word)
        elif pair[1] in settings:
            raise UserError(f"{pair[1]} is given twice; write {pair[1]}=a,b for one of several")
        else:
            settings[pair[1]] = pair[2]
    settings.pop("runs", None)
    return COMMANDS[words[0]](runs, named, settings)


def _nothing(command: str, given: Sequence[str]) -> None:
    if given:
        raise UserError(f"{command} does not take {given[0]}; see --help")


def list_runs(runs: Path, named: list[str], conditions: dict[str, str]) -> int:
    """A table of the runs that fulfil the conditions."""
    from swaplab.runs.registry import all_runs, matching

    _nothing("list", named)
    metric = conditions.pop("metric", None)
    entries = all_runs(runs)
    found = matching(entries, conditions)
    _print_table(found, metric)
    print(f"{len(found)} of {len(entries)} runs under {runs}")
    return 0


def list_unfinished(runs: Path, named: list[str], conditions: dict[str, str]) -> int:
    """The runs without a result and without a process, and how each goes on."""
    from swaplab.runs.registry import all_runs, matching, unfinished

    _nothing("unfinished", named)
    entries = all_runs(runs)
    found = unfinished(matching(entries, conditions))
    for entry in entries:
        if entry.problem is not None:
            print(f"{entry.label}: {entry.problem}", file=sys.stderr)
    if not found:
        print(f"every run under {runs} has its result, or is at work")
        return 0
    _print_table(found, None)
    print("\nto continue:")
    for entry in found:
        print("  " + shlex.join(["swaplab", "train", f"resolved={runs / entry.label / 'config.yaml'}"]))
    return 0


def _print_table(entries: "Sequence[Entry]", metric: str | None) -> None:
    """Aligned columns, one line a run, so that it reads in a terminal and through `grep`."""
    name = _metric_name(entries, metric) or "metric"
    shown = [name, name.removesuffix("score") + "psnr"] if name.endswith("/score") else [name]  # dB beside a score
    rows = [("name", "id", "seed", "status", "images", *shown, "time", "factors")]
    for e in entries:
        values = [e.metrics.get(each) for each in shown]
        numbers = [f"{value:.6g}" if isinstance(value, int | float) else "-" for value in values]
        factors = " ".join(f"{key}={level}" for key, level in e.factors.items()) or "-"
        seed, images = str(e.config.get("seed", "-")), f"{e.images_seen:,}"
        rows.append((e.name, e.id, seed, e.status, images, *numbers, _duration(e.seconds), factors))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        right = {2, *range(4, len(row) - 1)}
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  ".join(cells).rstrip())
    for entry in entries:
        if entry.problem is not None:
            print(f"{entry.label}: {entry.problem}")


def _metric_name(entries: "Sequence[Entry]", metric: str | None) -> str | None:
    """The metric of the column; UserError if what the user names is none, or several."""
    names = {name for entry in entries for name in entry.metrics}
    if metric is None:
        return next((name for name in METRICS if name in names), None)
    fitting = [metric] if metric in names else sorted(name for name in names if name.startswith(metric))
    if len(fitting) != 1 and entries:
        among = fitting or sorted(names)
        shown = ", ".join(among[:6]) + (", ..." if len(among) > 6 else "")
        raise UserError(f"metric={metric} is {'several' if fitting else 'not one'} of what was measured: {shown}")
    return fitting[0] if fitting else metric


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d}"


def show_difference(runs: Path, named: list[str], settings: dict[str, str]) -> int:
    """The keys that differ between two runs' configs, first those that can change numbers."""
    from swaplab.runs.identity import changed_keys, leaves
    from swaplab.runs.record import RunRecord
    from swaplab.runs.registry import run_folder

    _nothing("diff", list(settings))
    if len(named) != 2:
        raise UserError(f"diff compares two runs, {len(named)} are named; write swaplab runs diff RUN1 RUN2")
    folders = [run_folder(runs, name) for name in named]
    before, now = (RunRecord.load(folder).config() for folder in folders)
    first, second = dict(leaves(before)), dict(leaves(now))
    changed = changed_keys(before, now)
    neutral = sorted({key for key, _ in set(first.items()) ^ set(second.items())} - set(changed))
    if not changed + neutral:
        print(f"the configs are the same, {len(first)} keys")
        return 0
    for title, keys in (("can change numbers", changed), ("cannot change numbers", neutral)):
        if keys:
            rows = [(title, *map(str, folders)), *((k, first.get(k, "-"), second.get(k, "-")) for k in keys)]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            print("\n".join("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows))
    print(f"{len(changed) + len(neutral)} of {len(first.keys() | second.keys())} keys differ")
    return 0


def remove_runs(runs: Path, named: list[str], settings: dict[str, str]) -> int:
    """Delete the named runs, once the user has said yes."""
    from swaplab.runs.registry import check_removable, remove, run_folder

    yes = _flag(settings, "yes")
    _nothing("remove", list(settings))
    if not named:
        raise UserError("no run is named; write swaplab runs remove RUN, see `swaplab runs list`")
    folders = list(dict.fromkeys(run_folder(runs, name) for name in named))
    for folder in folders:
        check_removable(runs, folder)
    print("\n".join(f"{folder}  {_size(folder) / 1e6:.1f} MB" for folder in folders))
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("nothing is removed without an answer; write yes=true")
        if input(f"remove {len(folders)} of the runs under {runs} for good? [y/N] ").strip().lower() not in (
            "y",
            "yes",
        ):
            print("nothing is removed")
            return 1
    remove(runs, folders)
    print(f"removed {len(folders)}")
    return 0


def set_runs_aside(runs: Path, named: list[str], settings: dict[str, str]) -> int:
    """Move the named runs, damaged or not, to where no command sees them."""
    from swaplab.runs.damage import set_aside
    from swaplab.runs.registry import run_folder

    _nothing("set-aside", list(settings))
    if not named:
        raise UserError("no run is named; write swaplab runs set-aside RUN, see `swaplab runs list`")
    folders = list(dict.fromkeys(run_folder(runs, name) for name in named))
    for folder, place in zip(folders, set_aside(runs, folders), strict=True):
        print(f"{folder} is now {place}")
    return 0


def _flag(settings: dict[str, str], name: str) -> bool:
    return as_truth(name, settings.pop(name, "false"))


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def sync_runs(runs: Path, named: list[str], conditions: dict[str, str]) -> int:
    """Send offline W&B runs that were not sent yet; 1 if one could not be sent."""
    from swaplab.runs.damage import Damaged
    from swaplab.runs.offline import send, unsent, uploader
    from swaplab.runs.registry import all_runs, matching, run_folder

    if named and conditions:
        raise UserError("sync takes runs or conditions, not both; write swaplab runs sync RUN or KEY=VALUE")
    entries = [] if named else matching(all_runs(runs), conditions)
    folders = [run_folder(runs, name) for name in named] or [runs / entry.label for entry in entries]
    waiting = []
    for folder in folders:
        try:
            waiting += unsent(folder)
        except Damaged as error:
            print(error, file=sys.stderr)
    if not waiting:
        print(f"nothing to send: {len(folders)} runs have no offline part that is new and ended")
        return 0
    program, failed = uploader(), 0
    for part in waiting:
        reason = send(program, part)
        print(f"{part}: {'sent' if reason is None else reason}", file=sys.stderr if reason else sys.stdout, flush=True)
        failed += reason is not None
    print(f"sent {len(waiting) - failed} of {len(waiting)}")
    return int(failed > 0)


def rebuild_index(runs: Path, named: list[str], settings: dict[str, Any]) -> int:
    """Read every record anew."""
    from swaplab.runs.registry import INDEX, all_runs

    _nothing("index", [*named, *settings])
    print(f"{len(all_runs(runs, rebuild=True))} runs in {runs / INDEX}")
    return 0


COMMANDS: dict[str, Callable[[Path, list[str], dict[str, str]], int]] = {
    "list": list_runs,
    "unfinished": list_unfinished,
    "diff": show_difference,
    "remove": remove_runs,
    "set-aside": set_runs_aside,
    "sync": sync_runs,
    "index": rebuild_index,
}
