from __future__ import annotations

import pytest

from wps_load.swarm.edits import fixed_users, refused_edit

PRESENT = {"wps_rate": "1", "wps_payload": "2KiB", "host": "", "run_time": "20s", "shape_class": "Default"}


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"user_count": "40", "spawn_rate": "10"}, []),
        ({"user_count": "40", "spawn_rate": "10", "wps_rate": "1", "host": "", "run_time": "20s"}, []),
        ({"user_count": "40", "spawn_rate": "10", "wps_rate": "2"}, ["--wps-rate cannot"]),
        ({"user_count": "40", "wps_payload": "1KiB", "host": "https://x"}, ["--wps-payload cannot", "Host cannot"]),
        ({"user_count": "40", "run_time": "30s"}, ["--run-time cannot"]),
        ({"user_count": "40", "wps_scenario": "idle"}, ["--wps-scenario cannot"]),
        ({"user_count": "0"}, ["at least 1"]),
        ({"user_count": "many"}, []),
    ],
)
def test_an_edit_changes_users_and_their_rate_alone(form: dict[str, str], said: list[str]) -> None:
    found = [*refused_edit(form, PRESENT, None)]
    assert len(found) == len(said)
    assert all(begin in sentence for begin, sentence in zip(said, found, strict=True))


def test_what_sets_the_users_is_named() -> None:
    assert fixed_users(searched=False, stages=False, shape=None) is None
    for why, word in (
        (fixed_users(searched=True, stages=False, shape=None), "--wps-capacity"),
        (fixed_users(searched=False, stages=True, shape=None), "--wps-stages"),
        (fixed_users(searched=False, stages=False, shape="Ramp"), "Ramp"),
    ):
        assert why is not None
        assert word in why
        assert [*refused_edit({"user_count": "4", "wps_rate": "9"}, PRESENT, why)] == [why]
