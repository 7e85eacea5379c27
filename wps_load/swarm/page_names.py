"""The names and addresses of the web page: looked up on this host once, when the page opens."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import psutil


def addresses() -> list[str]:
    """The addresses of this host's interfaces, IPv4 first, without link-local ones, which nobody types."""
    found = [
        address.address.partition("%")[0]
        for family in (socket.AF_INET, socket.AF_INET6)
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family == family
    ]
    return [address for address in found if not address.startswith("fe80")]


def own_names(parsed: Mapping[str, object]) -> frozenset[str]:
    """The names of the page in lower case: this host's name, and those in Locust's options."""
    display = str(parsed.get("web_host_display_name") or "")
    shown = urlsplit(display if "//" in display else f"//{display}").hostname
    names = (socket.gethostname(), parsed.get("web_host"), shown)
    return frozenset(str(name).lower() for name in names if name)
