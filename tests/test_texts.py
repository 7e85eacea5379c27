"""Texts of options that are more than a number or a name: what each becomes, and what is allowed instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wps_load.settings import texts

CLIENT_URL = "wss://x.webpubsub.azure.com/client/hubs/chat?access_token=T"


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (texts.hub, "chat_1", "chat_1"),
        (texts.client_url, f"'{CLIENT_URL}'", CLIENT_URL),
        (texts.negotiate_url, '"https://app.example/negotiate?code=c"', "https://app.example/negotiate?code=c"),
        (texts.roles, "none", ()),
        (texts.roles, "webpubsub.sendToGroup, webpubsub.joinLeaveGroup.lobby",
         ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup.lobby")),
        (texts.token_lifetime_ns, "1s", 1_000_000_000),
        (texts.keepalive_ns, "0s", 0),
        (texts.keepalive_ns, "100ms", 100_000_000),
        (texts.tier, "Standard", "Standard_S1"),
        (texts.tier, "premium_p2", "Premium_P2"),
        (texts.address, " [::1] ", "::1"),
        (texts.address, "127.0.0.1", "127.0.0.1"),
        (texts.rate_or_max, " max ", None),
    ],
)  # fmt: skip
def test_what_is_read(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "allowed"),
    [
        (texts.hub, "1st", "a letter, then"),
        (texts.client_url, "wss://x.example/other?access_token=T", "a Client URL"),
        (texts.client_url, "wss://x.example/client/hubs/chat", "it has no access_token"),
        (texts.negotiate_url, "app.example", "the app server's http:// or https:// address"),
        (texts.pushgateway, "http://gateway:9091/?job=a", "without a query"),
        (texts.roles, "webpubsub.everything", "webpubsub.joinLeaveGroup and webpubsub.sendToGroup"),
        (texts.roles, f"webpubsub.joinLeaveGroups.{'g' * 1025}", "at most 1,024 characters"),
        (texts.token_lifetime_ns, "999ms", "at least 1s"),
        (texts.keepalive_ns, "99ms", "at least 100ms"),
        (texts.tier, "gold", "one of free, standard, premium"),
        (texts.file_bytes, "/no/such/file", "a readable file"),
        (texts.address, "localhost", "an IP address of this host"),
        (texts.rate_or_max, "often", "or max for the closed loop"),
    ],
)
def test_what_is_refused_says_what_is_allowed(read: Callable[[str], Any], text: str, allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed.replace("(", r"\(")):
        read(text)


def test_a_mix_is_text_with_or_without_a_mark_of_its_encoding(tmp_path: Path) -> None:
    file = tmp_path / "mix.toml"
    for content in (b"name = 'a'", b"\xef\xbb\xbfname = 'a'"):
        file.write_bytes(content)
        assert texts.mix(str(file)) == (str(file), "name = 'a'")
    file.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="in UTF-8"):
        texts.mix(str(file))
    assert texts.readable_path(str(file)) == str(file)
