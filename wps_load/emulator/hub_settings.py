"""Which events go to which app server: the hub settings, from options or from a file. Pure.

The file is the JSON that Microsoft's emulator reads (`appsettings.json`), so that its users can bring theirs:

    {"WebPubSub": {"Hubs": {"chat": {"EventHandlers": [
        {"UrlTemplate": "http://localhost:3000/{hub}/{event}", "SystemEvents": ["connected"], "EventPattern": "*"}]}}}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlsplit

from wps_load.auth import valid_hub
from wps_load.emulator.valid_names import valid_event

SYSTEM_EVENTS = ("connect", "connected", "disconnected")
_HOST_KEYS = frozenset({"$schema", "logging", "allowedhosts", "urls", "kestrel"})
"""What an ASP.NET program's own host reads from the same file."""

_COMMENT = re.compile(r'(?P<kept>"(?:[^"\\\n]|\\.)*+")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'(?P<kept>"(?:[^"\\\n]|\\.)*+"|[\[{,]\s*,)|,(?=\s*[\]}])')
_CHARACTER = re.compile(r"[^\n]")


class SettingsError(ValueError):
    """Settings that cannot be used; the text is one sentence that says where."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The events that a handler wants. `user`: names in lower case; None: all."""

    system: frozenset[str] = frozenset()
    user: frozenset[str] | None = frozenset()

    def takes_user(self, event: str) -> bool:
        return self.user is None or event.lower() in self.user


@dataclass(frozen=True, slots=True)
class EventHandler:
    """An app server's URL, and the events that it wants."""

    url_template: str
    events: Choice

    def url(self, hub: str, event: str) -> str:
        return self.url_template.replace("{hub}", quote(hub, safe="")).replace("{event}", quote(event, safe=""))


@dataclass(frozen=True, slots=True)
class ConfiguredHub:
    """`listeners`: events for Event Hubs, which nobody sends; they are accepted, as they would be with it.

    `echoes`: user events that no handler wants come back.
    """

    handlers: tuple[EventHandler, ...] = ()
    listeners: tuple[Choice, ...] = ()
    echoes: bool = False

    def handler_of_system(self, event: str) -> EventHandler | None:
        """The first handler that wants it."""
        return next((handler for handler in self.handlers if event in handler.events.system), None)

    def handler_of_user(self, event: str) -> EventHandler | None:
        return next((handler for handler in self.handlers if handler.events.takes_user(event)), None)

    def is_listened_to(self, event: str) -> bool:
        return any(listener.takes_user(event) for listener in self.listeners)


@dataclass(frozen=True, slots=True)
class HubSettings:
    """`default` is for the hubs that `hubs` (names in lower case) does not have."""

    hubs: Mapping[str, ConfiguredHub] = field(default_factory=dict)
    default: ConfiguredHub = ConfiguredHub()
    access_key: str | None = field(default=None, repr=False)
    unvalidated_entra_tokens: bool = False

    def hub(self, name: str) -> ConfiguredHub:
        return self.hubs.get(name.lower(), self.default)

    @property
    def has_listeners(self) -> bool:
        return any(hub.listeners for hub in self.hubs.values())


def for_all_hubs(url_template: str, system_events: str = "") -> ConfiguredHub:
    """One URL for every user event, and for those system events that are named. Raises SettingsError."""
    names = [name.strip() for name in system_events.split(",") if name.strip()]
    return ConfiguredHub(
        (EventHandler(_url(url_template, "--event-handler"), Choice(_system(names, "--system-events"), None)),)
    )


def _plain(text: str) -> str:
    """JSON without what .NET's configuration reader ignores: comments, and a comma after the last member.

    Blanks replace them, so that the positions of errors remain right.
    """
    for aside in (_COMMENT, _LAST_COMMA):
        text = aside.sub(lambda found: found[0] if found["kept"] else _CHARACTER.sub(" ", found[0]), text)
    return text


