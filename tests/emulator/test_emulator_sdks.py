"""The official Python SDKs, which know nothing of us, against the emulator."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice import WebPubSubServiceClient

from wps_load.emulator.process import EmulatorProcess

ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]


class Inbox:
    """The calls of a client's callbacks."""

    def __init__(self, client: WebPubSubClient) -> None:
        self.messages: list[Any] = []
        self._changed = threading.Condition()
        client.subscribe(CallbackType.GROUP_MESSAGE, self._take)
        client.subscribe(CallbackType.SERVER_MESSAGE, self._take)
        client.subscribe(CallbackType.CONNECTED, self._connected)
        self._connection_id: str | None = None

    def _take(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message.data)
            self._changed.notify_all()

    def _connected(self, event: Any) -> None:
        with self._changed:
            self._connection_id = event.connection_id
            self._changed.notify_all()

    def connection_id(self) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: self._connection_id is not None, 15)
        return str(self._connection_id)

    def wait_for(self, *data: Any) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: all(item in self.messages for item in data), 15), self.messages


@pytest.fixture
def service(emulator: EmulatorProcess) -> WebPubSubServiceClient:
    return WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="Sdk")


@contextmanager
def client_of(
    service: WebPubSubServiceClient,
    protocol: WebPubSubProtocolType,
    roles: list[str] = ROLES,
    reconnects: int = 5,
    **token: Any,
) -> Iterator[tuple[WebPubSubClient, Inbox]]:
    url = service.get_client_access_token(roles=roles, **token)["url"]
    # The SDK misses an ack or an opening that comes before it waits, and then waits for the whole of these times.
    client = WebPubSubClient(
        url,
        protocol_type=protocol,
        message_retry_total=0,
        reconnect_retry_total=reconnects,
        ack_timeout=0.5,
        start_timeout=3,
    )
    inbox = Inbox(client)
    with client:
        yield client, inbox


BOTH = [WebPubSubProtocolType.JSON, WebPubSubProtocolType.JSON_RELIABLE]


@pytest.mark.parametrize("protocol", BOTH)
def test_joins_publishes_and_receives(service: WebPubSubServiceClient, protocol: WebPubSubProtocolType) -> None:
    with client_of(service, protocol, user_id="u") as (client, inbox):
        client.join_group("g")
        client.send_to_group("g", "text", WebPubSubDataType.TEXT)
        client.send_to_group("g", {"a": 1}, WebPubSubDataType.JSON)
        client.send_to_group("g", memoryview(b"\0\xff"), WebPubSubDataType.BINARY)
        client.send_event("e", {"b": 2}, WebPubSubDataType.JSON)
        inbox.wait_for("text", {"a": 1}, {"b": 2})
        assert any(bytes(data) == b"\0\xff" for data in inbox.messages if isinstance(data, (bytes, memoryview)))
        client.leave_group("g")


def test_is_told_that_it_may_not(service: WebPubSubServiceClient) -> None:
    with client_of(service, WebPubSubProtocolType.JSON, roles=[]) as (client, _):
        with pytest.raises(SendMessageError) as caught:
            client.join_group("g")
        assert caught.value.error_detail is not None
        assert caught.value.error_detail.name == "Forbidden"


def test_recovers_when_its_socket_is_cut(service: WebPubSubServiceClient) -> None:
    with client_of(service, WebPubSubProtocolType.JSON_RELIABLE) as (client, inbox):
        client.join_group("g")
        identity = inbox.connection_id()
        app: Any = client._ws  # the SDK offers no way to break its own socket
        socket = app.sock.sock
        socket.shutdown(2)
        service.send_to_group("g", "meanwhile", content_type="text/plain")
        inbox.wait_for("meanwhile")
        client.send_to_group("g", "after", WebPubSubDataType.TEXT)
        inbox.wait_for("after")
        assert service.connection_exists(identity)
        assert inbox.messages == ["meanwhile", "after"]


