"""Of two options that say the same thing in another way, the one that counts more is meant."""

from __future__ import annotations

import pytest

from wps_load.settings.overrides import without_overridden
from wps_load.settings.sources import SourceLevel

FLAG, VARIABLE, FILE = SourceLevel.FLAG, SourceLevel.VARIABLE, SourceLevel.FILE


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        ({"wps_rate": ("5", FLAG), "wps_total_rate": ("18", FILE)}, {"wps_rate": "5", "wps_total_rate": ""}),
        ({"wps_rate": ("max", FILE), "wps_total_rate": ("18", VARIABLE)}, {"wps_rate": "", "wps_total_rate": "18"}),
        (
            {"wps_payload": ("1KiB", FILE), "wps_payload_file": ("a.txt", FLAG)},
            {"wps_payload": "", "wps_payload_file": "a.txt"},
        ),
        (
            {"wps_stages": ("100:60s", FLAG), "wps_capacity": ("rate:1..9", FILE)},
            {"wps_stages": "100:60s", "wps_capacity": ""},
        ),
        (
            {"wps_total_rate": ("18", FILE), "wps_rate": ("2", FILE), "wps_capacity": ("rate:1..9", FLAG)},
            {"wps_total_rate": "", "wps_rate": "", "wps_capacity": "rate:1..9"},
        ),
        (
            {"wps_total_rate": ("18", FILE), "wps_capacity": ("users:1..9", FLAG)},
            {"wps_total_rate": "18", "wps_capacity": "users:1..9"},
        ),
        (
            {"wps_payload": ("1KiB", FLAG), "wps_payload_file": ("a.txt", FLAG)},
            {"wps_payload": "1KiB", "wps_payload_file": "a.txt"},
        ),
    ],
    ids=["rate", "total rate", "payload", "stages", "a search of the rate", "a search of users", "one level"],
)
def test_what_counts_more_is_meant(texts: dict[str, tuple[str, SourceLevel]], left: dict[str, str]) -> None:
    values = {dest: text for dest, (text, _) in texts.items()}
    sources = without_overridden(values, {dest: level for dest, (_, level) in texts.items()})
    assert values == left
    assert sources.keys() == {dest for dest, (text, _) in texts.items() if left[dest] == text}
