"""Clocks and refused tokens: the server's time, and when the token is valid."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

APART_S: Final = 30
"""Clocks this far apart are worth mentioning. Validators of tokens commonly allow five minutes."""


def read_claims(token: str) -> dict[str, Any] | None:
    """The claims of a JWT, unverified; None if it is not one. RFC 7519 section 7.2."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def key_id(token: str) -> str | None:
    """The `kid` of a JWT's header, unverified; None if there is not one."""
    try:
        found = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=" * 3))
    except (binascii.Error, ValueError, RecursionError):
        return None
    kid = found.get("kid") if isinstance(found, dict) else None
    return kid if isinstance(kid, str) else None


def made_by_service(token: str) -> bool:
    """Whether `:generateToken` made it: its key id is `s-...`, and tokens that a key has signed have none."""
    return (key_id(token) or "").startswith("s-")


def clock_offset_s(date: object, now_s: int) -> float | None:
    """This machine's time minus that of an HTTP Date header (RFC 9110 section 6.6.1); None if there is not one."""
    if not isinstance(date, str):
        return None
    try:
        return now_s - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def token_of(query: str, headers: Mapping[str, str]) -> str:
    """The token of a request to connect, from its query or its Authorization header; empty: there is none."""
    bearer = headers.get("Authorization", "").partition("Bearer ")[2]
    return bearer or dict(parse_qsl(query)).get("access_token", "")


def remarks(date: object, now_s: int, token: str) -> str:
    """What the clocks say about a refused token, `; `-joined clauses; empty: nothing. `date`: the answer's Date header.

    The token's own times are compared with the server's clock if it is known, because that one judges.
    """
    offset_s = clock_offset_s(date, now_s)
    said = []
    if offset_s is not None and abs(offset_s) > APART_S:
        said.append(
            f"this machine's clock is {span(abs(offset_s))} {'ahead of' if offset_s > 0 else 'behind'} the server's"
        )
    judged_s = now_s - (offset_s or 0.0)
    claims = read_claims(token) or {}
    expires, begins = (_instant(claims.get(name)) for name in ("exp", "nbf"))
    if expires is not None and expires <= judged_s:
        said.append(f"the token expired {span(judged_s - expires)} ago")
    elif begins is not None and begins > judged_s:
        said.append(f"the token becomes valid in {span(begins - judged_s)}")
    issued = _instant(claims.get("iat"))
    if issued is not None and issued > judged_s + APART_S:
        said.append(f"it was issued {span(issued - judged_s)} in the future")
    return "; ".join(said)


def span(seconds: float) -> str:
    """A length of time in words, to two digits or so."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def _instant(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
