"""The REST data plane beside sending: groups, permissions, existence checks, and closing.

Source: Azure Web PubSub documentation, "REST API data plane"; api-version 2024-01-01.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from wps_load.client.http1 import HttpResponse
from wps_load.client.rest_sender import RestSender


class RestManager:
    """The management calls of one hub, over a sender's connections.

    Every method blocks its greenlet until the service has answered, and raises as `RestSender` does.
    """

    def __init__(self, rest: RestSender) -> None:
        self._rest = rest

    # -- groups ----------------------------------------------------------------------------------------------

    def add_connection(self, group: str, connection_id: str) -> None:
        self._do("PUT", f"/groups/{_name(group)}/connections/{_name(connection_id)}")

    def remove_connection(self, group: str, connection_id: str) -> None:
        self._do("DELETE", f"/groups/{_name(group)}/connections/{_name(connection_id)}")

    def add_user(self, group: str, user_id: str) -> None:
        self._do("PUT", f"/users/{_name(user_id)}/groups/{_name(group)}")

    def remove_user(self, group: str, user_id: str) -> None:
        self._do("DELETE", f"/users/{_name(user_id)}/groups/{_name(group)}")

    # -- permissions -----------------------------------------------------------------------------------------

    def grant(self, permission: str, connection_id: str, group: str) -> None:
        self._do("PUT", _permission(permission, connection_id), {"targetName": group})

    def revoke(self, permission: str, connection_id: str, group: str) -> None:
        self._do("DELETE", _permission(permission, connection_id), {"targetName": group})

    def has_permission(self, permission: str, connection_id: str, group: str) -> bool:
        return self._is_there(_permission(permission, connection_id), {"targetName": group})

    # -- connections -----------------------------------------------------------------------------------------

    def connection_exists(self, connection_id: str) -> bool:
        return self._is_there(f"/connections/{_name(connection_id)}")

    def user_exists(self, user_id: str) -> bool:
        return self._is_there(f"/users/{_name(user_id)}")

    def group_exists(self, group: str) -> bool:
        return self._is_there(f"/groups/{_name(group)}")

    def close_connection(self, connection_id: str, reason: str) -> None:
        self._do("DELETE", f"/connections/{_name(connection_id)}", {"reason": reason} if reason else None)

    # -- one request -----------------------------------------------------------------------------------------

    def _do(self, method: str, path: str, query: Mapping[str, str] | None = None) -> None:
        self._accept(self._rest.request(method, path, query, body=b"" if method == "PUT" else None))

    def _is_there(self, path: str, query: Mapping[str, str] | None = None) -> bool:
        """Whether it exists: 404 is a normal answer."""
        response = self._rest.request("HEAD", path, query)
        if response.status_code == 404:
            return False
        self._accept(response)
        return True

    def _accept(self, response: HttpResponse) -> None:
        if not 200 <= response.status_code < 300:
            raise self._rest.refused(response, "call")


def _permission(permission: str, connection_id: str) -> str:
    return f"/permissions/{_name(permission)}/connections/{_name(connection_id)}"


def _name(name: str) -> str:
    return quote(name, safe="")