def parse(text: str, default: ConfiguredHub | None = None) -> HubSettings:
    """A settings file. Raises SettingsError."""
    try:
        document = json.loads(_plain(text.removeprefix("\ufeff")))
    except ValueError as error:
        raise SettingsError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise SettingsError("it is nested too deeply") from None
    top = _object(document, "the file", {"webpubsub"}, _HOST_KEYS)
    known = {"hubs", "accesskey", "allowunvalidatedentratokens"}
    section = _object(top.get("webpubsub"), "WebPubSub", known)
    hubs = {}
    for name, value in _members(section.get("hubs"), "WebPubSub:Hubs").items():
        where = f"WebPubSub:Hubs:{name}"
        if not valid_hub(name):
            raise SettingsError(f"{where}: this is not a valid hub name")
        hubs[name.lower()] = _hub(_object(value, where, {"eventhandlers", "eventlisteners"}), where)
    entra = section.get("allowunvalidatedentratokens")
    if entra is not None and not isinstance(entra, bool):
        raise SettingsError("WebPubSub:AllowUnvalidatedEntraTokens: true or false is needed")
    key = section.get("accesskey")
    return HubSettings(
        hubs, default or ConfiguredHub(), None if key is None else _text(key, "WebPubSub:AccessKey"), bool(entra)
    )


def _hub(settings: Mapping[str, Any], where: str) -> ConfiguredHub:
    handlers = []
    for index, value in enumerate(_list(settings.get("eventhandlers"), f"{where}:EventHandlers")):
        here = f"{where}:EventHandlers:{index}"
        row = _object(value, here, {"urltemplate", "systemevents", "eventpattern"})
        url = _url(_text(row.get("urltemplate"), f"{here}:UrlTemplate"), f"{here}:UrlTemplate")
        handlers.append(EventHandler(url, _choice(row, "eventpattern", "EventPattern", here)))
    listeners = []
    for index, value in enumerate(_list(settings.get("eventlisteners"), f"{where}:EventListeners")):
        here = f"{where}:EventListeners:{index}"
        row = _object(value, here, {"eventnamefilter", "eventhubendpoint"})
        here += ":EventNameFilter"
        chosen = _object(row.get("eventnamefilter"), here, {"systemevents", "usereventpattern"})
        listeners.append(_choice(chosen, "usereventpattern", "UserEventPattern", here))
    return ConfiguredHub(tuple(handlers), tuple(listeners))


def _choice(row: Mapping[str, Any], key: str, name: str, where: str) -> Choice:
    system = _system(_list(row.get("systemevents"), f"{where}:SystemEvents"), f"{where}:SystemEvents")
    pattern = row.get(key)
    return Choice(system, frozenset() if pattern is None else _pattern(_text(pattern, f"{where}:{name}"), where, name))


def _pattern(text: str, where: str, name: str) -> frozenset[str] | None:
    names = [part.strip() for part in text.split(",")]
    if names == ["*"]:
        return None
    if names == [""]:
        return frozenset()
    if not all(valid_event(part) for part in names):
        raise SettingsError(f"{where}:{name} {text!r}: *, a name or a list of names with commas is needed")
    return frozenset(part.lower() for part in names)


def _system(names: Iterable[object], where: str) -> frozenset[str]:
    found = set()
    for name in names:
        if not isinstance(name, str) or name.lower() not in SYSTEM_EVENTS:
            raise SettingsError(f"{where} {name!r}: only {', '.join(SYSTEM_EVENTS)} are system events")
        found.add(name.lower())
    return frozenset(found)


def _url(text: str, where: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "{" not in parts.netloc
        usable = usable and (parts.port or True) is not None
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{where}: a URL that starts with http:// or https:// is needed")
    return text


def _object(value: object, where: str, known: Iterable[str], ignored: Iterable[str] = ()) -> dict[str, Any]:
    """The members by their name in lower case, as ASP.NET reads them; null is an empty object."""
    members = _members(value, where)
    for name in members:
        if name.lower() not in known and name.lower() not in ignored:
            if name.lower() == "auth":
                raise SettingsError(f"{where}: Auth is not there, neither here nor in Microsoft's emulator")
            raise SettingsError(f"{where} has an unknown key {name!r}")
    return {name.lower(): member for name, member in members.items()}


def _members(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: an object is needed")
    return cast("dict[str, Any]", value)


def _list(value: object, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise SettingsError(f"{where}: a list is needed")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where}: a text is needed")
    return value
