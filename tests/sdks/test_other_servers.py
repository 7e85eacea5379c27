"""Our client against servers that others wrote: `websockets`, aiohttp, Node's ws. They echo, and serve groups."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.engine_runs import play
from tests.integration.program import run
from tests.sdks.node_scripts import require_packages, running
from wps_load.errors import ExitCode

pytestmark = pytest.mark.timeout(300)  # npm may be slow

COMMANDS = {
    "websockets": (sys.executable, "python_peers.py", "websockets"),
    "aiohttp": (sys.executable, "python_peers.py", "aiohttp"),
    "ws": ("node", "ws_peer.mjs"),
}
PEERS = [pytest.param(name, marks=pytest.mark.node if name == "ws" else ()) for name in COMMANDS]


@pytest.fixture(scope="module", params=PEERS)
def peer(request: pytest.FixtureRequest) -> Iterator[str]:
    """A connection string that leads to one of them; they take any token."""
    if request.param == "ws":
        require_packages()
    with running(*COMMANDS[request.param]) as script:
        yield f"Endpoint=http://127.0.0.1:{script.hear()};AccessKey=any-key-will-do-as-nobody-looks-at-it;Version=1.0;"


@pytest.mark.parametrize("data_type", ["text", "binary"])
def test_simple_clients_hear_their_echo(peer: str, data_type: str) -> None:
    done = play(peer, 3, protocol="simple", data_type=data_type, payload="64B*4,1KiB*2,70KiB*1", rate="100")

    done.assert_whole()
    assert done.totals.published >= 30
    assert done.count("rtt") == done.totals.delivered


@pytest.mark.parametrize("data_type", ["text", "json", "binary"])
def test_json_clients_hear_their_group(peer: str, data_type: str) -> None:
    options: dict[str, Any] = {
        "protocol": "json",
        "data_type": data_type,
        "ack": True,
        "payload": "64B*4,1KiB*2,70KiB*1",
        "rate": "50",
    }
    done = play(peer, 4, scenario="small-group", group_size="4", **options)

    done.assert_whole()
    assert done.totals.delivered == 4 * done.totals.published
    assert done.count("publish_ack") == done.totals.published


@pytest.mark.parametrize("peer", ["websockets"], indirect=True)
def test_whole_program(peer: str, tmp_path: Path) -> None:
    options = ("-u", "4", "-r", "4", "-t", "2s", "--wps-rate", "20", "--wps-connection-string", peer)
    done = run(tmp_path / "reports", *options, "--wps-data-type", "json", "--wps-slo", "loss = 0")

    assert done.code in (ExitCode.PASSED, ExitCode.INVALID), done.output  # invalid: this machine was busy
    messages = done.summary["messages"]
    assert messages["published"] == messages["delivered"] > 0
    assert messages["lost"] == messages["duplicated"] == 0
    assert done.summary["connections"]["opened"] == 4
