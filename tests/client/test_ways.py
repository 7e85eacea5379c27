"""Which ways a mix takes to its target, and who takes which; what fails on all of them is said once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workload.test_flows import mixed
from wps_load.client import checks, ways
from wps_load.client.checks import Check, Level
from wps_load.client.stream import Network
from wps_load.client.way import OF_A_CLIENT
from wps_load.errors import ExitCode
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig


def found(config: RunConfig) -> dict[str, list[str]]:
    return {route.label: [each.name for each in route.config.populations] for route in ways.routes(config)}


CHAT: list[dict[str, Any]] = [
    {"name": "app", "users": 0, "scenario": "broadcast"},
    {"name": "lurkers", "users": "20%", "scenario": "idle"},
    {"name": "writers", "users": "20%", "scenario": "big-group"},
    {"name": "readers", "users": "20%", "protocol": "simple", "listens-to": "writers"},
    {"name": "others", "users": "20%", "hub": "second", "scenario": "echo"},
    {"name": "header", "users": "20%", "hub": "second", "scenario": "echo", "auth": "header"},
    {"name": "far", "users": 0, "hub": "third", "scenario": "broadcast"},
]


def test_each_protocol_hub_and_place_of_the_token_is_a_way(tmp_path: Path) -> None:
    """Who publishes comes first: its message is what an echo is checked with; an app server goes beside clients."""
    assert found(mixed(tmp_path, CHAT)) == {
        "lurkers, writers, app (json, hub bench)": ["writers", "lurkers", "app"],
        "readers (simple, hub bench)": ["readers"],
        "others (json, hub second)": ["others"],
        "header (json, hub second, token in a header)": ["header"],
        "far (json, hub third)": ["far"],
    }


def test_a_client_url_that_is_given_names_its_hub_itself(tmp_path: Path) -> None:
    tables = [each for each in CHAT if each["name"] in ("lurkers", "writers", "others")]
    file = dict(mixed(tmp_path, tables).given)["wps-mix"]
    url = "ws://127.0.0.1:1/client/hubs/bench?access_token=a.b.c"
    config = load({"wps_mix": str(file), "wps_client_url": url}, users=60, spawn_rate=50.0, environ={})
    assert found(config) == {"lurkers, writers, others (json)": ["writers", "others", "lurkers"]}


def test_a_run_of_one_population_has_one_way_without_a_name() -> None:
    config = load({}, users=1, spawn_rate=None, environ={})
    assert found(config) == {"": [""]}


@pytest.mark.parametrize(
    ("broken", "asked"),
    [("TCP", 1), ("TLS", 1), ("upgrade", 3), ("token", 3), ("", 3)],
)
def test_what_fails_on_the_first_way_and_is_all_ways_affair_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, asked: int
) -> None:
    """A refused upgrade is not: the next way has another hub, protocol or token."""
    walked: list[Any] = []

    class FakeWay:
        addresses = 3

        def __init__(self, *_: Any, **__: Any) -> None: ...

        def checks(self, only: Any = ()) -> Any:
            walked.append(only)
            for name in ("name", "TCP", "TLS", "token", "upgrade"):
                if not only or name in only:
                    yield Check(name, Level.FAIL if name == broken and len(walked) == 1 else Level.PASS, "")

    monkeypatch.setattr(ways, "Way", FakeWay)
    tables = [each for each in CHAT if each["name"] in ("writers", "readers", "others")]
    addresses: list[int] = []
    done = list(
        ways.ways_checks(mixed(tmp_path, tables), Network.create(environ={}), lambda *_: None, addresses.append)
    )
    assert len(walked) == asked
    assert walked[1:] == [OF_A_CLIENT] * (asked - 1)
    assert addresses == [3]
    assert len({check.way for check in done}) == 3, "each way is named"
    assert [check.found for check in done if check.name == "way"] == [f"{broken} comes first"] * (3 - asked)
    assert checks.exit_code(done) == (ExitCode.REQUEST_FAILURES if broken else ExitCode.PASSED)


def test_who_listens_needs_to_join_unless_its_token_does() -> None:
    missing = checks.lacking_roles((), "listener", "json", minted=False, listens=True)
    assert missing is not None
    assert "webpubsub.joinLeaveGroup" in missing.found
    assert checks.lacking_roles(("webpubsub.joinLeaveGroup",), "listener", "json", minted=False, listens=True) is None
    assert checks.lacking_roles((), "listener", "simple", minted=True, listens=True) is None
