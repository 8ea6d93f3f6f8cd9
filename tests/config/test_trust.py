from pathlib import Path

import pytest

from swaplab.config import trust
from swaplab.config.trust import (
    check_targets,
    shipped_targets,
)
from swaplab.errors import UserError

GENERATOR = "swaplab.networks.autoencoder.Autoencoder"


@pytest.fixture(autouse=True)
def _no_packages_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLAB_PACKAGES", "")


def test_what_we_ship_may_stand_where_we_put_it() -> None:
    check_targets({"generator": {"_target_": GENERATOR, "norm": {"_target_": "swaplab.networks.norm.GroupNorm"}}})
    assert all(shipped_targets()[kind] for kind in ("generator", "discriminator", "norm", "loss", "noise", "updates"))


@pytest.mark.parametrize(
    "config",
    [
        {"generator": {"_target_": "torch.utils.collect_env.run", "command": "id"}},
        {"generator": {"_target_": "os.system"}},
        {"generator": {"_target_": "torch.nn.Linear"}},  # a whole package is never allowed
        {"loss": {"x": {"_target_": GENERATOR}}},  # right class, wrong kind of place
        {"generator": {"_target_": GENERATOR, "norm": {"_target_": GENERATOR}}},
        {"data": {"identities": {"A": {"_target_": GENERATOR}}}},  # no component belongs there
        {"loss": {"_target_": "swaplab.losses.reconstruction.L1"}},  # nor here, only below it
        {"loss": {"x": {"_target_": "swaplab.losses.reconstruction.L1", "weight": [{"_target_": "os.system"}]}}},
        {"_target_": "os.system"},
        {"generator": {"_target_": {"a": 1}}},
        {"generator": {"_target_": GENERATOR, "norm": [[{"_target_": "os.system"}]]}},
    ],
)
def test_anything_else_is_refused_by_name(config: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"is not allowed.*SWAPLAB_PACKAGES"):
        check_targets(config)


@pytest.mark.parametrize("hidden", [("a", {"_target_": "os.system"}), {1}, b"x", object()])
def test_what_is_no_plain_data_is_refused(hidden: object) -> None:
    with pytest.raises(UserError, match=r"generator\.norm is a \w+, which is not allowed in a config"):
        check_targets({"generator": {"_target_": GENERATOR, "norm": [hidden]}})


def test_a_declared_package_may_stand_in_a_place_for_components_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLAB_PACKAGES", "mine, other.deep")
    check_targets({"generator": {"_target_": "mine.nets.Net"}, "loss": {"a": {"_target_": "other.deep.Loss"}}})
    for config in (
        {"generator": {"_target_": "minefield.Net"}},
        {"generator": {"_target_": "other.Net"}},
        {"data": {"_target_": "mine.nets.Net"}},
    ):
        with pytest.raises(UserError, match="not allowed"):
            check_targets(config)


def test_packages_can_be_declared_in_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWAPLAB_PACKAGES")
    settings = tmp_path / "settings.yaml"
    monkeypatch.setattr(trust, "SETTINGS_FILE", settings)
    with pytest.raises(UserError, match="not allowed"):
        check_targets({"generator": {"_target_": "mine.Net"}})
    settings.write_text("packages: [mine]\n")
    check_targets({"generator": {"_target_": "mine.Net"}})
    for text in ("packages: mine\n", "packages: [1]\n", "packages: ['']\n", "[mine]\n", "packages: [\n"):
        settings.write_text(text)
        with pytest.raises(UserError, match=r"settings\.yaml"):
            check_targets({"generator": {"_target_": "mine.Net"}})
