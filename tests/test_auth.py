from __future__ import annotations

import jwt
import pytest

from wps_load.auth import (
    DEFAULT_EMULATOR_KEY,
    ConnectionString,
    client_url_with_token,
    mint_client_token,
    mint_rest_token,
    redact,
    valid_hub,
)

KEY = DEFAULT_EMULATOR_KEY
NOW_S = 1_790_000_000


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (
            "Endpoint=https://Demo.webpubsub.azure.com;AccessKey=K;Version=1.0;",
            "https://demo.webpubsub.azure.com",
        ),
        ("endpoint=http://localhost:8080/;ACCESSKEY=K", "http://localhost:8080"),
        ("Endpoint=http://localhost;Port=9090;AccessKey=K;", "http://localhost:9090"),
        ("Endpoint=demo.example.com;AccessKey=K", "https://demo.example.com"),
        (" AccessKey=K;Endpoint=http://[::1]:1;\n", "http://[::1]:1"),
    ],
)
def test_reads_every_form_of_a_connection_string(text: str, endpoint: str) -> None:
    parsed = ConnectionString.parse(text)
    assert (parsed.endpoint, parsed.access_key) == (endpoint, "K")


def test_a_key_may_contain_equals_signs() -> None:
    assert ConnectionString.parse("Endpoint=http://a;AccessKey=abc==;").access_key == "abc=="


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("Endpoint=http://a;", "no AccessKey="),
        ("AccessKey=s3cret;", "no Endpoint="),
        ("Endpoint=http://a;AccessKey=;", "no AccessKey="),
        ("s3cret;Endpoint=http://a", "part 1"),
        ("Endpoint=ftp://a;AccessKey=s3cret", "https:// or http://"),
        ("Endpoint=http://a/path;AccessKey=s3cret", "nothing more"),
        ("Endpoint=http://a;AccessKey=s3cret;Port=99999", "1 to 65535"),
        ("Endpoint=http://a:x;AccessKey=s3cret", "not a URL"),
        ("Endpoint=http://a;AccessKey=s3cret;AccessKey=s3cret", "twice"),
        ("Endpoint=http://a;AccessKey=s3cret;Version=2.0", "1.0"),
        ("Endpoint=https://.webpubsub.azure.com;AccessKey=s3cret", "resource's name"),
        ("Endpoint=https://u:s3cret@a;AccessKey=s3cret", "nothing more"),
        ("Endpoint=Endpoint=http://a;AccessKey=s3cret", "Endpoint"),
        ("Endpoint=https://a;AuthType=azure;Version=1.0;", "AccessKey"),
        ("Endpoint=https://a;ClientEndpoint=https://b;AccessKey=s3cret", "ClientEndpoint"),
    ],
)
def test_says_what_is_wrong_without_the_secret(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        ConnectionString.parse(text)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_repr_has_no_key() -> None:
    assert KEY not in repr(ConnectionString("http://a", KEY))


def test_client_token_is_what_the_server_sdk_makes() -> None:
    connection = ConnectionString("https://demo.webpubsub.azure.com", KEY)
    token = mint_client_token(connection, "Chat", "u1", ["webpubsub.sendToGroup.g1"], ["g1"], 3600, NOW_S)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {
        "aud": "https://demo.webpubsub.azure.com/client/hubs/Chat",
        "iat": NOW_S,
        "exp": NOW_S + 3600,
        "sub": "u1",
        "role": ["webpubsub.sendToGroup.g1"],
        "webpubsub.group": ["g1"],
    }
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_client_token_without_user_has_no_sub() -> None:
    claims = jwt.decode(
        mint_client_token(ConnectionString("http://a", KEY), "h", now_s=NOW_S),
        options={"verify_signature": False},
    )
    assert set(claims) == {"aud", "iat", "exp"}


def test_rest_token_is_for_the_url_and_short_lived() -> None:
    url = "http://a/api/hubs/h/:send?api-version=2024-12-01"
    token = mint_rest_token(ConnectionString("http://a", KEY), url, NOW_S)
    assert jwt.decode(token, options={"verify_signature": False}) == {
        "aud": url,
        "iat": NOW_S,
        "exp": NOW_S + 60,
    }


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [("https://a", "wss://a/client/hubs/h"), ("http://a:1", "ws://a:1/client/hubs/h")],
)
def test_client_url_follows_the_endpoints_scheme(endpoint: str, url: str) -> None:
    connection = ConnectionString(endpoint, KEY)
    assert connection.client_url("h") == url
    assert client_url_with_token(connection, "h", "T") == f"{url}?access_token=T"


def test_redact_takes_every_kind_of_secret() -> None:
    token = mint_client_token(ConnectionString("http://a", KEY), "h", now_s=NOW_S)
    text = (
        f"wss://a/client/hubs/h?access_token={token}&x=1 Authorization: Bearer {token}, "
        f"Endpoint=http://a;AccessKey={KEY};Version=1.0; awps_reconnection_token=R3 and bare {token}"
    )
    shown = redact(text)
    assert token not in shown
    assert KEY not in shown
    assert "R3" not in shown
    assert "&x=1" in shown
    assert ";Version=1.0;" in shown


@pytest.mark.parametrize(
    ("hub", "valid"), [("bench", True), ("A_1.[x],`", True), ("1a", False), ("", False), ("a" * 129, False)]
)
def test_hub_names(hub: str, valid: bool) -> None:
    assert valid_hub(hub) is valid


@pytest.mark.parametrize(
    "text",
    [
        '"{}"',
        "'{}'",
        "\ufeff{}",
        "{}\r",
        ' "{}" \r\n',
        "WebPubSubConnectionString={}",
        'export WebPubSubConnectionString="{}"',
        "WebPubSubConnectionString = '{}'",
    ],
)
def test_what_comes_along_from_files_and_shells_is_taken_off(text: str) -> None:
    cs = ConnectionString.parse(text.format("Endpoint=http://a:81;AccessKey=s3cret;Version=1.0;"))
    assert (cs.endpoint, cs.access_key) == ("http://a:81", "s3cret")


def test_a_quoted_part_is_its_content() -> None:
    assert ConnectionString.parse('Endpoint="HTTP://A/";AccessKey="s3cret"').endpoint == "http://a"
