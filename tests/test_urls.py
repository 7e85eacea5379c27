from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.urls import WEBSOCKET, Url, client_url, unquoted, without_secrets


@pytest.mark.parametrize(
    ("text", "host", "port", "target"),
    [
        ("http://a.example", "a.example", 80, "/"),
        ("HTTPS://A.Example", "a.example", 443, "/"),
        ("http://a.example?x=1", "a.example", 80, "/?x=1"),
        ("http://a.example:8080/n", "a.example", 8080, "/n"),
        ("http://a.example:/n", "a.example", 80, "/n"),
        ("http://a.example./n", "a.example.", 80, "/n"),
        ("http://[2001:DB8::1]:81/n", "2001:db8::1", 81, "/n"),
        ("http://b\u00fccher.example/", "xn--bcher-kva.example", 80, "/"),
        ("http://h/?id=Ren\u00e9", "h", 80, "/?id=Ren%C3%A9"),
        ("http://h/\U0001f600", "h", 80, "/%F0%9F%98%80"),
        ("http://h/?id=bob smith", "h", 80, "/?id=bob%20smith"),
        ("http://h/?id=a%20b%26c", "h", 80, "/?id=a%20b%26c"),
        ("http://h/?q=100%", "h", 80, "/?q=100%"),
        ("http://h/?q=a/b?c@d:e[f]'g", "h", 80, "/?q=a/b?c@d:e[f]'g"),
        ("http://h/?id=bob#top", "h", 80, "/?id=bob"),
        ('http://h/<"`{|}\\^>', "h", 80, "/%3C%22%60%7B%7C%7D%5C%5E%3E"),
        ("  http://h/n\n", "h", 80, "/n"),
    ],
)
def test_what_is_sent(text: str, host: str, port: int, target: str) -> None:
    url = Url.parse(text)
    assert (url.host, url.port, url.target) == (host, port, target)


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("http://h:80/", "h"),
        ("https://h:443/", "h"),
        ("https://h:80/", "h:80"),
        ("http://[::1]:81/", "[::1]:81"),
        ("http://[::1]/", "[::1]"),
    ],
)
def test_the_host_header(text: str, authority: str) -> None:
    assert Url.parse(text).authority == authority


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("http://bob:s%40cret@h/", ("bob", "s@cret")),
        ("http://bob:S3cr[et@h/", ("bob", "S3cr[et")),
        ("http://bob:a@b@h/", ("bob", "a@b")),
        ("http://bob@h/", ("bob", "")),
        ("http://Ren\u00e9:p\u00e4ss@h/", ("Ren\u00e9", "p\u00e4ss")),
    ],
)
def test_credentials(text: str, pair: tuple[str, str]) -> None:
    url = Url.parse(text)
    assert url.credentials == pair
    assert url.basic == "Basic " + base64.b64encode(":".join(pair).encode()).decode()
    assert pair[1] not in repr(url) or not pair[1]
    assert "@" not in url.text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "http://"),
        ("nonsense", "http://"),
        ("ws://h/", "http://"),
        ("http:/h", "http://"),
        ("http:///n", "no host"),
        ("http://:80/", "no host"),
        ("http://h:port/SECRET", "HOST:PORT"),
        ("http://h:0/", "1 to 65535"),
        ("http://h:65536/", "1 to 65535"),
        ("http://h:99999999999999999999/", "1 to 65535"),
        ("http://[h]/", "IPv6"),
        ("http://[::1/", "HOST:PORT"),
        ("https://.webpubsub.azure.com/", "resource's name"),
        ("https://a..b/", "empty part"),
        ("https://a b/", "no host name has"),
        ("https://a%20b/", "no host name has"),
        (f"https://{'x' * 64}.example/", "63"),
        (f"https://{'x.' * 130}example/", "253"),
        ("http://h/a\r\nEvil: 1", "control character"),
        ("http://h/\ud800", "control character"),
    ],
)
def test_what_is_not_a_url_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        Url.parse(text)
    assert type(caught.value) is ValueError
    assert "SECRET" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    for candidate in (text, f"http://{text}", f"http://h/{text}"):
        try:
            url = Url.parse(candidate)
        except ValueError:
            continue
        else:
            assert (url.authority + url.target).isascii()
            assert (url.authority + url.target).isprintable()
            assert " " not in url.authority + url.target
            assert Url.parse(url.text).target == url.target


@pytest.mark.parametrize(
    ("location", "where", "keeps"),
    [
        ("/b?x=1", "http://a.example/b?x=1", True),
        ("b", "http://a.example/n/b", True),
        ("http://a.example/b", "http://a.example/b", True),
        ("https://a.example/b", "https://a.example/b", True),
        ("http://a.example:81/b", "http://a.example:81/b", False),
        ("https://a.example:444/b", "https://a.example:444/b", False),
        ("//other.example/b", "http://other.example/b", False),
        ("https://other.example/b", "https://other.example/b", False),
        ("https://eve:pw@other.example/", "https://other.example/", False),
    ],
)
def test_credentials_go_along_to_the_same_server_only(location: str, where: str, keeps: bool) -> None:
    new = Url.parse("http://bob:pw@a.example/n/m").redirected(location)
    assert new.text == where
    assert (new.credentials == ("bob", "pw")) is keeps
    assert new.credentials != ("eve", "pw")


def test_a_client_url_is_made_ready_to_be_dialed() -> None:
    assert client_url(" WS://H:81/client/hubs/h?access_token=T&x=\u00fc#f\n") == (
        "ws://h:81/client/hubs/h?access_token=T&x=%C3%BC"
    )
    assert Url.parse("wss://h/", WEBSOCKET).tls
    for wrong in ("http://h/", "ws://h/a b", "ws://u:p@h/"):
        with pytest.raises(ValueError, match=r"wss://|blanks"):
            client_url(wrong)


@pytest.mark.parametrize("text", ["x", '"x"', "'x'", " 'x' \r\n", "\ufeffx", '\ufeff "x"', '" x"'])
def test_what_came_along_is_taken_off(text: str) -> None:
    assert unquoted(text) == "x"


@pytest.mark.parametrize("text", ["'x\"", '"', "", "'"])
def test_a_lonely_quote_stays(text: str) -> None:
    assert unquoted(text) == text


def test_what_is_shown_of_a_url() -> None:
    assert without_secrets("https://u:p@h:8/n?code=S#f") == "https://h:8/n"
    assert without_secrets("http://u:S[x@h/n?a=b@c") == "http://h/n"
    assert without_secrets("nonsense?code=S") == "nonsense"
