from swaplab.runs.identity import NEUTRAL, config_hash, run_id_of

CONFIG = {
    "seed": 0,
    "runs": "runs",
    "workers": 1,
    "budget": {"images": 100, "session_images": None},
    "data": {"kind": "synthetic", "cache": None, "workers": 2},
    "trainer": {"precision": "auto", "progress": True},
}


def test_what_cannot_change_a_number_is_left_out() -> None:
    changed = CONFIG | {"runs": "elsewhere", "workers": 8, "logger": {"wandb": {"mode": "online"}}}
    changed["budget"] = {"images": 100, "session_images": 10}
    changed["data"] = {"kind": "synthetic", "cache": "x", "workers": 4}
    changed["trainer"] = {"precision": "auto", "progress": False}
    assert config_hash(changed) == config_hash(CONFIG)


def test_everything_else_is_in() -> None:
    for change in (
        {"seed": 1},
        {"budget": {"images": 101}},
        {"trainer": {"precision": "32-true"}},
        {"new": 1},
    ):
        assert config_hash(CONFIG | change) != config_hash(CONFIG)


def test_order_of_keys_does_not_matter_and_the_list_stays_short() -> None:
    assert config_hash(dict(reversed(CONFIG.items()))) == config_hash(CONFIG)
    assert len(NEUTRAL) <= 16


def test_seed_0_is_a_seed_like_any_other() -> None:
    assert run_id_of(CONFIG).startswith("s0-")
    assert run_id_of(CONFIG | {"run_id": "mine"}) == "mine"
