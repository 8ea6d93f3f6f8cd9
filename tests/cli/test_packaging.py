"""The commands work from any folder, from a wheel and from an sdist as from a checkout."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from swaplab.runs.code import code_of

ROOT = Path(__file__).parents[2]
COMMANDS = ("render", "train", "evaluate", "report")


def run(*words: str | Path, cwd: Path, expect: int = 0) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(w) for w in words], cwd=cwd, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def build(kind: str, out: Path, source: Path = ROOT) -> Path:
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", out, source, cwd=out)
    return next(out.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def environment_with(wheel: Path, folder: Path) -> Path:
    """A new environment that holds the wheel and sees the packages of this one."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--ignore-installed",
        "--prefix",
        folder,
        wheel,
        cwd=folder.parent,
    )
    scripts = folder / "bin"
    for script in scripts.glob("swaplab"):
        lines = script.read_text().splitlines()
        script.write_text("\n".join([f"#!{scripts / 'python'}", *lines[1:]]) + "\n")
    return scripts


def check_commands(scripts: Path, elsewhere: Path) -> None:
    for command in COMMANDS:
        assert f"swaplab {command}:" in run(scripts / "swaplab", command, "--help", cwd=elsewhere)
    composed = run(scripts / "swaplab", "train", "--cfg", "job", "--resolve", "seed=7", cwd=elsewhere)
    assert "seed: 7" in composed
    assert "swaplab.networks.autoencoder.Autoencoder" in composed
    launcher = run(scripts / "swaplab", "train", "--cfg", "hydra", "-p", "hydra.launcher", cwd=elsewhere)
    assert "hydra_plugins.swaplab_process_launcher.launcher.ProcessLauncher" in launcher
    where = run(scripts / "python", "-c", "import swaplab; print(swaplab.__file__)", cwd=elsewhere)
    assert str(scripts.parent) in where
    program = "from swaplab.runs.code import code_of; print(code_of().digest)"
    digest = run(scripts / "python", "-c", program, cwd=elsewhere)
    assert digest.strip() == code_of().digest
    assert list(elsewhere.iterdir()) == []


def test_wheel_carries_conf_and_assets_and_runs_anywhere(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "elsewhere").mkdir()
    wheel = build("wheel", tmp_path / "dist")
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "swaplab/conf/train.yaml",
        "swaplab/conf/__init__.py",
        "swaplab/synthetic/assets/mh_head.npz",
        "hydra_plugins/swaplab_process_launcher/launcher.py",
    ):
        assert wanted in names
    assert "hydra_plugins/__init__.py" not in names  # other packages put plugins into the same one
    check_commands(environment_with(wheel, tmp_path / "venv"), tmp_path / "elsewhere")


def test_sdist_builds_the_same_wheel(tmp_path: Path) -> None:
    for name in ("dist", "wheel", "again"):
        (tmp_path / name).mkdir()
    with tarfile.open(build("sdist", tmp_path / "dist")) as archive:
        archive.extractall(tmp_path / "source", filter="tar")
    unpacked = next((tmp_path / "source").iterdir())
    direct, through = build("wheel", tmp_path / "wheel"), build("wheel", tmp_path / "again", unpacked)
    assert sorted(zipfile.ZipFile(direct).namelist()) == sorted(zipfile.ZipFile(through).namelist())


@pytest.mark.slow
def test_a_new_environment_installs_everything_and_runs_anywhere(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    wheel = build("wheel", tmp_path / "dist")
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    scripts = tmp_path / "venv" / "bin"
    install = (scripts / "python", "-m", "pip", "install", "-q")
    run(*install, "-r", ROOT / "constraints.txt", cwd=tmp_path)
    run(*install, "--no-deps", wheel, cwd=tmp_path)
    (tmp_path / "elsewhere").mkdir()
    check_commands(scripts, tmp_path / "elsewhere")
