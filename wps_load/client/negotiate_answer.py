"""The possible forms of a negotiate endpoint's answer, read without a socket.

Any 2xx whose body is `{"url": ...}`, `{"baseUrl", "accessToken"}` (server SDKs: `token`), a JSON string, or the bare
URL; names in any capitals, a byte order mark and white space around it, gzip or deflate.
"""

from __future__ import annotations

import re
import zlib
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import orjson

from wps_load import urls
from wps_load.auth import redact
from wps_load.urls import Url

MAX_BYTES: Final = 1 << 20
_SHOWN_CHARS: Final = 160
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_FORMS: Final = '{"url": "wss://..."}, {"baseUrl": ..., "accessToken": ...}, or the URL itself'
_TAG: Final = re.compile(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>")


class NoClientUrl(Exception):
    """An answer without a Client URL: the reason as the end of a sentence, without a secret."""


def unpacked(body: bytes, encoding: str | None) -> bytes:
    """The body without its `Content-Encoding` (RFC 9110 section 8.4.1). Raises NoClientUrl."""
    for name in reversed([part.strip().lower() for part in (encoding or "").split(",")]):
        if name in ("", "identity"):
            continue
        if name not in ("gzip", "x-gzip", "deflate"):
            raise NoClientUrl(f"its body is encoded as {name[:20]!r}, which was not requested")
        # deflate is zlib's format, which some servers leave out
        raw = name == "deflate" and not (len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 32)
        try:
            body = inflater.decompress(body, MAX_BYTES)
        except zlib.error:
            raise NoClientUrl(f"its body is not the {name} that its header names") from None
        if inflater.unconsumed_tail:
            raise NoClientUrl(f"its body is longer than {MAX_BYTES:,} bytes")
        if not inflater.eof:
            raise NoClientUrl(f"its {name} body ends too early")
    return body


def client_url(body: bytes) -> str:
    """The Client URL in an answer's body, ready to be dialled. Raises NoClientUrl."""
    text = _text(body)
    if not text:
        raise NoClientUrl("there is nothing in it")
    url: Any = text
    if text[0] in '{["':
        try:
            answer = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise NoClientUrl(f"its body is not complete JSON; expected {_FORMS}") from None
        url = _of_object(answer) if isinstance(answer, dict) else answer
    if not isinstance(url, str):
        raise NoClientUrl(f"its JSON has no Client URL; expected {_FORMS}")
    return _usable(url)


def _text(body: bytes) -> str:
    encoding = next((name for bom, name in _BOMS if body.startswith(bom)), "utf-8")
    try:
        return body.decode(encoding).strip()
    except UnicodeDecodeError:
        raise NoClientUrl(f"its body is not text in UTF-8; expected {_FORMS}") from None


def _of_object(answer: dict[str, Any]) -> Any:
    """`url`; else `baseUrl` and `accessToken`, or `token`, its name in the Python and JavaScript SDKs."""
    found = {name.lower(): value for name, value in answer.items()}
    if found.get("url") is not None:
        return found["url"]
    base = found.get("baseurl")
    token = found.get("accesstoken") or found.get("token")
    if not isinstance(base, str) or not isinstance(token, str):
        return None
    base = base.strip()
    return f"{base}{'&' if '?' in base else '?'}access_token={quote(token, safe='~')}"


def _usable(url: str) -> str:
    try:
        return urls.client_url(url)
    except ValueError as error:
        what = "its body is a web page" if url.lstrip().startswith("<") else f"its Client URL is not one: {error}"
        raise NoClientUrl(f"{what}; expected {_FORMS}") from None


def shown_body(body: bytes, encoding: str | None, url: Url) -> str:
    """A short piece of an error's body for people, without tags, tokens, and the URL's query."""
    try:
        text = _text(unpacked(body, encoding))[:65536]
    except NoClientUrl:
        return ""
    text = redact(_TAG.sub(" ", text))
    secrets = [value for _, value in parse_qsl(url.target.partition("?")[2])]
    secrets += [part for part in url.credentials or () if part]
    secrets += (url.basic or "").split()[1:]  # an error page may echo the request's headers
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 2:
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    text = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
