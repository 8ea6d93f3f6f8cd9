"""make prove BASE=COMMIT: show that no experiment's numbers have moved since a commit.

  python scripts/prove_base.py base=COMMIT [steps=50] [experiments=quick,cyclegan] [jobs=1]

Trains every experiment of conf/experiment twice, with the code of COMMIT and with the code of this checkout as it lies
here, changes that are not committed included: at size=tiny, in float64, on a few rendered faces. The budget is exactly
``steps`` steps, so schedules, phases and actions pass from their start to their end. Compares every loss of every step
and the final averaged generator bit for bit, and prints one line per experiment: equal, or the first difference, or
what one of the versions complains of. A loss whose values are equal under another name is equal; its line says so. An
experiment that COMMIT does not have is new, and is not compared. ``jobs`` experiments train at a time.

Exit code 0 if all experiments that COMMIT has are equal, 1 if not, 2 for bad input. COMMIT is checked out as a
temporary git worktree. Faces are cached as always (SWAPLAB_CACHE).
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from torch import Tensor

from swaplab import compose
from swaplab.errors import UserError
from swaplab.runs.code import environment_of
from swaplab.runs.equality import Step, first_difference, first_unlike, renamed
from swaplab.runs.record import ENDED, RunRecord
from swaplab.runs.weights import FINAL, load_weights
from swaplab.stopping import Stopped, obey, shielded, stop_requests, stoppable
from swaplab.training.assemble import parts_of

HERE = Path(__file__).resolve().parents[1]
SETTINGS = ("base", "steps", "experiments", "jobs")
LOSS = "loss/"  # the beginning of a loss's name

# What the numbers depend on, in as few words as possible: both versions must know them all.
WORDS = (
    "size=tiny",
    "trainer.precision=64-true",
    "batch_size=2",
    "seed=1",
    "data.profile.default.clips={train: 4, val: 1, test: 1}",
    "data.profile.default.images={train: 4, val: 2, test: 2}",
)
# What they do not depend on. A version that lacks such a key or option trains without it.
QUIET = (
    "workers=0",
    "logger=none",
    "every.report=1",
    "every.validate=0",
    "every.sample=0",
    "every.checkpoint=0",
)
# One thread on the CPU: sums in another order differ in the last bit.
DEVICE = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

EQUAL, DIFFERENT, NEW = "equal", "different", "new"


@dataclass(frozen=True)
class Trial:
    """What training with one version left: its status, the losses of each step, the final weights, the data's hash."""

    status: str
    losses: list[Step]
    weights: dict[str, Tensor]
    data: str | None


def main() -> None:
    """Entry point."""
    try:
        with stoppable():
            settings = parsed(sys.argv[1:])
            names, steps, jobs = chosen(settings), whole(settings, "steps", 50), whole(settings, "jobs", 1)
            with checked_out(commit_of(settings.get("base", ""))) as base:
                equal = asyncio.run(prove(base, names, steps, jobs))
    except Stopped as stopped:
        print(f"prove: {stopped}", file=sys.stderr)
        raise SystemExit(128 + stopped.number) from None
    except UserError as error:
        print(f"prove: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    raise SystemExit(0 if equal else 1)


def parsed(words: Sequence[str]) -> dict[str, str]:
    """The settings of a command line. Raises UserError for an unknown one."""
    settings = dict(word.partition("=")[::2] for word in words)
    unknown = [name for name in settings if name not in SETTINGS]
    if unknown:
        raise UserError(f"there is no setting {unknown[0]}; choose from {', '.join(SETTINGS)}")
    return settings


def whole(settings: dict[str, str], name: str, default: int) -> int:
    """A setting that counts something. Raises UserError unless it is at least 1."""
    text = settings.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{name}={text} must be a whole number of at least 1; correct it")
    return int(text)


def chosen(settings: dict[str, str]) -> list[str]:
    """The experiments to compare, all by default. Raises UserError for one that this checkout does not have."""
    known = sorted(file.stem for file in (HERE / "conf/experiment").glob("*.yaml"))
    names = settings["experiments"].split(",") if "experiments" in settings else known
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"there is no experiment '{unknown[0]}'; choose from {', '.join(known)}")
    return list(dict.fromkeys(names))


def commit_of(base: str) -> str:
    """The full hash of a commit. Raises UserError if there is none."""
    done = git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
    if not base or done.returncode:
        raise UserError(f"base={base} is not a commit of {HERE}; choose one from git log")
    return done.stdout.strip()


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A temporary worktree of a commit. Raises UserError if git cannot make it."""
    with tempfile.TemporaryDirectory(prefix="swaplab-prove-") as place:
        folder = Path(place) / "base"
        try:
            done = git("worktree", "add", "--detach", str(folder), commit)
            obey()
            if done.returncode:
                raise UserError(f"git cannot check out {commit}: {last_line(done.stderr)}")
            yield folder
        finally:
            git("worktree", "remove", "--force", str(folder))


def git(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run git in this checkout to its end, whatever signal arrives."""
    with stop_requests(), shielded():
        return subprocess.run(["git", "-C", str(HERE), *words], capture_output=True, text=True, check=False)


