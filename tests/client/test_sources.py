"""Connections come from the addresses of `--wps-bind`, in turn; where there is none, that is said."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from wps_load.client import conntrack
from wps_load.client.addresses import Address
from wps_load.client.local_addresses import NoSource, Sources
from wps_load.client.stream import Network, Timings, open_stream
from wps_load.client.tcp import connect, connect_any, connect_failure
from wps_load.errors import ConfigError, ConnectFailure
from wps_load.measure.causes import is_own_limit
from wps_load.settings.bind import source_addresses


class Listener:
    """The kernel completes connections to it; nobody reads."""

    def __enter__(self) -> Listener:
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=8)
        self.port = self._sock.getsockname()[1]
        self.accept = self._sock.accept
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()


NOBODYS = "192.0.2.7"
"""Of TEST-NET-1 (RFC 5737): no host's."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.4,10.0.0.5", ["10.0.0.4", "10.0.0.5"]),
        ("10.0.0.254-10.0.1.1", ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        ("10.0.0.4 - 10.0.0.5 , 10.0.0.5,10.0.0.9", ["10.0.0.4", "10.0.0.5", "10.0.0.9"]),
        ("fd00::a-fd00::b", ["fd00::a", "fd00::b"]),
    ],
)
def test_a_list_and_ranges(text: str, found: list[str]) -> None:
    assert list(source_addresses(text)) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.0.300", "10.0.0.300 is not an IP address"),
        ("10.0.0.0/24", "10.0.0.0/24 is not an IP address"),
        ("eth0", "eth0 is not an IP address"),
        ("10.0.0.4-", "an empty text is not an IP address"),
        ("10.0.0.9-10.0.0.4", "not a range from a lower to a higher address"),
        ("10.0.0.4-fd00::1", "not a range from a lower to a higher address"),
        ("10.0.0.0-10.1.0.0", "at most 4,096 of them, and 10.0.0.0-10.1.0.0 has 65,537"),
        ("0.0.0.0", "not the address of a single host"),
        ("255.255.255.255", "not the address of a single host"),
        ("10.0.0.4,255.255.255.250-255.255.255.255", "not the address of a single host"),
        ("224.0.0.1", "not the address of a single host"),
    ],
)
def test_what_is_not_a_source_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^addresses of this host, such as .*" + why):
        source_addresses(text)


def test_addresses_are_taken_in_turn() -> None:
    network = Network.create(bind=["127.0.0.2", "127.0.0.3"])
    with Listener() as listener:
        peers = []
        for _ in range(4):
            with open_stream("127.0.0.1", listener.port, tls=False, network=network, timings=Timings()):
                connection, (address, _) = listener.accept()
                connection.close()
                peers.append(address)
    assert peers == ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"]


def test_one_local_port_serves_several_targets() -> None:
    """The port is chosen when the target is known: else there would be 28,000 for all targets together."""
    with socket.socket() as sock:
        Sources(["127.0.0.1"]).bind(sock, socket.AF_INET)
        assert sock.getsockname() == ("127.0.0.1", 0)


def test_an_address_that_this_host_does_not_have_is_refused_before_the_run() -> None:
    Sources(["127.0.0.1", "127.0.0.9"]).judge()
    with pytest.raises(ConfigError, match=r"^--wps-bind '192\.0\.2\.7'") as caught:
        Sources(["127.0.0.1", NOBODYS]).judge()
    assert "addresses of this host" in str(caught.value)


def test_an_address_that_is_gone_by_now_is_told_from_ports_that_are_used_up() -> None:
    with Listener() as listener, pytest.raises(ConnectFailure) as caught:
        open_stream("127.0.0.1", listener.port, tls=False, network=Network.create(bind=[NOBODYS]), timings=Timings())
    assert caught.value.label == "connect_source_unavailable"
    assert NOBODYS in caught.value.message
    assert is_own_limit(caught.value.label)
    ports = connect_failure(OSError(errno.EADDRNOTAVAIL, "x"), "example.org", 443, via_proxy=False)
    assert (ports.label, "--wps-bind" in ports.advice) == ("connect_ports_exhausted", True)


def test_addresses_of_another_family_than_the_sources_are_not_tried() -> None:
    with Listener() as listener:
        addresses: list[Address] = [(socket.AF_INET6, ("::1", 9, 0, 0)), (socket.AF_INET, ("127.0.0.1", listener.port))]
        sock, used = connect_any(addresses, lambda *_: None, Sources(["127.0.0.4"]))
        assert sock.getsockname()[0] == "127.0.0.4"
        assert used == addresses[1]
        sock.close()


@pytest.mark.parametrize(
    ("target", "source", "family"),
    [
        ((socket.AF_INET6, ("::1", 9, 0, 0)), "127.0.0.4", "IPv6"),
        ((socket.AF_INET, ("127.0.0.1", 9)), "::1", "IPv4"),
    ],
)
@pytest.mark.parametrize("opens", [
    lambda target, sources: connect_any([target], lambda *_: None, sources),
    lambda target, sources: connect(target[0], target[1], sources),
])  # fmt: skip
def test_a_target_of_another_family_than_every_source_names_the_family(
    target: Address, source: str, family: str, opens: Callable[[Address, Sources], object]
) -> None:
    with pytest.raises(NoSource) as caught:
        opens(target, Sources([source]))
    failure = connect_failure(caught.value, "example.org", 443, via_proxy=False)
    assert failure.message == f"no source address: none is {family}, as the target is"
    assert failure.advice == f"give --wps-bind an {family} address, too"


@pytest.mark.parametrize(
    ("count", "limit", "label"), [(131_072, 131_072, "connect_conntrack_exhausted"), (9, 131_072, None)]
)
def test_a_full_table_of_tracked_connections_is_told_from_a_target_that_does_not_answer(
    count: int, limit: int, label: str | None, tmp_path: Path
) -> None:
    (tmp_path / "nf_conntrack_count").write_text(f"{count}\n")
    (tmp_path / "nf_conntrack_max").write_text(f"{limit}\n")
    found = conntrack.full(tmp_path)
    assert (None if found is None else found.label) == label
    if found is not None:
        assert "131,072 of 131,072" in found.message
        assert is_own_limit(found.label)


def test_where_nothing_is_tracked_no_table_is_full(tmp_path: Path) -> None:
    assert conntrack.full(tmp_path) is None
