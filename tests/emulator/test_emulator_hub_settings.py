"""The settings file of the event handlers: what it may say, and that it is read again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wps_load.emulator.hub_settings import ConfiguredHub, HubSettings, SettingsError, for_all_hubs, parse
from wps_load.emulator.settings_file import SettingsFile

CHAT = {
    "Logging": {"LogLevel": {"Default": "Information"}},
    "WebPubSub": {
        "AccessKey": "k" * 32,
        "Hubs": {
            "Chat": {
                "EventHandlers": [
                    {
                        "UrlTemplate": "http://a/{hub}/{event}?c",
                        "SystemEvents": ["Connect"],
                        "EventPattern": "x, Y",
                    },
                    {"UrlTemplate": "http://b", "SystemEvents": ["connect", "connected"], "EventPattern": "*"},
                ],
                "EventListeners": [
                    {
                        "EventNameFilter": {"SystemEvents": ["connected"], "UserEventPattern": "heard"},
                        "EventHubEndpoint": {
                            "FullyQualifiedNamespace": "n.example",
                            "EventHubName": "h",
                        },
                    }
                ],
            },
            "silent": {"EventHandlers": [{"UrlTemplate": "https://c:1/"}]},
            "nothing": None,
        },
    },
}


def url_of(settings: HubSettings, hub: str, event: str, *, system: bool = False) -> str | None:
    found = settings.hub(hub)
    handler = found.handler_of_system(event) if system else found.handler_of_user(event)
    return None if handler is None else handler.url(hub, event)


@pytest.mark.parametrize(
    ("hub", "event", "system", "url"),
    [
        ("chat", "connect", True, "http://a/chat/connect?c"),
        ("CHAT", "connected", True, "http://b"),
        ("chat", "disconnected", True, None),
        ("chat", "X", False, "http://a/chat/X?c"),
        ("chat", "y", False, "http://a/chat/y?c"),
        ("chat", "other", False, "http://b"),
        ("silent", "x", False, None),
        ("silent", "connect", True, None),
        ("nothing", "x", False, None),
        ("unknown", "x", False, None),
    ],
)
def test_the_first_handler_that_wants_an_event_gets_it(hub: str, event: str, system: bool, url: str | None) -> None:
    assert url_of(parse(json.dumps(CHAT)), hub, event, system=system) == url


def test_what_else_the_file_says() -> None:
    settings = parse("\ufeff" + json.dumps(CHAT))
    assert settings.access_key == "k" * 32
    assert settings.has_listeners
    assert settings.hub("chat").is_listened_to("HEARD")
    assert not settings.hub("chat").is_listened_to("x")
    assert parse('{"webpubsub":{"allowunvalidatedentratokens":true}}').unvalidated_entra_tokens
    assert parse("{}") == parse("null") == HubSettings()


def test_other_hubs_have_what_the_option_says() -> None:
    settings = parse(json.dumps(CHAT), for_all_hubs("http://d/{event}", "connected"))
    assert url_of(settings, "unknown", "x") == "http://d/x"
    assert url_of(settings, "unknown", "connected", system=True) == "http://d/connected"
    assert url_of(settings, "unknown", "connect", system=True) is None
    assert url_of(settings, "silent", "x") is None


def test_names_are_escaped_in_urls() -> None:
    assert for_all_hubs("http://d/{hub}?e={event}").handlers[0].url("a[b]", "x.y") == "http://d/a%5Bb%5D?e=x.y"


def handlers(*rows: Any) -> dict[str, Any]:
    return {"WebPubSub": {"Hubs": {"h": {"EventHandlers": list(rows)}}}}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "it is not JSON"),
        ({"WebPubSubs": {}}, "the file has an unknown key 'WebPubSubs'"),
        ({"WebPubSub": {"Hub": {}}}, "WebPubSub has an unknown key 'Hub'"),
        ({"WebPubSub": {"Hubs": []}}, "WebPubSub:Hubs: an object is needed"),
        ({"WebPubSub": {"Hubs": {"1x": {}}}}, "WebPubSub:Hubs:1x: this is not a valid hub name"),
        ({"WebPubSub": {"Hubs": {"h": {"Handlers": []}}}}, "WebPubSub:Hubs:h has an unknown key 'Handlers'"),
        ({"WebPubSub": {"Hubs": {"h": {"EventHandlers": {}}}}}, "h:EventHandlers: a list is needed"),
        ({"WebPubSub": {"AccessKey": 1}}, "WebPubSub:AccessKey: a text is needed"),
        ({"WebPubSub": {"AllowUnvalidatedEntraTokens": "yes"}}, "AllowUnvalidatedEntraTokens: true or false"),
        (handlers({}), "h:EventHandlers:0:UrlTemplate: a text is needed"),
        (handlers({"UrlTemplate": "tunnel:///x"}), "EventHandlers:0:UrlTemplate: a URL that starts with http://"),
        (handlers({"UrlTemplate": "http://{hub}/x"}), "EventHandlers:0:UrlTemplate: a URL"),
        (handlers({"UrlTemplate": "http://a"}, {"UrlTemplate": "http://a", "Unsupported": 1}), "1 has an unknown key"),
        (handlers({"UrlTemplate": "http://a", "Auth": {"Type": "None"}}), "Auth is not there"),
        (handlers({"UrlTemplate": "http://a", "SystemEvents": ["joined"]}), "SystemEvents 'joined': only connect"),
        (handlers({"UrlTemplate": "http://a", "SystemEvents": "connect"}), "SystemEvents: a list is needed"),
        (handlers({"UrlTemplate": "http://a", "EventPattern": "room.*"}), "EventPattern 'room.*'"),
        (handlers({"UrlTemplate": "http://a", "EventPattern": 1}), "EventPattern: a text is needed"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(document: Any, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(document if isinstance(document, str) else json.dumps(document))
    assert says in str(caught.value)


def test_the_file_is_read_again_when_it_changes_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hubs.json"
    told: list[str] = []
    path.write_text(json.dumps(handlers({"UrlTemplate": "http://a", "EventPattern": "*"})))
    file = SettingsFile(str(path), ConfiguredHub(), told.append)
    assert url_of(file.current, "h", "x") == "http://a"

    def write(text: str, second: int) -> None:
        path.write_text(text)
        os.utime(path, (second, second))
        file.refresh()

    file.refresh()
    assert told == []
    write("{", 1)
    write(json.dumps(handlers({"UrlTemplate": "ftp://b"})), 2)
    assert url_of(file.current, "h", "x") == "http://a"
    assert [text.partition(": ")[0] for text in told] == [str(path)] * 2
    assert all(text.endswith("the settings before stay in force") for text in told)
    write(json.dumps(handlers({"UrlTemplate": "http://b", "EventPattern": "*"})), 3)
    assert url_of(file.current, "h", "x") == "http://b"
    path.unlink()
    file.refresh()
    assert url_of(file.current, "h", "x") == "http://b"


def test_comments_and_last_commas_as_dotnet_reads_them() -> None:
    settings = parse("""{ // of the team
        /* "WebPubSub": 1,
        */ "WebPubSub": {"Hubs": {"h": {"EventHandlers": [
            {"UrlTemplate": "http://a//b/*c,]*/", "EventPattern": "*", /* last */ }, // one
        ],},},},
    }""")
    assert url_of(settings, "h", "x") == "http://a//b/*c,]*/"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{\n/* two\nlines */ !}", "line 3 column 10"),
        ("{/* no end", "it is not JSON"),
        ('{"a": "no end', "it is not JSON"),
        ("{,}", "it is not JSON"),
        ('{"WebPubSub": {},,}', "it is not JSON"),
        ("[" * 200_000, "it is nested too deeply"),
    ],
    ids=["place", "comment", "string", "lone comma", "two commas", "deep"],
)
def test_what_is_not_json_with_comments_either(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse(text)


def test_what_would_go_to_event_hubs_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "hubs.json"
    told: list[str] = []
    path.write_text(json.dumps(CHAT))
    SettingsFile(str(path), None, told.append)
    assert "nothing is sent to Event Hubs" in told[0]
