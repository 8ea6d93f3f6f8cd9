"""A claim says how the audience is told; it names nobody."""

from collections.abc import Callable

import pytest

import swaplab
from swaplab.errors import UserError
from swaplab.marking.claim import Claim
from swaplab.marking.label import Label


def test_either_a_label_or_a_reason(claim: Callable[..., Claim]) -> None:
    assert claim(".png", None, "said in the credits").as_json()["label"] is None
    for elsewhere in (None, "", "  "):
        with pytest.raises(UserError, match="needs a reason"):
            claim(".png", None, elsewhere)
    with pytest.raises(UserError, match="replaces the visible label"):
        claim(".png", Label(), "said in the credits")


def test_the_claim_as_json_is_what_is_published_and_nothing_else(claim: Callable[..., Claim]) -> None:
    stated = claim(".mp4").as_json()
    assert set(stated) == {
        *("kind", "run", "config_sha256", "weights_sha256", "source", "target", "frames", "faces_swapped"),
        *("label", "disclosure_elsewhere", "swaplab_version"),
    }
    assert set(stated["source"]) == set(stated["target"]) == {"kind", "sha256"}
    assert stated["label"] == {"text": "AI-altered", "height": 0.05}
    assert stated["swaplab_version"] == swaplab.__version__
