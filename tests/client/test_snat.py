"""A NAT that has no port left says nothing: it is suspected where one is on the way and enough connections are open."""

from __future__ import annotations

import socket
from pathlib import Path

import gevent
import pytest

from wps_load.client import conntrack, snat
from wps_load.client.addresses import Addresses
from wps_load.client.stream import CONNECTING, UPGRADING, Timings, time_limit
from wps_load.errors import ConnectFailure
from wps_load.measure.causes import Cause, cause_of

PUBLIC = (socket.AF_INET, ("20.42.0.1", 443))


@pytest.mark.parametrize(
    ("source", "target", "translated"),
    [
        ("10.0.0.4", "20.42.0.1", True),
        ("192.168.1.9", "20.42.0.1", True),
        ("172.17.0.2", "20.42.0.1", True),
        ("10.0.0.4", "10.1.0.9", False),  # a private endpoint
        ("20.42.0.9", "20.42.0.1", False),  # a public address of its own
        ("127.0.0.1", "127.0.0.1", False),
        ("fd00::1", "2603::1", False),
        ("nonsense", "20.42.0.1", False),
    ],
)
def test_where_a_nat_is_on_the_way(source: str, target: str, translated: bool) -> None:
    assert snat.is_translated(source, target) is translated


def sockets(root: Path, in_use: int) -> Path:
    folder = root / "proc/self/net"
    folder.mkdir(parents=True)
    text = f"sockets: used 9999\nTCP: inuse {in_use} orphan 0 tw 3 alloc 9 mem 1\nUDP: inuse 2 mem 1\n"
    (folder / "sockstat").write_text(text)
    return root


@pytest.mark.parametrize(("in_use", "suspected"), [(1_000, True), (49_999, True), (999, False)])
def test_enough_connections_must_be_open(
    in_use: int, suspected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snat, "source_of", lambda towards: "10.0.0.4")
    found = snat.suspected(PUBLIC, sockets(tmp_path, in_use))
    assert (found is not None) is suspected
    if found is not None:
        assert found.label == "connect_timeout_snat"
        assert f"{in_use:,} connections" in found.message
        assert cause_of(found.label) is Cause.SERVICE, "it is a suspicion: the service is not excused by it"


def test_nothing_is_suspected_where_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snat, "source_of", lambda towards: "10.0.0.4")
    assert snat.suspected(PUBLIC, tmp_path) is None
    assert snat.suspected(None, sockets(tmp_path, 50_000)) is None


def test_the_source_of_a_connection_is_known_without_a_packet() -> None:
    assert snat.source_of((socket.AF_INET, ("127.0.0.1", 9))) == "127.0.0.1"


@pytest.mark.parametrize(("phase", "label"), [(CONNECTING, "connect_timeout_snat"), (UPGRADING, "upgrade_timeout")])
def test_a_time_limit_says_so_only_while_tcp_connects(
    phase: str, label: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(snat, "source_of", lambda towards: "10.0.0.4")
    monkeypatch.setattr(snat, "tcp_in_use", lambda root: 50_000)
    monkeypatch.setattr(conntrack, "conntrack_table", lambda: None)
    timings = Timings(phase=phase, towards=Addresses([PUBLIC]).first)
    with pytest.raises(ConnectFailure) as caught, time_limit(0.001, timings, "wps.example"):
        gevent.sleep(5)
    assert caught.value.label == label
