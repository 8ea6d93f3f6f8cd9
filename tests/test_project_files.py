"""The files around the code say what the code says: citation, changelog, workflow, hooks, images, locks, help."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOWEST = PROJECT["requires-python"].removeprefix(">=")
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
LOCK, DOCS = ROOT / "constraints.txt", ROOT / "docs" / "requirements.txt"
IMAGES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_the_citation_is_of_this_version() -> None:
    citation = read_yaml("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_the_changelog_has_the_form_it_names() -> None:
    headings = re.findall(r"^##+ (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert headings[0] == "[Unreleased]"
    assert all(heading in kinds or re.match(r"\[[\w.]+\]( - \d{4}-\d\d-\d\d)?$", heading) for heading in headings)


def test_the_workflow_runs_what_contributors_run_on_the_lowest_python() -> None:
    jobs = read_yaml(".github/workflows/check.yml")["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert {".ci/run", "make docs"} <= {step.get("run") for step in steps}
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name) for name in used), used
    pythons = [step["with"] for step in steps if "setup-python" in step.get("uses", "")]
    assert {python["python-version"] for python in pythons} == {LOWEST}
    assert all((ROOT / python["cache-dependency-path"]).is_file() for python in pythons)


def test_hooks_are_the_project_s_own_programs() -> None:
    hooks = next(repo for repo in read_yaml(".pre-commit-config.yaml")["repos"] if repo["repo"] == "local")["hooks"]
    asked = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    programs = {" ".join(re.findall(r"\.venv/bin/\w+(?: check| format)?", hook["entry"])) for hook in hooks}
    assert programs == set(re.findall(r"^\.venv/bin/\w+(?: check| format)?", asked, re.MULTILINE))


def test_help_lists_every_target_in_one_screen() -> None:
    said = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert [line.split()[1] for line in said] == phony[1].split()
    assert len(said) <= 24
    assert max(map(len, said)) <= 120


def test_locks_agree_and_have_hashes() -> None:
    locked, docs = (dict(PIN.findall(file.read_text())) for file in (LOCK, DOCS))
    assert "mkdocs-material" in docs
    assert {name: docs[name] for name in docs.keys() & locked.keys()}.items() <= locked.items()
    pins = [line for line in DOCS.read_text().replace("\\\n", " ").splitlines() if not line.startswith("#")]
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)


def instructions(image: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, in order, each with its words."""
    text = re.sub(r"^#.*\n", "", image.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if line]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.stem)
def test_an_image_installs_hashed_packages_and_runs_as_nobody_special(image: Path) -> None:
    steps = instructions(image)
    assert steps[0][0] == "FROM"
    assert all(words.startswith(f"python:{LOWEST}-") for name, words in steps if name == "FROM")
    assert [words for name, words in steps if name == "USER"] == ["1000"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for words in (words for name, words in steps if name == "COPY" and not words.startswith("--from")):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored
    installs = [part for name, words in steps if name == "RUN" for part in words.split("&&") if "pip install" in part]
    unhashed = [part for part in installs if "-r " in part and "--require-hashes" not in part]
    assert len(installs) >= 2
    assert all("--no-deps" in part for part in installs)
    assert [part.split()[-1] for part in unhashed] == (["torch.txt"] if image.stem.startswith("cpu") else [])


def test_the_cpu_image_takes_all_of_the_lock_but_cuda(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text(LOCK.read_text())
    runs = [words for name, words in instructions(ROOT / "docker" / "cpu.Dockerfile") if name == "RUN"]
    for split in [part for part in runs[0].split("&&") if part.strip().startswith("awk ")]:
        subprocess.run(split, shell=True, cwd=tmp_path, check=True)
    locked, kept = (dict(PIN.findall((tmp_path / name).read_text())) for name in ("constraints.txt", "cpu.txt"))
    left_out = locked.keys() - kept.keys()
    assert kept.items() < locked.items()
    assert {"torch", "torchvision", "triton"} < left_out
    assert all(re.match(r"torch$|torchvision$|triton$|cuda-|nvidia-", name) for name in left_out)
    assert not [name for name in kept if re.match(r"cuda|nvidia", name)]
    torch = (tmp_path / "torch.txt").read_text().split()
    assert torch == [f"{name}=={locked[name]}+cpu" for name in ("torch", "torchvision")]
