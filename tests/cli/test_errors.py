"""Bad input: one sentence that names what, where and what to do; exit code 2; nothing written, nothing lost."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from swaplab.runs.record import RunRecord

Command = Callable[..., tuple[int, str, str]]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def refused(command: Command, name: str, words: list[str], output: Path, *parts: str) -> str:
    """Run a command that must refuse; returns its sentence."""
    before = snapshot(output) if output.exists() else None
    code, _, complaint = command(name, *words)
    assert code == 2, complaint
    lines = complaint.strip().splitlines()
    assert len([line for line in lines if line.startswith(f"swaplab {name}: ")]) == 1
    assert "Traceback" not in complaint
    for part in parts:
        assert part in complaint
    assert (snapshot(output) if output.exists() else None) == before
    return complaint


def test_unknown_key_and_unknown_option(command: Command, tiny: list[str], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    refused(command, "train", [*tiny, "sede=3"], runs, "sede", "--help")
    refused(command, "train", [*tiny, "mask=lerned"], runs, "mask/lerned", "learned", "none")
    refused(command, "train", [*tiny, "+generator.depth=3"], runs, "generator.depth", "width")
    refused(command, "train", [*tiny, "+optimizer.generator.lrr=3"], runs, "optimizer.generator.lrr")
    refused(
        command,
        "train",
        [*tiny, "logger=wandb", "logger.wandb.mode=loud"],
        runs,
        "logger.wandb.mode=loud",
        "offline, online or disabled",
    )


def test_one_identity_has_nobody_to_swap_with(command: Command, tiny: list[str], tmp_path: Path) -> None:
    words = [word for word in tiny if not word.startswith("data.identities.B")]
    refused(command, "train", [*words, "~data.identities.B"], tmp_path / "runs", "data.identities has only A")


def test_missing_folder(command: Command, tiny: list[str], tmp_path: Path) -> None:
    words = [*tiny, f"data.identities.A={tmp_path / 'gone'}"]
    refused(
        command,
        "train",
        words,
        tmp_path / "runs",
        str(tmp_path / "gone"),
        "does not exist",
        "check the path",
    )
    nowhere = [f"run={tmp_path / 'gone'}", f"runs={tmp_path / 'runs'}"]
    refused(command, "evaluate", nowhere, tmp_path / "runs", "is not a run folder")


def test_truncated_picture(command: Command, tiny: list[str], facesets: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(facesets["A"], tmp_path / "A")
    picture = folder / "faces" / "000003.png"
    picture.write_bytes(picture.read_bytes()[:100])
    words = [*tiny, f"data.identities.A={folder}"]
    refused(
        command,
        "train",
        words,
        tmp_path / "runs",
        str(picture),
        "truncated or changed",
        "create the faceset again",
    )


def test_identity_without_ground(command: Command, tiny: list[str], facesets: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(facesets["A"], tmp_path / "A")
    header = json.loads((folder / "faceset.json").read_text())
    del header["ground"]
    (folder / "faceset.json").write_text(json.dumps(header))
    words = [*tiny, f"data.identities.A={folder}"]
    refused(command, "train", words, tmp_path / "runs", str(folder), "has no ground", "add ground.kind")


def test_fewer_faces_than_a_batch(command: Command, tiny: list[str], tmp_path: Path) -> None:
    refused(command, "train", [*tiny, "batch_size=500"], tmp_path / "runs", "500", "batch_size")


def test_output_that_cannot_be_written(command: Command, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    words = [*tiny, f"runs={tmp_path / 'file'}"]
    refused(
        command,
        "train",
        words,
        tmp_path / "runs",
        str(tmp_path / "file"),
        "cannot be written",
        "runs=DIR",
    )
    assert (tmp_path / "file").read_text() == "mine"


def test_full_disk(command: Command, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 1000))
    refused(command, "train", tiny, tmp_path / "runs", "GB free", "checkpoints need", "runs=DIR")


def test_checkpoint_of_another_architecture(
    command: Command, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWAPLAB_PACKAGES", "")
    assert command("train", *tiny, "run_id=first")[0] == 0
    words = [*tiny, "generator.latent=32", "run_id=first"]
    refused(command, "train", words, tmp_path / "runs", "another config", "generator.latent", "another run_id")
    other = [*tiny, "generator.latent=32", f"init_from={{run: {tmp_path / 'runs' / 'quick' / 'first'}}}"]
    refused(
        command,
        "train",
        other,
        tmp_path / "runs",
        "another architecture",
        "encoder.squeeze",
        "use the config",
    )
    run = tmp_path / "runs" / "quick" / "first"
    forge(run, "latent: 16", "latent: 32")
    refused(
        command,
        "evaluate",
        [f"run={run}"],
        run,
        "final.safetensors",
        "another architecture",
        "use the config",
    )


def forge(run: Path, old: str, new: str) -> None:
    """Change a run's config so that its record agrees."""
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(old, new))
    RunRecord.load(run).update(config_sha256=hashlib.sha256((run / "config.yaml").read_bytes()).hexdigest())


def test_the_two_attacks_fail(command: Command, tiny: list[str], tmp_path: Path) -> None:
    refused(
        command,
        "train",
        [*tiny, "generator._target_=torch.utils.collect_env.run", "+generator.command=touch evil"],
        tmp_path / "runs",
        "torch.utils.collect_env.run",
        "not allowed",
        "SWAPLAB_PACKAGES",
    )
    outside = tmp_path / "outside" / "experiment"
    outside.mkdir(parents=True)
    touched = tmp_path / "evil"
    (outside / "fine.yaml").write_text(
        "# @package _global_\n"
        "hydra:\n  job_logging:\n    version: 1\n    handlers:\n"
        f"      h: {{'()': os.system, command: 'touch {touched}'}}\n    root: {{handlers: [h]}}\n"
    )
    words = ["--config-dir", str(outside.parent), "experiment=fine", *tiny]
    refused(command, "train", words, tmp_path / "runs", "outside", "hydra's own settings", "remove")
    assert not touched.exists()


def test_a_strangers_run_folder_runs_no_code(command: Command, tiny: list[str], tmp_path: Path) -> None:
    assert command("train", *tiny, "run_id=theirs")[0] == 0
    run = tmp_path / "runs" / "quick" / "theirs"
    forge(run, "swaplab.networks.autoencoder.Autoencoder", "torch.utils.collect_env.run")
    refused(command, "evaluate", [f"run={run}"], run, "torch.utils.collect_env.run", "not allowed")


def test_a_user_without_a_home_is_told_what_to_set(
    command: Command, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_: object) -> None:
        raise KeyError("uid not found")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "SWAPLAB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    words = [word for word in tiny if not word.startswith("data")]
    refused(command, "train", words, tmp_path / "runs", "home folder", "SWAPLAB_CACHE=DIR", "set HOME")
    refused(command, "evaluate", ["run=~/mine"], tmp_path / "runs", "~/mine", "write the whole path")
    assert command("train", *tiny)[0] == 0  # who needs no home is not asked for one
