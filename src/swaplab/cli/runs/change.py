"""Subcommands that remove, move or upload runs, or rebuild the index."""

import sys
from pathlib import Path

from swaplab.cli.runs.asked import Asked
from swaplab.errors import UserError


def remove_runs(asked: Asked) -> int:
    """Delete the named runs after the user confirms."""
    from swaplab.config.keys import as_truth
    from swaplab.runs.registry import check_removable, remove

    yes = as_truth("yes", asked.settings.pop("yes", "false"))
    asked.refuse(asked.settings, asked.flags)
    folders = asked.folders(least=1)
    for folder in folders:
        check_removable(asked.runs, folder)
    print("\n".join(f"{folder}  {_size(folder) / 1e6:.1f} MB" for folder in folders))
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("removing runs needs a confirmation; write yes=true")
        question = f"permanently remove {len(folders)} of the runs under {asked.runs}? [y/N] "
        if input(question).strip().lower() not in ("y", "yes"):
            print("removed nothing")
            return 1
    remove(asked.runs, folders)
    print(f"removed {len(folders)}")
    return 0


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def set_runs_aside(asked: Asked) -> int:
    """Move the named runs, damaged or not, to a folder that no command reads."""
    from swaplab.runs.damage import set_aside

    asked.refuse(asked.settings, asked.flags)
    folders = asked.folders(least=1)
    for folder, place in zip(folders, set_aside(asked.runs, folders), strict=True):
        print(f"{folder} moved to {place}")
    return 0


def sync_runs(asked: Asked) -> int:
    """Upload offline W&B runs that are not uploaded yet; returns 1 if an upload failed."""
    from swaplab.experiment.uploads import whole
    from swaplab.runs.damage import Damaged
    from swaplab.runs.offline import send, unsent, uploader
    from swaplab.runs.registry import all_runs, matching

    asked.refuse(asked.flags)
    if asked.named and asked.settings:
        raise UserError("sync takes runs or conditions, not both; write swaplab runs sync RUN or KEY=VALUE")
    entries = [] if asked.named else matching(all_runs(asked.runs), asked.settings)
    folders = asked.folders() or [asked.runs / entry.label for entry in entries]
    waiting = []
    for folder in folders:
        try:
            waiting += [whole(folder, part) for part in unsent(folder)]
        except Damaged as error:
            print(error, file=sys.stderr)
    if not waiting:
        print(f"nothing to upload: {len(folders)} runs have no new offline part that has ended")
        return 0
    program, failed = uploader(), 0
    for part in waiting:
        reason = send(program, part)
        print(
            f"{part}: {'uploaded' if reason is None else reason}", file=sys.stderr if reason else sys.stdout, flush=True
        )
        failed += reason is not None
    print(f"uploaded {len(waiting) - failed} of {len(waiting)}")
    return int(failed > 0)


def rebuild_index(asked: Asked) -> int:
    """Read every record again."""
    from swaplab.runs.registry import INDEX, all_runs

    asked.refuse(asked.named, asked.settings, asked.flags)
    print(f"{len(all_runs(asked.runs, rebuild=True))} runs in {asked.runs / INDEX}")
    return 0


COMMANDS = {"remove": remove_runs, "set-aside": set_runs_aside, "sync": sync_runs, "index": rebuild_index}
