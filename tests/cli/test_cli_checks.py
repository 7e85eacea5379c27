"""doctor's checks as pure functions, at their bounds."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.client import checks
from wps_load.client.checks import Check, Level
from wps_load.client.token_time import clock_offset_s, read_claims

NOW = 1_800_000_000
BOTH = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]


@pytest.mark.parametrize(
    ("users", "processes", "level"),
    [
        (None, 1, Level.PASS),
        (900, 1, Level.PASS),
        (901, 1, Level.FAIL),
        (1800, 2, Level.PASS),
        (1801, 2, Level.FAIL),
    ],
)
def test_open_files(users: int | None, processes: int, level: Level) -> None:
    assert checks.open_files(1000, users, processes).level is level


def test_open_files_says_how_many_workers_would_do() -> None:
    assert "run 3 workers" in checks.open_files(1000, 1801, 1).advice
    assert "workers" not in checks.open_files(50, 10, 1).advice


@pytest.mark.parametrize(
    ("users", "addresses", "reopened", "level"),
    [
        (800, 1, 0.0, Level.PASS),
        (801, 1, 0.0, Level.WARN),
        (1000, 1, 0.0, Level.WARN),
        (1001, 1, 0.0, Level.FAIL),
        (1001, 2, 0.0, Level.PASS),
        (100, 1, 20.0, Level.FAIL),  # closed connections hold their ports for a minute
        (None, 1, 0.0, Level.PASS),
    ],
)
def test_local_ports(users: int | None, addresses: int, reopened: float, level: Level) -> None:
    assert checks.local_ports((1, 1000), users, addresses, reopened).level is level


def test_local_ports_unknown() -> None:
    assert checks.local_ports(None, 5, 1).level is Level.SKIP


@pytest.mark.parametrize(
    ("cpus", "processes", "load", "emulator", "level"),
    [
        (2, 1, 0.0, True, Level.PASS),
        (2, 2, 0.0, True, Level.WARN),
        (2, 2, 0.0, False, Level.PASS),
        (2, 1, 1.1, False, Level.WARN),
    ],
)
def test_processors(cpus: int, processes: int, load: float, emulator: bool, level: Level) -> None:
    assert checks.processors(cpus, processes, load, emulator=emulator).level is level


@pytest.mark.parametrize(
    ("offset", "level"),
    [
        (None, Level.SKIP),
        (10, Level.PASS),
        (-11, Level.WARN),
        (300, Level.WARN),
        (-301, Level.FAIL),
    ],
)
def test_clock(offset: float | None, level: Level) -> None:
    assert checks.clock(offset).level is level


def test_clock_offset_from_a_date_header() -> None:
    assert clock_offset_s("Thu, 01 Jan 1970 00:01:00 GMT", 90) == 30
    assert clock_offset_s(None, 90) is None
    assert clock_offset_s("yesterday", 90) is None


def test_timer() -> None:
    assert checks.precise_timer(True).level is Level.PASS
    assert checks.precise_timer(False).level is Level.WARN


@pytest.mark.parametrize(
    ("days", "verified", "level"),
    [(14, True, Level.PASS), (13, True, Level.WARN), (None, False, Level.WARN)],
)
def test_certificate(days: int | None, verified: bool, level: Level) -> None:
    expires = None if days is None else NOW + days * 86_400
    check = checks.certificate(expires, NOW, "TLSv1.3", verified=verified)
    assert check.level is level
    assert "TLSv1.3" in check.found


class TestToken:
    def check(self, claims: dict[str, Any] | None, **changes: Any) -> Check:
        asked: dict[str, Any] = {
            "path": "/client/hubs/bench", "scenario": "echo", "protocol": "json", "now_s": NOW, "run_s": 60.0,
            "minted": False,
        }  # fmt: skip
        return checks.token(claims, **{**asked, **changes})

    def good(self, **changes: Any) -> dict[str, Any]:
        return {"aud": "https://h/client/hubs/bench", "exp": NOW + 3600, "role": BOTH, **changes}

    def test_good(self) -> None:
        assert self.check(self.good()).level is Level.PASS

    def test_no_jwt(self) -> None:
        assert self.check(None).level is Level.FAIL

    def test_expired(self) -> None:
        assert "expired" in self.check(self.good(exp=NOW)).found

    def test_ends_before_the_run_does(self) -> None:
        assert self.check(self.good(exp=NOW + 59)).level is Level.WARN
        assert self.check(self.good(exp=NOW + 60)).level is Level.PASS
        assert self.check(self.good(exp=NOW + 59), run_s=None).level is Level.PASS
        assert "--wps-token-lifetime" in self.check(self.good(exp=NOW + 59), minted=True).advice

    def test_of_another_hub(self) -> None:
        assert self.check(self.good(aud="https://h/client/hubs/other")).level is Level.FAIL

    def test_several_audiences(self) -> None:
        assert self.check(self.good(aud=["https://h/x", "https://h/client/hubs/bench"])).level is Level.PASS

    @pytest.mark.parametrize(
        ("roles", "scenario", "protocol", "level"),
        [
            (BOTH[:1], "echo", "json", Level.FAIL),
            ([], "small-group", "json", Level.FAIL),
            ([], "echo", "simple", Level.PASS),
            ([], "idle", "json", Level.PASS),
            ("webpubsub.joinLeaveGroup", "echo", "json", Level.FAIL),
            ([f"{role}.lobby" for role in BOTH], "echo", "json", Level.PASS),
            ([f"{role}s.a*" for role in BOTH], "echo", "json", Level.PASS),
        ],
    )
    def test_roles_for_the_scenario(self, roles: object, scenario: str, protocol: str, level: Level) -> None:
        assert self.check(self.good(role=roles), scenario=scenario, protocol=protocol).level is level


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.W10.c", "a.!!.c", "a.b.c.d"])
def test_no_claims_in_what_is_not_a_token(text: str) -> None:
    assert read_claims(text) is None


@pytest.mark.parametrize(
    ("levels", "code"),
    [((Level.PASS, Level.WARN, Level.SKIP), 0), ((Level.PASS, Level.FAIL), 1), ((), 0)],
)
def test_exit_code(levels: tuple[Level, ...], code: int) -> None:
    assert checks.exit_code([Check("x", level, "") for level in levels]) == code
