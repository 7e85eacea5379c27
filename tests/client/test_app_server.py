"""An app server's calls from a task, against the emulator and a service that refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest

from tests.client.api_engines import TASKS, count, make, taken
from tests.client.loopback import PATIENCE_S
from tests.ports import free_port
from wps_load.client.api import WebPubSubClient
from wps_load.client.app_server import AppServerClient
from wps_load.client.engine import Engine
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import Finding, WrongType, WrongValue
from wps_load.protocol.messages import DataType
from wps_load.settings.load import load
from wps_load.swarm.engines import make_engine


@pytest.fixture
def engine(emulator: EmulatorProcess) -> Iterator[Engine]:
    made = make(emulator)
    yield made
    made.close()


@pytest.fixture
def server(engine: Engine) -> AppServerClient:
    return engine.populations[0].app_server()


@pytest.fixture
def client(engine: Engine) -> Iterator[WebPubSubClient]:
    client = WebPubSubClient(engine.populations[0].connections)
    client.connect()
    yield client
    client.end()


@pytest.mark.parametrize(
    ("data", "data_type"), [("text", DataType.TEXT), (b"\x00", DataType.BINARY), ({"a": [1]}, DataType.JSON)]
)
def test_what_is_sent_arrives(
    engine: Engine, server: AppServerClient, client: WebPubSubClient, data: Any, data_type: DataType
) -> None:
    group = uuid4().hex
    client.join_group(group)
    assert client.connection_id is not None
    sends: list[Callable[[], None]] = [
        lambda: server.send_to_group(group, data),
        lambda: server.send_to_user(client.name, data),
        lambda: server.send_to_connection(str(client.connection_id), data),
        lambda: server.send_to_all(data),
    ]
    for send in sends:
        send()
        message = client.receive(PATIENCE_S)
        assert message is not None
        assert (message.data, message.data_type) == (data, data_type)
    seen = taken(engine)
    assert count(seen, "rest_publish") == 4
    assert seen.counters["tasks_published"] == 4
    assert not seen.failures


def test_groups_permissions_and_what_exists(engine: Engine, server: AppServerClient, client: WebPubSubClient) -> None:
    group, other = uuid4().hex, f"a/b ü {uuid4().hex}"
    ident = client.connection_id
    assert ident is not None
    assert server.connection_exists(ident)
    assert server.user_exists(client.name)
    assert not server.user_exists("nobody")
    assert not server.group_exists(group)
    server.add_connection_to_group(group, ident)
    server.add_user_to_group(other, client.name)
    assert server.group_exists(group)
    assert server.group_exists(other)
    server.send_to_group(other, "x")
    assert client.receive(PATIENCE_S) is not None
    server.remove_connection_from_group(group, ident)
    server.remove_user_from_group(other, client.name)
    assert not server.group_exists(group)
    assert not server.group_exists(other)
    server.grant_permission("sendToGroup", ident, group)
    assert server.has_permission("sendToGroup", ident, group)
    server.revoke_permission("sendToGroup", ident, group)
    assert not server.has_permission("sendToGroup", ident, group)
    server.close_connection(ident, "enough")
    with pytest.raises(Finding):
        client.receive(PATIENCE_S)
    seen = taken(engine)
    assert count(seen, "rest_manage") == 17
    assert {key for key in seen.failures} == {("disconnect", "closed_1000")}


def test_what_the_service_refuses_is_counted_under_a_fixed_label(engine: Engine, server: AppServerClient) -> None:
    with pytest.raises(Finding) as error:
        server.add_user_to_group("g", "nobody here")
    assert error.value.label == "rest_404"
    seen = taken(engine)
    assert seen.failures == {("rest_manage", "rest_404"): 1}
    assert count(seen, "rest_manage") == 0
    assert "nobody here" not in str(seen.sentences)


def test_a_service_that_is_not_there() -> None:
    nobody = f"Endpoint=http://127.0.0.1:{free_port()};AccessKey={'k' * 32};Version=1.0;"
    config = load({"wps_connection_string": nobody}, users=1, spawn_rate=1.0, environ={}, locustfile=TASKS)
    engine = make_engine(config, lambda kind, sentence: None, run_id="r", number=1, users=1)
    with pytest.raises(Finding):
        engine.populations[0].app_server().send_to_all("x")
    assert [*taken(engine).failures] == [("rest_publish", "rest_connect_refused")]
    engine.close()


def test_a_client_url_as_a_negotiate_endpoint_signs_it(server: AppServerClient) -> None:
    url = server.client_url("anna", roles=["webpubsub.sendToGroup"], groups=["g"], lifetime_s=60)
    assert url.startswith("ws://")
    assert "/client/hubs/bench?access_token=" in url
    claims = jwt.decode(url.partition("access_token=")[2], options={"verify_signature": False})
    assert claims["sub"] == "anna"
    assert claims["role"] == ["webpubsub.sendToGroup"]
    assert claims["webpubsub.group"] == ["g"]
    assert claims["exp"] - claims["iat"] == 60


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda server: server.send_to_all(None), WrongType),
        (lambda server: server.send_to_all("x" * (1 << 20) + "x"), WrongValue),
        (lambda server: server.send_to_group("", "x"), WrongValue),
        (lambda server: server.send_to_user(7, "x"), WrongType),
        (lambda server: server.send_to_connection(" ", "x"), WrongValue),
        (lambda server: server.grant_permission("fly", "c", "g"), WrongValue),
        (lambda server: server.client_url(roles=["webpubsub.fly"]), WrongValue),
        (lambda server: server.client_url(groups="g"), WrongType),
        (lambda server: server.client_url(lifetime_s=-1), WrongValue),
    ],
)
def test_values_that_cannot_be_sent(
    engine: Engine, server: AppServerClient, call: Callable[[AppServerClient], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(server)
    assert not taken(engine).failures
