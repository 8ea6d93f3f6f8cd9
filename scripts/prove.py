"""make prove RUN=...: show that changed code gives a run's losses bit for bit, so that the run may resume with it.

  python scripts/prove.py run=RUN before=../old [images=640] [runs=runs]

RUN is a folder, NAME/ID, the beginning of an ID, NAME if it has one run, or last, under the folder ``runs``.
``before`` is a checkout of the code that made the run (its commit is in run.json: git worktree add ../old COMMIT). Omit
it if only a package of your own has changed, because its old sources are in the run's folder. Both versions train the
run's config from the start for ``images`` images. If every loss of every step and every weight are equal, this is
recorded in RUNS/.proofs.jsonl, which swaplab train reads. It proves nothing about later images.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from swaplab.errors import UserError
from swaplab.places import expanded
from swaplab.runs.code import PROOFS, environment_of
from swaplab.runs.equality import first_difference, first_unlike
from swaplab.runs.identity import config_hash
from swaplab.runs.naming import run_folder
from swaplab.runs.record import RunRecord, now
from swaplab.training.checkpoint import LAST, average_of, load_checkpoint, networks_of

HERE = Path(__file__).parents[1]
CLOCK = "train/images_per_second"  # the only value that is not reproducible


def main() -> None:
    """Entry point."""
    try:
        settings = dict(word.split("=", 1) for word in sys.argv[1:])
        run = run_folder(expanded(settings.get("runs", "runs")), settings["run"])
        equal = prove(run, Path(settings.get("before", HERE)), int(settings.get("images", 640)))
    except (ValueError, KeyError):
        raise SystemExit(__doc__) from None
    except UserError as error:
        print(f"prove: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    raise SystemExit(0 if equal else 1)


def prove(run: Path, before: Path, images: int) -> bool:
    """Whether both versions of the code give the same results; if so, record it beside the run."""
    record = RunRecord.load(run)
    config = record.config()
    with tempfile.TemporaryDirectory() as place:
        sources = Path(place) / "sources"
        for packed in (run / "code").glob(f"{record.codes[-1]}.zip"):
            zipfile.ZipFile(packed).extractall(sources)
        old = trial(config, images, Path(place) / "old", [sources, before.resolve() / "src"])
        new = trial(config, images, Path(place) / "new", [HERE / "src"])
        if not set(old.codes) & set(record.codes):
            raise UserError(f"{before} is not the code that made {run}; check out the commit in its run.json")
        difference = difference_of(old, new)
    if difference is not None:
        print(f"different: {difference}; nothing was recorded")
        return False
    proofs = Path(config["runs"]) / PROOFS
    proof = {"config": config_hash(config), "codes": [*old.codes, *new.codes], "images": images, "proven": now()}
    with proofs.open("a") as file:
        file.write(json.dumps(proof) + "\n")
    print(f"the same losses and weights over {images} images; recorded in {proofs}")
    return True


def trial(config: dict[str, Any], images: int, place: Path, paths: list[Path]) -> RunRecord:
    """Train the first images of a run with the code in ``paths``, reporting all losses of all steps."""
    never = dict.fromkeys(config["every"], 0) | {"report": 1}
    trial = config | {"runs": str(place), "name": "trial", "run_id": "trial", "every": never}
    trial |= {"budget": config["budget"] | {"session_images": images}, "logger": {}}
    place.mkdir()
    (place / "config.yaml").write_text(yaml.safe_dump(trial, sort_keys=False))
    command = [sys.executable, "-m", "swaplab", "train", f"resolved={place / 'config.yaml'}"]
    done = subprocess.run(command, env=environment_of(paths), capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the code in {paths[-1]} cannot train this config: {done.stderr.strip().splitlines()[-1]}")
    return RunRecord.load(place / "trial" / "trial")


def difference_of(one: RunRecord, other: RunRecord) -> str | None:
    """A description of the first difference between two runs; None if they are equal."""
    rows = [[{k: v for k, v in row.items() if k != CLOCK} for row in record.metrics()] for record in (one, other)]
    states = [load_checkpoint(record.checkpoints / LAST) for record in (one, other)]
    weights = [
        networks_of(state) | {f"average.{name}": weight for name, weight in average_of(state).items()}
        for state in states
    ]
    return first_difference(*rows, first=0) or first_unlike(*weights)  # row 0 is the untrained network's


if __name__ == "__main__":
    main()
