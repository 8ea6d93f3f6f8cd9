"""Checks of a machine; each finding has a consequence for the user."""

import importlib.util
import netrc
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from swaplab.errors import UserError

GB = 1e9
NEEDED = 2.0  # GB of free disk that a run with its data needs at least
# Extras of the package: a module of each, and what it is for.
EXTRAS = {
    "optuna": ("optuna", "searches (hydra/sweeper=optuna)"),
    "slurm": ("hydra_plugins.hydra_submitit_launcher", "sweeps on Slurm (hydra/launcher=submitit_slurm)"),
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "sweeps with joblib (hydra/launcher=joblib)"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "sweeps with Ray (hydra/launcher=ray)"),
    "tensorboard": ("tensorboard", "logger=tensorboard"),
    "mlflow": ("mlflow", "logger=mlflow"),
    "trackio": ("trackio", "logger=trackio"),
    "workspace": ("wandb_workspaces", "W&B workspaces (scripts/wandb_workspace.py)"),
    "perceptual": ("efficientnet_lite_pytorch", "loss/perceptual=efficientnet_lite"),
}


@dataclass(frozen=True)
class Check:
    """One finding. ``state``: ok; note: works with a limitation; wrong: will not work."""

    state: Literal["ok", "note", "wrong"]
    what: str
    found: str
    follows: str = ""


def examine() -> Iterator[Check]:
    """All checks, fast ones first."""
    yield from (system(), python())
    yield from packages()
    yield from (processor(), numbers())
    yield from gpus()
    yield from (shared_memory(), *folders(), encoder())
    yield from extras()
    yield dashboard()


def system() -> Check:
    """The operating system."""
    name, found = platform.system(), f"{platform.system()} {platform.release()} {platform.machine()}"
    if name == "Linux":
        return Check("ok", "system", found)
    if name == "Darwin":
        return Check("note", "system", found, "not tested; uses the CPU, because Apple's GPUs have no float64")
    return Check("wrong", "system", found, "runs need POSIX signals and file locks; use Linux, on Windows with WSL")


def python() -> Check:
    """The interpreter."""
    found = platform.python_version()
    follows = "" if sys.version_info[:2] == (3, 11) else "tested with Python 3.11"
    return Check("note" if follows else "ok", "Python", found, follows)


def packages() -> Iterator[Check]:
    """The required packages, and whether their versions are in the tested ranges."""
    from packaging.requirements import Requirement

    outside = 0
    requirements = [Requirement(text) for text in metadata.requires("swaplab") or ()]
    needed = [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    for requirement in needed:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            outside += 1
            yield Check("wrong", requirement.name, "missing", f"install it: pip install '{requirement}'")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            outside += 1
            follows = f"tested with {requirement.specifier}: pip install '{requirement}'"
            yield Check("wrong", requirement.name, version, follows)
    if not outside:
        shown = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "lightning", "hydra-core"))
        yield Check("ok", "packages", f"{len(needed)} within the tested ranges: {shown}")


def processor() -> Check:
    """CPU cores and threads."""
    cores, limit = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, ""
    named = os.environ.get("OMP_NUM_THREADS")
    if named:
        limit = f"OMP_NUM_THREADS={named} limits the threads of every process; unset it, or set trainer.threads"
    elif cores == 1:
        limit = "training and data loading share one core"
    return Check("note" if limit else "ok", "CPU cores", str(cores), limit)


def numbers() -> Check:
    """CPU arithmetic, and the meaning of trainer.precision=auto on the CPU."""
    import torch

    from swaplab.runs.environment import cpu_has_bfloat16

    found = torch.backends.cpu.get_cpu_capability()
    if not cpu_has_bfloat16():
        return Check("note", "CPU arithmetic", found, "no bfloat16 units: trainer.precision=auto means 32-true")
    units = "AMX" if torch.cpu._is_amx_tile_supported() else "AVX-512 bfloat16"
    return Check("ok", "CPU arithmetic", f"{found}, {units}", "trainer.precision=auto means bf16-mixed")


