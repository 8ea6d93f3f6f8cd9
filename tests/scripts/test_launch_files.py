"""The launch files, with stand-ins for what a cluster has."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
STEP = """
echo "$@" > {place}/step; echo $$ > {place}/step.pid
trap 'echo asked > {place}/asked; exit 143' TERM
if [ {long} = yes ]; then while :; do sleep 0.05; done; fi
exit 3
"""
SCANCEL = 'echo "$@" > {place}/scancel; kill -TERM "$(cat {place}/step.pid)"'
NOTE = 'echo "$@" > {place}/{name}'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path


def stand_in(place: Path, name: str, text: str, **words: str) -> None:
    path = place / "bin" / name
    path.write_text("#!/bin/bash\n" + text.format(place=place, name=name, **words))
    path.chmod(0o755)


def start(place: Path, script: str, *words: str, **variables: str) -> subprocess.Popen[bytes]:
    environment = {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", **variables}
    return subprocess.Popen(["bash", str(SCRIPTS / script), *words], env=environment, cwd=place)


def slurm(place: Path, long: str) -> subprocess.Popen[bytes]:
    stand_in(place, "srun", STEP, long=long)
    stand_in(place, "scancel", SCANCEL)
    stand_in(place, "scontrol", NOTE)
    variables = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_CPUS_PER_TASK": "4"}
    return start(place, "slurm_train.sbatch", "seed=2", "tags=[a b]", **variables)


def test_a_job_whose_time_is_over_saves_and_is_put_into_the_queue_again(place: Path) -> None:
    job = slurm(place, "yes")
    while not (place / "step.pid").exists():
        time.sleep(0.05)
    time.sleep(0.3)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(20) == 143
    assert (place / "step").read_text().strip() == (
        "--kill-on-bad-exit=1 swaplab train trainer=ddp_slurm trainer.progress=false seed=2 tags=[a b]"
    )
    assert (place / "scancel").read_text().strip() == "--signal=TERM 7"
    assert (place / "asked").exists()
    assert (place / "scontrol").read_text().strip() == "requeue 7"


def test_a_job_that_fails_is_not(place: Path) -> None:
    assert slurm(place, "no").wait(20) == 3
    assert not (place / "scontrol").exists()


def test_torchrun_on_one_machine_and_on_several(place: Path) -> None:
    stand_in(place, "torchrun", NOTE)
    rest = "--max-restarts=0 -m swaplab train trainer={} trainer.devices=auto trainer.nodes=auto seed=2"
    assert start(place, "torchrun_train.sh", "seed=2", PER_NODE="2", TRAINER="ddp_cpu").wait(20) == 0
    assert (place / "torchrun").read_text().strip() == f"--standalone --nproc-per-node=2 {rest.format('ddp_cpu')}"
    assert start(place, "torchrun_train.sh", "seed=2", NODES="2", NODE="1", MAIN="host0:29400").wait(20) == 0
    assert (place / "torchrun").read_text().strip() == (
        "--nnodes=2 --node-rank=1 --master-addr=host0 --master-port=29400 --nproc-per-node=gpu " + rest.format("ddp")
    )
    assert start(place, "torchrun_train.sh", "seed=2", NODES="2").wait(20) != 0