async def prove(base: Path, names: Sequence[str], steps: int, jobs: int) -> bool:
    """Compare experiments and print a line for each; whether some were compared and all of these are equal."""
    places, counts = asyncio.Semaphore(jobs), Counter[str]()

    async def one(name: str) -> None:
        async with places:
            started = time.monotonic()
            kind, text = await verdict(base, name, steps)
            counts[kind] += 1
            print(f"{name:{max(map(len, names))}}  {text} ({time.monotonic() - started:.0f} s)", flush=True)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))
    print(", ".join(f"{counts[kind]} {kind}" for kind in (EQUAL, DIFFERENT, NEW)))
    return counts[EQUAL] > 0 and counts[DIFFERENT] == 0


async def verdict(base: Path, name: str, steps: int) -> tuple[str, str]:
    """Train an experiment with both versions; which kind the result is, and the words for it."""
    if not (base / f"conf/experiment/{name}.yaml").exists():
        return NEW, "new experiment"
    with tempfile.TemporaryDirectory(prefix="swaplab-prove-") as place:
        try:
            words = [f"experiment={name}", *WORDS]
            words.append(f"budget.images={steps * images_per_step(words)}")
            old = await trial("the base", base, words, Path(place) / "old")
            new = await trial("this checkout", HERE, words, Path(place) / "new")
        except UserError as error:
            return DIFFERENT, str(error)
    return compared(old, new, steps)


def images_per_step(words: Sequence[str]) -> int:
    """Faces that a step of a config takes: of all identities, in all its batches."""
    config = compose(*words)
    identities = tuple(config["data"]["identities"])
    return int(config["batch_size"]) * len(identities) * parts_of(config, identities)


async def trial(version: str, code: Path, words: Sequence[str], runs: Path) -> Trial:
    """Train with the code in a checkout. Raises UserError with what it complains of."""
    command = [sys.executable, "-m", "swaplab", "train", *words, *known_words(code / "conf"), f"runs={runs}"]
    out, complaints = await output_of(command, environment_of([code / "src"]) | DEVICE)
    record = next(runs.glob("*/*/run.json"), None)
    facts = json.loads(record.read_text()) if record is not None else {}
    if record is None or facts["status"] not in ENDED:
        raise UserError(f"{version} does not train it: {last_line(complaints) or last_line(out)}")
    rows = RunRecord(record.parent).metrics()
    losses = [{name: value for name, value in row.items() if name.startswith(LOSS)} for row in rows]
    final = record.parent / "checkpoints" / FINAL
    return Trial(
        facts["status"],
        [step for step in losses if step],  # the first row is of the untrained network
        load_weights(final) if final.exists() else {},
        facts.get("data", {}).get("digest"),
    )


def known_words(conf: Path, words: Sequence[str] = QUIET) -> list[str]:
    """Those of the words whose key, or whose option of a group, a version's config folder has."""
    config = yaml.safe_load((conf / "train.yaml").read_text())

    def known(word: str) -> bool:
        key, _, value = word.partition("=")
        node = config
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                return (conf / key / f"{value}.yaml").exists()
            node = node[part]
        return True

    return [word for word in words if known(word)]


async def output_of(command: Sequence[str], environment: dict[str, str]) -> tuple[str, str]:
    """What a process prints and what it complains of. It is killed if this is cancelled."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)
    try:
        out, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(errors="replace"), complaints.decode(errors="replace")


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def compared(old: Trial, new: Trial, steps: int) -> tuple[str, str]:
    """Which kind the result of two trials is, and the words for it."""
    names = renamed(old.losses, new.losses)
    before = [{names.get(name, name): value for name, value in step.items()} for step in old.losses]
    difference = first_difference(before, new.losses) or first_unlike(old.weights, new.weights)
    if difference is not None:
        cause = "" if old.data == new.data else "the rendered faces differ; "
        return DIFFERENT, f"different: {cause}{difference}"
    diverged = new.status != "complete"
    if len(new.losses) < steps and not diverged:
        return DIFFERENT, f"not compared: only {len(new.losses)} of {steps} steps report their losses"
    count = len({name for step in new.losses for name in step})
    text = f"equal: {count} losses over {len(new.losses)} steps, {len(new.weights)} weights"
    text += "; then both diverge" if diverged else ""
    return EQUAL, text + "".join(f"; {name} is now {other}" for name, other in names.items())


if __name__ == "__main__":
    main()
