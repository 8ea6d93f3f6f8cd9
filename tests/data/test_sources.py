"""Where facesets come from, as a config names it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from swaplab.data.sources import load_sources
from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import FacesetWriter
from swaplab.faces.ground import Ground


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
    with pytest.raises(UserError, match=r"data.kind must be one of synthetic, facesets; got cloud"):
        load_sources({"kind": "cloud"})


def flagged(folder: Path, flags: list[list[str]]) -> Path:
    """A faceset with a face for each list of flags."""
    with FacesetWriter(folder, "A", Ground("synthetic"), Alignment(16)) as writer:
        for frame, its in enumerate(flags):
            writer.add(
                np.full((24, 24, 3), frame, np.uint8), source="s", clip="c", frame=frame, time=frame / 25,
                box=[0.0] * 4, landmarks=[], matrix=[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], flags=its,
            )  # fmt: skip
    return folder


def test_flagged_faces_are_left_out(tmp_path: Path) -> None:
    folder = flagged(tmp_path / "A", [[], ["blurred"], ["small", "unsure"], ["glare"], [], ["unsure"]])
    words = (f"data.identities.A={folder}", "~data.identities.B")

    def kept(*more: str) -> list[int]:
        faceset = load_sources(section(*words, *more)).facesets["A"]
        assert [int(face[0, 0, 0]) for face in faceset.faces()] == [r.frame for r in faceset.records]
        return [record.frame for record in faceset.records]

    assert kept() == [0, 3, 4]
    assert kept("data.skip_flags=[blurred]") == [0, 2, 3, 4, 5]
    assert kept("data.skip_flags=[unsure,glare]") == [0, 1, 4]
    assert kept("data.skip_flags=[]") == list(range(6))
    digests = {load_sources(section(*words, f"data.skip_flags=[{f}]")).digest for f in ("", "blurred", "unsure")}
    assert len(digests) == 3
    with pytest.raises(UserError, match=r"data.skip_flags has unknown flag .blury.; choose from blurred, small"):
        kept("data.skip_flags=[blury]")


def test_when_no_face_is_left_the_flags_are_counted(tmp_path: Path) -> None:
    folder = flagged(tmp_path / "A", [["blurred"], ["small", "blurred"], ["small"]])
    sentence = r"none of the 3 faces in .*A is left \(2 blurred, 2 small\); .* data.skip_flags=\[\]"
    with pytest.raises(UserError, match=sentence):
        load_sources(section(f"data.identities.A={folder}", "~data.identities.B"))


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
