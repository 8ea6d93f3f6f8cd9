"""Every ``trainer=`` on every kind of machine: what a run starts, what a sweep gives its jobs, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.trainer.connectors.accelerator_connector import _AcceleratorConnector

import swaplab
import swaplab.conf
from swaplab.devices import BOTH, backend_of, device_named, on_gpu
from swaplab.errors import UserError
from swaplab.runs.environment import PRECISIONS, resolve_precision
from swaplab.sweeps.jobs import Job
from swaplab.sweeps.slots import Slots
from swaplab.training.launch import find_ranks
from swaplab.training.speed import peak_memory_mb

FILES = sorted((Path(next(iter(swaplab.conf.__path__))) / "trainer").glob("*.yaml"))
OPTIONS = {path.stem: swaplab.compose(f"trainer={path.stem}")["trainer"] for path in FILES}
LAUNCHERS = ("TORCHELASTIC", "SLURM", "WORLD_SIZE", "LOCAL_", "RANK", "GROUP_", "MASTER_", "SWAPLAB_RANK")
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8", "RANK": "9", "LOCAL_RANK": "1"}
SRUN = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "16", "SLURM_NNODES": "2", "SLURM_PROCID": "9"}
MACHINES = {"no GPU": (0, {}), "1 GPU": (1, {}), "8 GPUs": (8, {}), "torchrun": (8, TORCHRUN), "srun": (8, SRUN)}

NO_GPU = "sees no GPU; use trainer=ddp_cpu"
NO_SRUN = "trainer.launcher=srun, but srun did not start several tasks"
TWO_OF_8 = "trainer.devices=2, but {} started 8 processes per machine"
ONE_OF_8 = "trainer.devices=1, but {} started 8 processes per machine"
# A run there: processes per machine, machines, the backend; or the error.
RUNS: dict[str, dict[str, tuple[int, int, str] | str]] = {
    "auto": {
        "no GPU": (1, 1, "gloo"),
        "1 GPU": (1, 1, BOTH),
        "8 GPUs": (1, 1, BOTH),
        "torchrun": ONE_OF_8.format("torchrun"),
        "srun": ONE_OF_8.format("srun"),
    },
    "ddp": {
        "no GPU": NO_GPU,
        "1 GPU": (1, 1, BOTH),
        "8 GPUs": (8, 1, BOTH),
        "torchrun": (8, 2, BOTH),
        "srun": (8, 2, BOTH),
    },
    "ddp_cpu": {
        "no GPU": (2, 1, "gloo"),
        "1 GPU": (2, 1, "gloo"),
        "8 GPUs": (2, 1, "gloo"),
        "torchrun": TWO_OF_8.format("torchrun"),
        "srun": TWO_OF_8.format("srun"),
    },
    "ddp_slurm": {
        "no GPU": NO_SRUN,
        "1 GPU": NO_SRUN,
        "8 GPUs": NO_SRUN,
        "torchrun": (8, 2, BOTH),
        "srun": (8, 2, BOTH),
    },
}
# The jobs of a sweep there: the GPUs that the first one sees, and how many run at once; or the error.
NEVER = "this sweep has 0 GPU"
ELSEWHERE = "trainer.launcher=srun, but these jobs run on this machine"
SWEEPS: dict[str, dict[str, tuple[str, int] | str]] = {
    "auto": {"no GPU": ("", 16), "1 GPU": ("0", 1), "8 GPUs": ("0", 8)},
    "ddp": {"no GPU": NEVER, "1 GPU": ("0", 1), "8 GPUs": ("0,1,2,3,4,5,6,7", 1)},
    "ddp_cpu": {"no GPU": ("", 8), "1 GPU": ("", 8), "8 GPUs": ("", 8)},
    "ddp_slurm": {"no GPU": ELSEWHERE, "1 GPU": ELSEWHERE, "8 GPUs": ELSEWHERE},
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this machine one of `MACHINES`, with 16 cores."""
    import os

    def become(name: str) -> None:
        gpus, variables = MACHINES[name]
        for variable in list(os.environ):
            if variable.startswith(LAUNCHERS) or variable == "CUDA_VISIBLE_DEVICES":
                monkeypatch.delenv(variable)
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)

    return become


def test_the_tables_name_every_option() -> None:
    assert set(OPTIONS) == set(RUNS) == set(SWEEPS)


@pytest.mark.parametrize(("option", "name"), [(option, name) for option in RUNS for name in RUNS[option]])
def test_what_a_run_starts(machine: Callable[[str], None], option: str, name: str) -> None:
    machine(name)
    expected, settings = RUNS[option][name], OPTIONS[option]
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            find_ranks(settings)
        return
    ranks = find_ranks(settings)
    assert (ranks.devices, ranks.nodes, backend_of(settings)) == expected


