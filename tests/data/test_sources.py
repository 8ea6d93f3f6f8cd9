"""Where facesets come from, as a config names it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from swaplab.data.sources import load_sources
from swaplab.errors import UserError


def section(*overrides: str) -> Any:
    with initialize_config_module("swaplab.conf", version_base="1.3"):
        return OmegaConf.to_container(compose(overrides=["+data=facesets", *overrides]).data)


def test_folders_from_the_command_line(make_faceset: Any) -> None:
    a, b, c = (make_faceset(name) for name in "ABC")
    folders = [f"data.identities.A={a.folder}", f"data.identities.B={b.folder}"]
    sources = load_sources(section(*folders))
    assert [f.identity for f in sources.facesets.values()] == ["A", "B"]
    assert not sources.truth
    assert not sources.retrieval
    three = load_sources(section(*folders, f"+data.identities.C={c.folder}"))
    assert list(three.facesets) == ["A", "B", "C"]
    swapped = load_sources(section(f"data.identities.A={b.folder}", f"data.identities.B={a.folder}"))
    assert len({sources.digest, three.digest, swapped.digest}) == 3


def test_missing_folders_are_named(make_faceset: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"identity B has no folder; set data.identities.B=DIR"):
        load_sources(section(f"data.identities.A={make_faceset().folder}"))
    with pytest.raises(UserError, match="nowhere does not exist"):
        load_sources(section(f"data.identities.A={tmp_path / 'nowhere'}", "~data.identities.B"))
    with pytest.raises(UserError, match=r"data.kind=cloud is not known; choose one of synthetic, facesets"):
        load_sources({"kind": "cloud"})


def test_rendered_people_bring_their_true_swaps(make_faceset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import swaplab.synthetic.dataset as rendered

    data = SimpleNamespace(
        facesets={"A": make_faceset()}, truth={("A", "B"): 1}, retrieval={"pose": 2}, digest=lambda: "d"
    )
    monkeypatch.setattr(rendered, "build_from_config", lambda config: data if config["resolution"] == 64 else None)
    sources = load_sources({"kind": "synthetic", "resolution": 64})
    assert (sources.facesets, sources.truth, sources.retrieval, sources.digest) == (
        data.facesets, data.truth, data.retrieval, "d",
    )  # fmt: skip
