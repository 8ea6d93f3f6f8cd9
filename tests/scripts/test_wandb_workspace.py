"""The comparison workspace against a stand-in of the service, which keeps what it is asked to save."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/wandb_workspace.py"
WORDS = ["entity=me", "project=lab", "group=norms", "factor=norm"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wandb_workspace", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The variables of every call of the service."""
    pytest.importorskip("wandb_workspaces")
    import wandb

    calls: list[dict[str, Any]] = []

    def execute(query: str, variables: dict[str, Any]) -> dict[str, Any]:
        assert "mutation UpsertView2" in query
        calls.append(variables)
        return {"upsertView": {"view": {"id": "1", "name": variables["name"]}, "inserted": True}}

    class Api:
        def __init__(self) -> None:
            self._service_api = SimpleNamespace(execute_graphql=execute, app_url="https://wandb.invalid")

    monkeypatch.setattr(wandb, "Api", Api)
    return calls


def sections(call: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The panels by the name of their section."""
    spec = json.loads(call["spec"])
    return {part["name"]: part["panels"] for part in spec["section"]["panelBankConfig"]["sections"]}


def test_runs_are_grouped_by_the_factor(
    script: ModuleType, saved: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    script.main(WORDS)
    assert capsys.readouterr().out.startswith("https://wandb.invalid/me/lab?nw=")
    (call,) = saved
    assert (call["entityName"], call["projectName"], call["displayName"]) == ("me", "lab", "norms by norm")
    (runs,) = json.loads(call["spec"])["section"]["runSets"]
    assert [(key["section"], key["name"]) for key in runs["grouping"]] == [("config", "factor/norm.value")]
    assert '"norms"' in json.dumps(runs["filters"])
    assert '"interrupted"' in json.dumps(runs["filters"])


def test_panels_are_means_and_ranges_of_what_we_log(script: ModuleType, saved: list[dict[str, Any]]) -> None:
    script.main([*WORDS, "metric=psnr", "guards=identity[net:ab12]", "curve=loss/generator/reconstruction"])
    found = sections(saved[0])
    (curve,) = found["over images seen"]
    assert curve["config"]["xAxis"] == "images_seen"
    assert curve["config"]["metrics"] == ["loss/generator/reconstruction"]
    bars = found["at the end, test clips"]
    assert [bar["config"]["metrics"] for bar in bars] == [
        ["summary_metrics.evaluation/final/test/psnr"],
        ["summary_metrics.evaluation/final/test/identity_net_ab12"],
    ]
    for panel in (curve, *bars, *found["cost"]):
        assert panel["config"]["groupBy"] == "factor/norm.value"
        assert (panel["config"]["groupAgg"], panel["config"]["groupArea"]) == ("mean", "minmax")
        assert panel["config"]["aggregate"] is True
    assert [panel["config"]["mediaKeys"] for panel in found["samples"]] == [
        ["samples"],
        ["evaluation/final/test/A_to_B-samples"],
        ["evaluation/final/test/B_to_A-samples"],
    ]


def test_dotted_factors_are_the_keys_that_the_dashboard_writes(script: ModuleType, saved: list[dict[str, Any]]) -> None:
    script.main([*WORDS, "factor=optimizer.generator.lr"])
    (runs,) = json.loads(saved[0]["spec"])["section"]["runSets"]
    assert runs["grouping"][0]["name"] == "factor/optimizer/generator/lr.value"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["entity=me", "group=g"], "factor is missing; set factor=VALUE"),
        ([*WORDS, "colour=red"], "unknown key colour"),
        ([*WORDS, "entity="], "entity is missing; set entity=VALUE"),
        (["norms"], "unknown key norms"),
    ],
)
def test_bad_input_is_one_sentence(
    script: ModuleType, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as end:
        script.main(words)
    said = capsys.readouterr()
    assert (end.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert complaint in said.err


def test_a_refusal_is_one_sentence(
    script: ModuleType, saved: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import wandb

    def refuse() -> None:
        raise wandb.errors.UsageError("No API key configured.\nMore.")

    monkeypatch.setattr(wandb, "Api", refuse)
    with pytest.raises(SystemExit):
        script.main(WORDS)
    assert "W&B rejected the workspace (No API key configured.); run `wandb login`" in capsys.readouterr().err


def test_help(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.main(["--help"])
    assert "entity=ME" in capsys.readouterr().out