@pytest.mark.parametrize(("option", "name"), [(option, name) for option in SWEEPS for name in SWEEPS[option]])
def test_what_a_sweep_gives_its_jobs(machine: Callable[[str], None], option: str, name: str) -> None:
    machine(name)
    expected, job = SWEEPS[option][name], Job("a", {"trainer": OPTIONS[option]})
    if isinstance(expected, str):
        with pytest.raises(UserError, match=f"^a: .*{expected}"):
            Slots([job])
        return
    slots, shares = Slots([job]), []
    while (share := slots.take(job)) is not None:
        shares.append(share.environment["CUDA_VISIBLE_DEVICES"])
    assert (shares[0], len(shares)) == expected


@pytest.mark.parametrize("name", ["1 GPU", "8 GPUs"])
def test_a_job_takes_what_it_was_given(
    machine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also if hydra.launcher.slots reserves GPUs."""
    machine(name)
    for count in (None, 1, 4):
        share = Slots([Job("a", {"trainer": OPTIONS["ddp"]})], count).take(Job("a", {"trainer": OPTIONS["ddp"]}))
        assert share is not None
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", share.environment["CUDA_VISIBLE_DEVICES"])
        monkeypatch.setattr(torch.cuda, "device_count", lambda share=share: len(share.ids))
        assert find_ranks(OPTIONS["ddp"]).devices == len(share.ids) == min(count or 8, MACHINES[name][0])
        machine(name)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("8 GPUs", {"accelerator": "auto", "backend": None}, BOTH),
        ("8 GPUs", {"accelerator": "gpu", "backend": "gloo"}, "gloo"),
        ("8 GPUs", {"accelerator": "gpu", "backend": "nccl"}, "counts are exchanged on the CPU"),
        ("8 GPUs", {"accelerator": "cpu", "backend": None}, "gloo"),
        ("no GPU", {"accelerator": "cpu", "backend": BOTH}, "set it to null, which means gloo"),
        ("no GPU", {"accelerator": "cpu", "backend": "mpi"}, "trainer.backend=mpi does not work on CPUs"),
        ("no GPU", {"accelerator": "mps", "backend": None}, "trainer.accelerator=mps must be one of auto, cpu"),
    ],
)
def test_what_processes_talk_through(
    machine: Callable[[str], None], name: str, settings: dict[str, Any], expected: str
) -> None:
    machine(name)
    if expected in (BOTH, "gloo"):
        assert backend_of(settings) == expected
        return
    with pytest.raises(UserError, match=expected):
        backend_of(settings)


def test_a_mac_computes_on_its_processor(machine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    machine("no GPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert not on_gpu(OPTIONS["auto"])
    memory = peak_memory_mb()
    monkeypatch.setattr("sys.platform", "darwin")
    assert peak_memory_mb() < memory / 500  # the same number, in bytes there


WIDTHS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "64-true": torch.float64}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_computes_what_it_says(precision: str) -> None:
    plugin = _AcceleratorConnector(accelerator="cpu", precision=precision).precision_plugin  # type: ignore[arg-type]
    assert isinstance(plugin, Precision)
    assert plugin.precision == precision
    layer = plugin.convert_module(torch.nn.Linear(2, 2))
    with plugin.forward_context():
        assert layer(plugin.convert_input(torch.ones(1, 2))).dtype == WIDTHS[precision]


@pytest.mark.parametrize(
    ("name", "precision", "hardware", "expected"),
    [
        *((name, precision, True, precision) for name in ("no GPU", "1 GPU") for precision in PRECISIONS),
        ("no GPU", "auto", True, "bf16-mixed"),
        ("no GPU", "auto", False, "32-true"),
        ("1 GPU", "auto", True, "bf16-mixed"),
        ("1 GPU", "auto", False, "32-true"),  # torch would emulate it
        *((name, other, True, None) for name in ("no GPU", "1 GPU") for other in ("16-mixed", "fp16", "16-true", None)),
        *(("no GPU", other, True, None) for other in (16, 32, "32", "bf16", "bf16-true", "transformer-engine")),
    ],
)
def test_what_is_recorded_is_what_is_computed(
    machine: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    precision: Any,
    hardware: bool,
    expected: str | None,
) -> None:
    machine(name)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or hardware
    )
    monkeypatch.setattr("swaplab.runs.environment.cpu_has_bfloat16", lambda: hardware)
    settings = {"accelerator": "auto", "precision": precision}
    if expected is None:
        with pytest.raises(UserError, match=f"trainer.precision={precision} is not supported; choose auto, 32-true"):
            resolve_precision(settings)
        return
    assert resolve_precision(settings) == expected


@pytest.mark.parametrize(
    ("name", "gpus", "means"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 2, "cpu"),
        ("cuda", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
        ("cuda", 0, "device=cuda is not there: of GPUs this process sees none; set device=auto"),
        ("cuda:2", 2, "device=cuda:2 is not there: of GPUs this process sees only 2, numbered from 0; set device=auto"),
        ("cuda:", 2, "device=cuda: must be auto, cpu, cuda or cuda:N"),
        ("gpu", 2, "device=gpu must be auto, cpu, cuda or cuda:N"),
    ],
)
def test_the_device_of_a_command(name: str, gpus: int, means: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if not means.startswith("device="):
        assert device_named(name) == torch.device(means)
        return
    with pytest.raises(UserError) as error:
        device_named(name)
    assert str(error.value) == means
