"""Requests that the web page refuses: Locust's page has no login by default and listens on all interfaces.

Decisions only; `web.py` applies them. There are two kinds of strangers: other sites in the browser of somebody who may
use the page (the browser's headers reveal them), and people on the network (they may start and stop runs, but reach
neither files nor credentials of this host, and cannot send the load elsewhere).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wps_load.settings.options import OPTIONS, PageAccess
from wps_load.swarm.secrets import holds_secret

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

LOCUST_FIELDS = frozenset(("user_count", "spawn_rate", "run_time", "host", "profile", "user_classes", "shape_class"))
"""The fields that Locust's own form sends to /swarm.

Locust would accept any of its options there, such as a file's name.
"""
USER_FIELDS = frozenset(("user_class_name", "weight", "fixed_count", "tasks"))
"""The fields that Locust's editor of a user class changes; its `host` is a target."""
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_CHANGING = ("/swarm", "/stop", "/stats/reset", "/user")
"""Locust's routes that change something, with any method: older releases had some of them as GET."""
_OURS = {option.dest: option for option in OPTIONS}
_SWITCH = "--wps-allow-target-change"


@dataclass(frozen=True, slots=True)
class Ask:
    """The origin of a request, by its headers; missing headers are empty."""

    method: str
    path: str
    host: str = ""
    origin: str = ""
    fetch_site: str = ""
    remote: str = ""

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> Ask:
        """The origin of a WSGI request."""
        return cls(
            environ.get("REQUEST_METHOD", "GET"),
            environ.get("PATH_INFO", ""),
            environ.get("HTTP_HOST", ""),
            environ.get("HTTP_ORIGIN", ""),
            environ.get("HTTP_SEC_FETCH_SITE", ""),
            environ.get("REMOTE_ADDR", ""),
        )

    @property
    def changes(self) -> bool:
        return self.method not in _SAFE or self.path.rstrip("/").endswith(_CHANGING)


def refusal(ask: Ask, known_names: Collection[str]) -> str | None:
    """Why a request is refused (403); None if it is not. `known_names`: the page's own names, lower case.

    A browser reveals the site that a request comes from by Sec-Fetch-Site (over HTTPS and on loopback) or by Origin;
    other programs send neither. A name that somebody else has bound to this host's loopback address (DNS rebinding) has
    an Origin of its own, which is recognised because it is not among wps-load's own names.
    """
    if not ask.changes:
        return None
    if ask.fetch_site:
        return None if ask.fetch_site in ("same-origin", "none") else _foreign("another site")
    if not ask.origin:
        return None
    if ask.origin.lower().partition("://")[2] != ask.host.lower():
        return _foreign(ask.origin)
    name = _name(ask.host)
    if _is_loopback(ask.remote) and not _is_own(name, known_names):
        return (
            f"This page does not answer to the name {name} on this host's loopback address. "
            f"If it should, start Locust with --web-host-display-name http://{name}."
        )
    return None


def _foreign(origin: str) -> str:
    return f"Only this page itself may start, change or stop anything here, but this request comes from {origin}."


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _is_own(name: str, known_names: Collection[str]) -> bool:
    """Whether it is a known name, an address, or a name without a dot: nobody else can bind those in the public DNS."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(".localhost") or name in known_names
    return True


class Guard:
    """A WSGI application in front of the page's, which answers 403 to refused requests."""

    def __init__(self, app: Callable[..., Iterable[bytes]], known_names: Collection[str]) -> None:
        self._app = app
        self._known_names = known_names

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        refused = refusal(Ask.of(environ), self._known_names)
        if refused is None:
            return self._app(environ, start_response)
        body = f"{refused}\n".encode()
        start_response(
            "403 Forbidden", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        )
        return [body]


# -- the form ----------------------------------------------------------------------------------------------


def offered(page: PageAccess, allow_target_change: bool) -> bool:
    """Whether an option of this kind is a field of the form."""
    return page is PageAccess.FIELD or (page is PageAccess.TARGET and allow_target_change)


def refused_fields(names: Iterable[str], others: Collection[str], *, allow_target_change: bool) -> list[str]:
    """A sentence for each field of the form that nobody may set there. `others`: the locustfile's own fields."""
    sentences = []
    for name in names:
        option = _OURS.get(name)
        if option is None:
            if name not in LOCUST_FIELDS and name not in others:
                sentences.append(f"{name} is not a field of this page")
        elif not offered(option.on_page, allow_target_change):
            switch = f", or the page with {_SWITCH}" if option.on_page is PageAccess.TARGET else ""
            sentences.append(f"{option.flag} is not set on this page: start the program with it{switch}")
    return sentences


def refused_secrets(form: Mapping[str, str]) -> list[str]:
    """A sentence for each text with a credential: the page shows it to everybody, so it accepts no secrets."""
    return [
        f"{_OURS[name].flag}: a URL with a password or a query is given when the program starts, not on this page"
        for name, text in form.items()
        if name in _OURS and holds_secret(_OURS[name], text)
    ]


def refused_host(posted: str, started: str | None, *, allow_target_change: bool) -> str | None:
    """Why a host other than the one that the program was started with is refused."""
    if allow_target_change or posted.strip().rstrip("/") == (started or "").strip().rstrip("/"):
        return None
    return f"Host: this page may not send the load to another target; start the program with --host, or with {_SWITCH}"


def refused_mode(posted: str, started: str, *, allow_target_change: bool) -> str | None:
    """Why the page may not switch from the emulator, with which the program was started, to a target."""
    if allow_target_change or started != "emulator" or posted in ("", "emulator"):
        return None
    return f"--wps-target {posted}: the program was started for the emulator; start it without, or with {_SWITCH}"


def refused_settings(settings: object, host: str | None, *, allow_target_change: bool) -> str | None:
    """Why a change of a user class (Locust's /user) is refused. `host`: the class's present one."""
    if not isinstance(settings, dict):
        return "A user class's settings are a JSON object"
    foreign = [name for name in settings if name not in USER_FIELDS and name != "host"]
    if foreign:
        return f"{', '.join(map(str, foreign))}: not a setting of a user class that this page changes"
    if "host" not in settings:
        return None
    return refused_host(str(settings["host"] or ""), host, allow_target_change=allow_target_change)


def listening(host: str, port: int, addresses: Iterable[str]) -> str:
    """The addresses on which the page can be reached.

    `host` empty: on all interfaces, whose addresses are `addresses`.
    """
    if host not in ("", "*", "0.0.0.0", "::"):
        shown = f"[{host}]" if ":" in host else host
        return f"The page listens on {shown}:{port}"
    return (
        f"The page listens on all interfaces, port {port} ({', '.join(addresses)}): whoever reaches it may start and "
        "stop runs (--web-host 127.0.0.1: this host only; --web-login)"
    )