def gpus() -> Iterator[Check]:
    """The GPUs, and NCCL for communication between them."""
    import torch

    if not torch.cuda.is_available():
        built = f"this torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "this torch has no CUDA"
        yield Check("note", "GPU", "none", f"runs use the CPU; {built}")
        return
    count = torch.cuda.device_count()
    for index in range(count):
        properties = torch.cuda.get_device_properties(index)
        bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        found = (
            f"{properties.name}, {properties.total_memory / GB:.0f} GB, compute {properties.major}.{properties.minor}"
        )
        yield Check(
            "ok", f"GPU {index}", found, f"trainer.precision=auto means {'bf16-mixed' if bfloat16 else '32-true'}"
        )
    if torch.distributed.is_nccl_available():
        version = ".".join(map(str, torch.cuda.nccl.version()))
        yield Check("ok", "NCCL", version, f"trainer=ddp uses {count} GPU{'s' if count > 1 else ''}")
    elif count > 1:
        yield Check("note", "NCCL", "missing", "a run can use one GPU only; a sweep can use all of them")


def shared_memory() -> Check:
    """Shared memory, which holds the batches of worker processes."""
    place = Path("/dev/shm")
    if not place.is_dir():
        return Check("ok", "shared memory", "no limit")
    total = shutil.disk_usage(place).total / GB
    small = total < 0.25
    follows = "batches may not fit: start the container with --shm-size=1g, or set workers=0"
    return Check("note" if small else "ok", "shared memory", f"{total:.2f} GB", follows if small else "")


def folders() -> Iterator[Check]:
    """The folders that swaplab writes to."""
    from swaplab.marking.signer import signing_folder
    from swaplab.synthetic.dataset import cache_folder

    yield _folder("runs (runs=DIR)", Path("runs").absolute(), "runs=DIR")
    for what, find, remedy in (
        ("cache (SWAPLAB_CACHE)", lambda: cache_folder(None), "SWAPLAB_CACHE=DIR"),
        ("signing key (SWAPLAB_SIGNING)", signing_folder, "SWAPLAB_SIGNING=DIR"),
    ):
        try:
            yield _folder(what, find(), remedy)
        except UserError as error:
            yield Check("wrong", what, "no home folder", str(error))


def _folder(what: str, place: Path, remedy: str) -> Check:
    there = next(parent for parent in (place, *place.parents) if parent.exists())
    free = shutil.disk_usage(there).free / GB
    found = f"{place}, {free:.1f} GB free"
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Check("wrong", what, f"{place}: {there} is not writable", f"choose another folder with {remedy}")
    if free < NEEDED:
        return Check("note", what, found, f"a run needs about {NEEDED:.0f} GB; choose another folder with {remedy}")
    return Check("ok", what, found)


def encoder() -> Check:
    """Whether videos can be written."""
    import av

    missing = [name for name in ("libx264", "aac") if name not in av.codecs_available]
    if missing:
        return Check("wrong", "video", f"PyAV without {', '.join(missing)}", "install av from its PyPI wheel")
    return Check("ok", "video", f"PyAV {av.__version__} with H.264 and AAC")


def extras() -> Iterator[Check]:
    """The optional packages."""
    for extra, (module, use) in EXTRAS.items():
        try:
            there = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:
            there = False
        found, follows = ("installed", "") if there else ("not installed", f"for {use}: pip install 'swaplab[{extra}]'")
        yield Check("ok" if there else "note", f"extra {extra}", found, follows)


def dashboard() -> Check:
    """Whether runs can be sent to W&B."""
    base = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    host = base.rpartition("//")[2].split("/")[0]
    try:
        known = host in netrc.netrc().hosts
    except (OSError, netrc.NetrcParseError):
        known = False
    if os.environ.get("WANDB_API_KEY") or known:
        return Check("ok", "W&B", "a key is set", "logger.wandb.mode=online uploads runs while they train")
    return Check("note", "W&B", "no login", "runs stay offline; `wandb login`, then `swaplab runs sync` uploads them")
