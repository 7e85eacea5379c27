"""The source addresses of `--wps-bind`: a list, with ranges in it. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from wps_load.workload.values import parts

MOST = 4096
"""The most addresses: a VM's network interface has 256, so more than this is a mistyped range."""
_ALLOWED = "addresses of this host, such as 10.0.0.4,10.0.0.5 or 10.0.0.4-10.0.0.23"
_BROADCAST = IPv4Address("255.255.255.255")
"""Linux binds it as if it were 0.0.0.0."""

IpAddress = IPv4Address | IPv6Address


def source_addresses(text: str) -> tuple[str, ...]:
    """Each address once, in the order given. Raises ValueError, which says what is allowed."""
    found: dict[str, None] = {}
    for part in parts(text):
        first, dash, last = part.partition("-")
        low = _address(first)
        high = _address(last) if dash else low
        if low.version != high.version or int(high) < int(low):
            raise ValueError(f"{_ALLOWED}; {part} is not a range from a lower to a higher address")
        if int(high) - int(low) >= MOST:
            raise ValueError(f"{_ALLOWED}; at most {MOST:,} of them, and {part} has {int(high) - int(low) + 1:,}")
        found |= dict.fromkeys(str(type(low)(number)) for number in range(int(low), int(high) + 1))
    if not found or len(found) > MOST:
        raise ValueError(f"{_ALLOWED}; at most {MOST:,} of them")
    return tuple(found)


def _address(text: str) -> IpAddress:
    text = text.strip()
    try:
        found = ip_address(text)
    except ValueError:
        raise ValueError(f"{_ALLOWED}; {text or 'an empty text'} is not an IP address") from None
    if found.is_unspecified or found.is_multicast or found == _BROADCAST:
        raise ValueError(f"{_ALLOWED}; {text} is not the address of a single host")
    return found