def test_the_service_sdk_sends_and_manages(service: WebPubSubServiceClient) -> None:
    with client_of(service, WebPubSubProtocolType.JSON, user_id="rest user", groups=["start"]) as (_, inbox):
        identity = inbox.connection_id()
        service.send_to_all({"to": "all"})
        service.send_to_all("excluded", content_type="text/plain", excluded=[identity])
        service.send_to_all("filtered", content_type="text/plain", filter="userId eq 'rest user'")
        service.send_to_group("start", "to group", content_type="text/plain")
        service.send_to_user("rest user", "to user", content_type="text/plain")
        service.send_to_connection(identity, "to connection", content_type="text/plain")
        inbox.wait_for({"to": "all"}, "filtered", "to group", "to user", "to connection")
        assert "excluded" not in inbox.messages
        service.add_connection_to_group("a b/c", identity)
        service.add_user_to_group("more", "rest user")
        assert service.group_exists("a b/c")
        assert service.connection_exists(identity)
        assert service.user_exists("rest user")
        assert not service.user_exists("nobody")
        service.grant_permission("sendToGroup", identity, target_name="x")
        assert service.has_permission("sendToGroup", identity, target_name="x")
        service.revoke_permission("sendToGroup", identity, target_name="x")
        service.remove_user_from_all_groups("rest user")
        assert not service.group_exists("a b/c")
        service.close_connection(identity, reason="enough")


def test_the_service_sdk_lists_and_removes(service: WebPubSubServiceClient) -> None:
    with client_of(service, WebPubSubProtocolType.JSON, user_id="listed", groups=["of two"]) as (_, inbox):
        identity = inbox.connection_id()
        service.add_user_to_group("first", "listed")
        service.add_connection_to_group("second", identity)
        members = [(member.connection_id, member.user_id) for member in service.list_connections(group="of two")]
        assert members == [(identity, "listed")]
        service.remove_user_from_group("first", "listed")
        service.remove_connection_from_group("second", identity)
        assert not service.group_exists("first")
        assert not service.group_exists("second")
        service.remove_connection_from_all_groups(identity)
        assert not service.group_exists("of two")


@pytest.mark.parametrize("whom", ["connection", "user", "group", "all"])
def test_the_service_sdk_closes(service: WebPubSubServiceClient, whom: str) -> None:
    told: list[Any] = []
    ended = threading.Event()
    own: dict[str, Any] = {"user_id": whom, "groups": [whom]}
    with client_of(service, WebPubSubProtocolType.JSON, reconnects=0, **own) as (client, inbox):
        identity = inbox.connection_id()
        client.subscribe(CallbackType.DISCONNECTED, lambda event: told.append(event.message))
        client.subscribe(CallbackType.STOPPED, ended.set)
        match whom:
            case "connection":
                service.close_connection(identity, reason="enough")
            case "user":
                service.close_user_connections(whom, reason="enough")
            case "group":
                service.close_group_connections(whom, reason="enough")
            case "all":
                service.close_all_connections(reason="enough")
        assert ended.wait(15)
        assert not service.connection_exists(identity)
        assert "enough" in str(told)


def test_a_token_may_carry_groups(service: WebPubSubServiceClient) -> None:
    with client_of(service, WebPubSubProtocolType.JSON, groups=["g"], minutes_to_expire=1) as (client, inbox):
        client.send_to_group("g", "x", WebPubSubDataType.TEXT)
        inbox.wait_for("x")


def test_a_wrong_key_is_refused(emulator: EmulatorProcess) -> None:
    wrong = emulator.connection_string.replace("ABCDEFGHIJKLMNOP", "PONMLKJIHGFEDCBA")
    service = WebPubSubServiceClient.from_connection_string(wrong, hub="Sdk")
    with pytest.raises(HttpResponseError) as caught:
        service.send_to_all("x", content_type="text/plain")
    assert caught.value.status_code == 401
