"""Whether a NAT on the way may have no free port: it reports nothing, and new connections get no answer."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Final

from wps_load.client.addresses import Address
from wps_load.errors import ConnectFailure
from wps_load.machine import ROOT, tcp_in_use

LEAST: Final = 1_000
"""The fewest open connections of this host with which a NAT of Azure's can run out of ports.

A load balancer's default outbound ports are 1,024 a machine; a NAT gateway has 50,000 for each of its addresses to one
destination.
"""


def suspected(towards: Address | None, root: Path = ROOT) -> ConnectFailure | None:
    """Why a connection to `towards` that was not answered may have been dropped on the way.

    None if there is no NAT on the way, or too few connections are open for it.
    """
    in_use = tcp_in_use(root)
    if towards is None or in_use is None or in_use < LEAST:
        return None
    source = source_of(towards)
    if source is None or not is_translated(source, str(towards[1][0])):
        return None
    return ConnectFailure(
        "connect_timeout_snat",
        f"the service does not answer, while {in_use:,} connections of this host are open, whose private address is "
        "translated on the way: the SNAT ports may be used up",
        "count the addresses of the NAT gateway (50,000 connections each to one service), or give each machine a "
        "public address, or use a private endpoint",
    )


def is_translated(source: str, target: str) -> bool:
    """Whether a NAT is on the way: a private address does not reach a public one without one."""
    try:
        ours, theirs = ipaddress.ip_address(source), ipaddress.ip_address(target)
    except ValueError:
        return False
    return ours.version == 4 and ours.is_private and not ours.is_loopback and theirs.is_global


def source_of(towards: Address) -> str | None:
    """The source address of connections to `towards`; no packet is sent."""
    try:
        with socket.socket(towards[0], socket.SOCK_DGRAM) as sock:
            sock.connect(towards[1])
            return str(sock.getsockname()[0])
    except OSError:
        return None
