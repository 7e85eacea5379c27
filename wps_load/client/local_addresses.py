"""The source addresses of connections, used in turn: each has ports of its own (`--wps-bind`)."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from wps_load.errors import ConfigError, Fault

IP_BIND_ADDRESS_NO_PORT: Final = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)
"""Linux (4.2): `connect` chooses the port, when the other end is known, so that each target has all of them."""
Source = tuple[int, str]
"""Family and address."""


class NoSource(OSError):
    """An address of `--wps-bind` cannot be used; `address` is empty if no address of this family is there."""

    def __init__(self, family: int, address: str = "") -> None:
        super().__init__(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        self.family = "IPv6" if family == socket.AF_INET6 else "IPv4"
        self.address = address


class Sources:
    """Without any, the system chooses."""

    def __init__(self, addresses: Sequence[str] = ()) -> None:
        self._families: dict[int, deque[str]] = {}
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self._families.setdefault(family, deque()).append(address)

    def __len__(self) -> int:
        return sum(map(len, self._families.values()))

    def serves(self, family: int) -> bool:
        """Whether there is a source address for connections of this family."""
        return not self._families or family in self._families

    def bind(self, sock: Any, family: int) -> None:
        """Gives a socket the next address. Raises NoSource."""
        if not self._families:
            return
        addresses = self._families.get(family)
        if addresses is None:
            raise NoSource(family)
        address = addresses[0]
        addresses.rotate(-1)
        try:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((address, 0))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EINVAL):
                raise NoSource(family, address) from error
            raise

    def judge(self) -> None:
        """Before a run: raises ConfigError if an address is not one of this host's."""
        missing = [address for family, each in self._families.items() for address in each if not _here(family, address)]
        if missing:
            more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
            shown = ", ".join(missing[:3]) + more
            raise ConfigError([Fault("--wps-bind", shown, "addresses of this host (see `ip address`)")])


def _here(family: int, address: str) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError:
            return False
    return True
