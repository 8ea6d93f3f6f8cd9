"""An ablation to its verdict, and its end by Ctrl-C, under launchers that other packages bring."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

import swaplab
from swaplab.runs.record import RunRecord

LAUNCHERS = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit_local": ["hydra/launcher=submitit_local"],
    "ray": [
        "hydra/launcher=ray",
        "+hydra.launcher.ray.init.num_cpus=2",
        "+hydra.launcher.ray.init.include_dashboard=false",
    ],
}
QUIET_RAY = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "300"}


@pytest.fixture(scope="session")
def ray(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with Ray and its launcher: SWAPLAB_RAY_PYTHON, or a new environment above this one.

    It is one of its own, because the launcher needs an older cloudpickle than joblib.
    """
    if "SWAPLAB_RAY_PYTHON" in os.environ:
        return os.environ["SWAPLAB_RAY_PYTHON"]
    folder = tmp_path_factory.mktemp("ray")
    installed = [
        f"{it.name}=={it.version}" for it in metadata.distributions() if it.name not in ("cloudpickle", "swaplab")
    ]
    (folder / "constraints.txt").write_text("\n".join(installed))
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    [launcher] = [it for it in metadata.requires("swaplab") or () if it.startswith("hydra-ray-launcher")]
    words = ["-m", "pip", "install", "--quiet", "-c", folder / "constraints.txt", launcher.partition(";")[0]]
    done = subprocess.run([python, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"Ray's launcher cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    [packages] = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "base.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return str(python)


@pytest.fixture(params=LAUNCHERS)
def start(
    request: pytest.FixtureRequest,
    tiny: list[str],
    own_plan: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts `swaplab ablation COMMAND ...` in a folder of its own; ``run`` gets the launcher and two small people."""
    python = request.getfixturevalue("ray") if request.param == "ray" else sys.executable
    if python == sys.executable:
        pytest.importorskip(f"hydra_plugins.hydra_{request.param.partition('_')[0]}_launcher")
    own_plan(seeds=[1], split="val")
    monkeypatch.setenv("PYTHONPATH", str(Path(swaplab.__file__).parents[1]))
    for name, value in QUIET_RAY.items():
        monkeypatch.setenv(name, value)
    started = []

    def begin(command: str, *words: str) -> "subprocess.Popen[str]":
        more = [*tiny, *LAUNCHERS[request.param]] if command == "run" else []
        line = [python, "-m", "swaplab", "ablation", command, "--config-dir", "own", "mine", *more, *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(line, cwd=tmp_path, text=True, start_new_session=True, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def records(tmp_path: Path) -> list[RunRecord]:
    return [RunRecord.load(path.parent) for path in sorted((tmp_path / "runs").glob("*/*/run.json"))]


@pytest.mark.slow
def test_an_ablation_comes_to_its_verdict(start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> None:
    run = start("run", "budget.images=16")
    out, _ = run.communicate(timeout=1200)
    assert run.returncode == 0, out
    assert "2 jobs: 2 complete" in out
    assert {record.config()["factors"]["norm"] for record in records(tmp_path)} == {"none", "group"}
    assert all((record.folder / "evaluation/final/val.json").exists() for record in records(tmp_path))
    report = start("report", f"runs={tmp_path / 'runs'}")
    out, _ = report.communicate(timeout=300)
    assert report.returncode == 0, out
    assert "verdict: " in out
    assert "norm" in (tmp_path / "runs" / "mine" / "report.html").read_text()
    again = start("run", "budget.images=16")
    out, _ = again.communicate(timeout=300)
    assert (again.returncode, out.count("already finished"), "2 jobs for" in out) == (0, 2, False)


@pytest.mark.slow
def test_ctrl_c_saves_the_runs_before_the_launcher_kills_them(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    endless = ("budget.images=10000000", "every.checkpoint=0", "every.validate=0", "every.sample=0")
    run = start("run", *endless)
    until = time.monotonic() + 600
    while [record.newest().get("images_seen", 0) >= 32 for record in records(tmp_path)].count(True) < 2:
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.2)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=120)
    assert run.returncode == -signal.SIGINT, out
    assert "swaplab ablation: stopped by SIGINT; the same command resumes" in out
    assert "Traceback" not in out
    for record in records(tmp_path):
        assert (record.status, record.facts["exit_reason"]) == ("interrupted", "stopped by SIGTERM")
        assert (record.checkpoints / "last.ckpt").exists()
