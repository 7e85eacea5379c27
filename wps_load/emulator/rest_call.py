"""A data plane request with the checks that all operations share, and the form of a refusal."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from wps_load.auth import valid_hub
from wps_load.clock import now_ns
from wps_load.emulator.forbidden import lacking_role
from wps_load.emulator.hub import Hub
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.routes import Parts
from wps_load.emulator.service import Service
from wps_load.emulator.tokens import Unauthorized, check_rest_token
from wps_load.emulator.valid_names import valid_group

API_VERSIONS = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")
SUPPORTED_VERSIONS = {"api-supported-versions": ", ".join(API_VERSIONS)}
MAX_BODY_BYTES = 1 << 20
_WHOLE = re.compile(r"\s*\+?([0-9]+)\s*")


class RestError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, code: str, message: str, target: str = "Request") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.target = target

    def response(self) -> web.Response:
        body: dict[str, Any] = {
            "code": self.code,
            "message": str(self),
            "target": self.target,
            "details": [],
            "inner": None,
        }
        return web.json_response(body, status=self.status, headers={"x-ms-error-code": self.code})


def bad_request(message: str) -> RestError:
    return RestError(400, "Error.BadRequest", message)


def unsupported_media_type() -> RestError:
    return RestError(415, "Error.UnsupportedMediaType", "The Content-Type is not supported.")


def no_content(call: Call) -> web.Response:
    return web.Response(status=204)


def found(there: object, code: str) -> web.Response:
    """The answer to a HEAD request; `code` says what is missing."""
    return web.Response() if there else web.Response(status=404, headers={"x-ms-error-code": code})


class Call:
    """One request, after the checks that all operations share. Names are checked when they are used."""

    def __init__(self, request: web.Request, parts: Parts, service: Service, hub: Hub, body: bytes) -> None:
        self.service = service
        self.hub = hub
        self.body = body
        self.parts = parts
        self.query = request.query
        self.request = request
        self.now_ns = now_ns()

    @property
    def group(self) -> str:
        return checked_group(self.parts.name("group", self.hub.groups))

    @property
    def user(self) -> str:
        return self.parts.name("user", self.hub.users)

    @property
    def connection_id(self) -> str:
        return self.parts.name("connection", self.hub.connections)

    @property
    def connection(self) -> HubConnection | None:
        """The connection of the path, if it exists."""
        return self.hub.connections.get(self.connection_id)

    def existing_connection(self, code: str = "Error.Connection.NotExisted") -> HubConnection:
        """The connection of the path; 404 without one."""
        connection = self.connection
        if connection is None:
            raise RestError(404, code, f"Connection `{self.connection_id}` is not found.", "Connection")
        return connection

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A query parameter that is a whole number and occurs once; None if absent."""
        given = self.query.getall(name, ())
        if not given:
            return None
        match = _WHOLE.fullmatch(given[0]) if len(given) == 1 else None
        if match is None or len(match[1]) > 19 or not low <= int(match[1]) <= high:
            raise bad_request(f"{name} must be a number from {low} to {high}.")
        return int(match[1])


def checked_group(group: object) -> str:
    if not isinstance(group, str) or not valid_group(group):
        raise bad_request("The group's name must have 1 to 1024 characters, not only white space.")
    return group


async def check_request(request: web.Request, parts: Parts, service: Service) -> Call:
    """Token, rate, version, hub, body, in this order. Raises RestError."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise Unauthorized("the request carries no bearer token")
        by_role = check_rest_token(token.strip(), service.trust, request.path)
    except Unauthorized as error:
        raise RestError(401, "Error.Unauthorized", f"Unauthorized: {error}.") from None
    if by_role and service.forbids("role"):
        raise RestError(403, "Error.Forbidden", lacking_role(request.method, request.path))
    if service.limits is not None and not service.limits.may_call(now_ns()):
        raise RestError(429, "Error.TooManyRequests", "The units' limit of REST calls a second is reached.")
    versions = request.query.getall("api-version", ())
    if len(versions) != 1 or versions[0] not in API_VERSIONS:
        raise bad_request(f"One api-version is needed, of {', '.join(API_VERSIONS)}.")
    hub = parts.name("hub")
    if not valid_hub(hub):
        raise bad_request("The hub's name is malformed.")
    return Call(request, parts, service, service.hub(hub), await _body(request))


async def _body(request: web.Request) -> bytes:
    if request.method != "POST":
        return b""
    if request.content_length is None:
        raise bad_request("A Content-Length is needed.")
    if request.content_length > MAX_BODY_BYTES:
        raise bad_request("The body is larger than 1 MB.")
    return await request.read()
