"""An aiohttp application as the event handler: it records events, and answers as configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.emulator.live import serve, serve_app

ALLOW_ALL = {"WebHook-Allowed-Origin": "*"}
Answer = Callable[["Event"], web.Response]


@dataclass
class Event:
    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def name(self) -> str:
        return self.headers["ce-eventname"]


@dataclass
class Handler:
    """An app server that records each event and answers as configured; by default 204."""

    answer: Answer = lambda event: web.Response(status=204)
    allowed: str = "*"
    options_status: int = 200
    events: list[Event] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**21, handler_args={"max_field_size": 2**17})
        app.router.add_route("OPTIONS", "/{path:.*}", self._validate)
        app.router.add_get("/{path:.*}", self._validate_by_get)
        app.router.add_post("/{path:.*}", self._take)
        return app

    async def _validate(self, request: web.Request) -> web.Response:
        return web.Response(status=self.options_status, headers={"WebHook-Allowed-Origin": self.allowed})

    async def _validate_by_get(self, request: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": self.allowed})

    async def _take(self, request: web.Request) -> web.Response:
        headers = {k.lower(): v.encode("utf-8", "surrogateescape").decode() for k, v in request.headers.items()}
        event = Event(headers, await request.read(), request.path)
        async with self.arrived:
            self.events.append(event)
            self.arrived.notify_all()
        return self.answer(event)

    async def wait_for(self, *names: str) -> list[Event]:
        async with self.arrived:
            await self.arrived.wait_for(lambda: set(names) <= {event.name for event in self.events})
        return [next(event for event in self.events if event.name == name) for name in names]


def with_handler(handler: Callable[[], Handler], scenario: Any) -> None:
    async def run() -> None:
        made = handler()
        async with (
            serve_app(made.app()) as base,
            serve(handler=f"{base}/hubs/{{hub}}/{{event}}?code=1") as live,
        ):
            await asyncio.wait_for(scenario(live, made), 20)

    asyncio.run(run())


def by_event(**answers: Answer) -> Answer:
    """Answers some events, and the others with 204."""
    return lambda event: answers[event.name](event) if event.name in answers else web.Response(status=204)
