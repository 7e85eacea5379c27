"""A data plane request, checked as far as all operations have in common, and how a refusal looks."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from wps_load.auth import valid_hub
from wps_load.clock import now_ns
from wps_load.emulator.hub import Connection, Hub
from wps_load.emulator.names import valid_group
from wps_load.emulator.service import Service
from wps_load.emulator.tokens import Unauthorized, check_rest_token

API_VERSIONS = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")
MAX_BODY_BYTES = 1 << 20


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


class Call:
    """One request, checked as far as all operations have in common."""

    def __init__(self, request: web.Request, service: Service, hub: Hub, body: bytes) -> None:
        self.service = service
        self.hub = hub
        self.body = body
        self.query = request.query
        self.request = request
        self.now_ns = now_ns()

    def part(self, name: str) -> str:
        """A segment of the path, percent-decoded."""
        return self.request.match_info[name]

    @property
    def group(self) -> str:
        return checked_group(self.part("group"))

    def connection(self) -> Connection:
        """The connection of the path; 404 without one."""
        identity = self.part("connection")
        connection = self.hub.connections.get(identity)
        if connection is None:
            raise RestError(404, "Error.Connection.NotExisted", f"Connection `{identity}` is not found.", "Connection")
        return connection

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A query parameter that is a whole number; None if absent."""
        text = self.query.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise bad_request(f"{name} must be a number from {low} to {high}.")
        return int(text)


def checked_group(group: object) -> str:
    if not isinstance(group, str) or not valid_group(group):
        raise bad_request("The group's name must have 1 to 1024 characters, not only white space.")
    return group


async def check_request(request: web.Request, service: Service) -> Call:
    """Token, rate, version, hub, body, in this order. Raises RestError."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise Unauthorized("the request carries no bearer token")
        check_rest_token(token.strip(), service.config.access_key, request.path)
    except Unauthorized as error:
        raise RestError(401, "Error.Unauthorized", f"Unauthorized: {error}.") from None
    if service.limits is not None and not service.limits.may_call(now_ns()):
        raise RestError(429, "Error.TooManyRequests", "The units' limit of REST calls a second is reached.")
    versions = request.query.getall("api-version", ())
    if len(versions) != 1 or versions[0] not in API_VERSIONS:
        raise bad_request(f"One api-version is needed, of {', '.join(API_VERSIONS)}.")
    if not valid_hub(request.match_info["hub"]):
        raise bad_request("The hub's name is malformed.")
    if request.method != "POST":
        body = b""
    elif request.content_length is None:
        raise bad_request("A Content-Length is needed.")
    elif request.content_length > MAX_BODY_BYTES:
        raise bad_request("The body is larger than 1 MB.")
    else:
        body = await request.read()
    return Call(request, service, service.hub(request.match_info["hub"]), body)
