"""Whatever a body is: a Client URL that can be dialed, or one sentence."""

from __future__ import annotations

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.client.negotiate_answer import NoClientUrl, client_url, shown_body, unpacked
from wps_load.urls import Url

ASKED = Url.parse("https://bob:hunter2@app.example/negotiate?code=SECRET&id=ab")
bodies = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80).map(lambda text: text.encode("utf-16", "surrogatepass")),
    st.text(max_size=60).map(lambda text: f'{{"url": "wss://{text}"}}'.encode(errors="replace")),
    st.text(max_size=60).map(lambda text: f"wss://h/{text}".encode(errors="replace")),
)


@given(bodies)
def test_any_body_is_a_client_url_or_a_sentence(body: bytes) -> None:
    try:
        url = client_url(body)
    except NoClientUrl:
        return
    assert url.startswith(("ws://", "wss://"))
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "x-gzip, deflate", "br", "identity", "", "GZIP"]))
def test_any_packing_is_unpacked_or_a_sentence(body: bytes, encoding: str) -> None:
    with contextlib.suppress(NoClientUrl):
        assert len(unpacked(body, encoding)) <= 1 << 20


@given(st.binary(max_size=300))
def test_what_is_packed_comes_out(body: bytes) -> None:
    assert unpacked(gzip.compress(body), "gzip") == body
    assert unpacked(zlib.compress(body), "deflate") == body


@given(bodies)
def test_what_is_shown_of_a_body_is_short_and_printable(body: bytes) -> None:
    shown = shown_body(body, None, ASKED)
    assert len(shown) <= 170
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": "no code SECRET for bob"}', '{"error": "no code *** for ***"}'),
        (b"<h1>Not  found</h1>\n<script>var x = 'hunter2'</script><p>ab</p>", "Not found ab"),
        (b"Cannot GET /negotiate?code=SECRET&access_token=abc", "Cannot GET /negotiate?code=***&access_token=***"),
        (b"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", "Bearer ***"),
        (f"you sent Authorization: {ASKED.basic}".encode(), "you sent Authorization: Basic ***"),
        (b"", ""),
        (b"\xff\xfe\xfd", ""),
    ],
)
def test_secrets_of_a_body_are_not_shown(body: bytes, shown: str) -> None:
    assert shown_body(body, None, ASKED) == shown
