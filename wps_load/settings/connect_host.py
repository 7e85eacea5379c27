"""Where sockets really go, if not to the host that the endpoint names: `--wps-connect-host`. Pure.

A reverse proxy forwards to the resource, and a private endpoint has an address of its own. Tokens are still made for
the endpoint, but the proxy looks at the Host header and at the name in the TLS handshake (SNI).
"""

from __future__ import annotations

from dataclasses import dataclass

from wps_load.urls import host_and_port, shown_host

_ALLOWED = "HOST or HOST:PORT, then optionally a comma and sni (HOST's own name in TLS and Host header) or another name"


@dataclass(frozen=True, slots=True)
class ConnectHost:
    """`port` None: the endpoint's. `name`: the name in SNI and Host header; None: the endpoint's."""

    host: str
    port: int | None = None
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> ConnectHost:
        """Reads the option's text. Raises ValueError, which says what is allowed."""
        location, comma, name = (part.strip() for part in text.partition(","))
        try:
            host, port = host_and_port(location)
            if not comma:
                return cls(host, port)
            shown, name_port = host_and_port(name)
        except ValueError as error:
            raise ValueError(f"{_ALLOWED}; {error}") from None
        if name_port is not None:
            raise ValueError(f"{_ALLOWED}; a name has no port")
        return cls(host, port, host if shown == "sni" else shown)

    def __str__(self) -> str:
        place = shown_host(self.host) + (f":{self.port}" if self.port else "")
        return place if self.name is None else f"{place} as {shown_host(self.name)}"
