"""Arrows point down only; commands start fast; one file, one responsibility."""

import ast
import graphlib
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from swaplab.cli.main import COMMANDS, overview

SOURCE = Path(__file__).parents[1] / "src"

# What each part may import, besides itself and the ground-floor modules. `cli` may import everything.
ALLOWED = {
    "faces": set(),
    "noise": {"faces"},
    "synthetic": {"faces"},
    "data": {"faces", "noise", "synthetic"},
    "networks": {"faces", "config"},
    "losses": {"networks"},
    "config": set(),
    "runs": set(),
    "training": {"networks", "losses", "data", "runs", "config"},
    "experiment": {
        *("training", "networks", "losses", "data", "metrics", "runs", "config"),
        *("faces", "synthetic", "marking", "conversion"),
    },
    "metrics": {"networks", "faces"},
    "report": {"runs", "metrics", "ablations"},
    "ablations": {"sweeps", "runs", "config"},
    "sweeps": {"experiment", "training", "runs", "config"},
    "marking": set(),
    "conversion": {"networks", "faces", "marking"},
}
GROUND_FLOOR = {
    "panel",
    "places",
    "captions",
    "progress",
    "catalogue",
    "collectives",
    "devices",
    "errors",
    "randomness",
    "ranges",
    "schedule",
    "sheets",
    "tables",
    "stopping",
    "thinning",
    "unfinished",
    "conf",
    "__init__",
    "__main__",
}

MODULES = {
    ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): file
    for file in (SOURCE / "swaplab").rglob("*.py")
}


def imports_of(file: Path) -> set[str]:
    """The parts of swaplab that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("swaplab.")}
    return found


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_arrows_point_down_only(part: str) -> None:
    for file in (SOURCE / "swaplab" / part).rglob("*.py"):
        upward = imports_of(file) - ALLOWED[part] - GROUND_FLOOR - {part}
        assert not upward, f"{file.name} imports {upward}"


@pytest.mark.parametrize("file", ["recorded", "conversion", "extraction", "face_search", "arrays"])
def test_a_trained_model_is_opened_and_used_without_training(file: str) -> None:
    assert "training" not in imports_of(SOURCE / "swaplab" / "experiment" / f"{file}.py")


def test_every_part_has_a_rule() -> None:
    parts = {p.name for p in (SOURCE / "swaplab").iterdir() if p.is_dir() and not p.name.startswith("__")}
    assert parts == set(ALLOWED) | {"cli", "conf"}


def statements(node: ast.AST, *, of_types: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import, also inside functions. ``of_types``: also those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING" and not of_types:
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from statements(child, of_types=of_types)


def modules_imported(name: str, *, of_types: bool) -> set[str]:
    """The modules of swaplab that a module imports."""
    found = set()
    for node in statements(ast.parse(MODULES[name].read_text()), of_types=of_types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif node.module:
            full = {alias: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {text if text in MODULES else node.module for text in full.values()}
    return found & MODULES.keys() - {name}


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_no_module_and_no_room_is_in_an_import_circle() -> None:
    graphlib.TopologicalSorter({name: modules_imported(name, of_types=False) for name in MODULES}).prepare()
    rooms: dict[str, set[str]] = {}
    for name in MODULES:
        used = {room_of(module) for module in modules_imported(name, of_types=True)}
        rooms.setdefault(room_of(name), set()).update(used - {room_of(name)})
    graphlib.TopologicalSorter(rooms).prepare()


def test_commands_are_thin_and_nothing_below_them_imports_them() -> None:
    cli = SOURCE / "swaplab" / "cli"
    assert [file.name for file in cli.rglob("*.py") if file.read_text().count("\n") > 100] == []
    below = [*(SOURCE.parent / "scripts").rglob("*.py"), *(SOURCE / "hydra_plugins").rglob("*.py")]
    assert [file.name for file in below if "cli" in imports_of(file)] == []


def test_the_page_of_the_architecture_has_these_rooms_and_arrows() -> None:
    page = (SOURCE.parent / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|([^|]*)\|$", page, re.MULTILINE)
    shown = {room: {name.strip() for name in uses.split(",") if name.strip()} for room, uses in rows}
    assert shown == {**ALLOWED, "cli": {"everything"}}


def test_a_detector_is_never_a_training_signal() -> None:
    for part in ("training", "losses"):
        for file in (SOURCE / "swaplab" / part).rglob("*.py"):
            assert "metrics" not in imports_of(file)
            assert "threat" not in file.read_text()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_says_what_with_an_example_and_is_fast(command: str) -> None:
    program = (
        f"import sys; sys.argv = ['swaplab', *'{command} --help'.split()]; from swaplab.cli.main import main; main()"
    )
    heavy = program.replace("main()", "") + "\ntry:\n    main()\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    name = f"swaplab {command}".strip()
    assert done.stdout.startswith(f"{name}:")
    assert f"\n  {name} " in done.stdout
    assert all(len(line) <= 120 for line in done.stdout.splitlines())
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0  # seconds of the processor
    loaded = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "hydra", "lightning", "cv2", "wandb"} & set(loaded)


def test_the_overview_fits_one_screen() -> None:
    assert overview().count("\n") < 24
    assert all(f"  {name} " in overview() for name in COMMANDS)


def test_files_and_functions_stay_small_and_names_say_something() -> None:
    for file in SOURCE.rglob("*.py"):
        text = file.read_text()
        assert text.count("\n") <= 400, file
        assert not {"utils", "helpers", "misc", "core", "common"} & set(file.with_suffix("").parts), file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno <= 60, f"{file}: {node.name}"
