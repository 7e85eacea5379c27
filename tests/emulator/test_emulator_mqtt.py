"""MQTT in the emulator, against paho-mqtt: sessions, QoS, what crosses to JSON clients and back, events, refusals."""

from __future__ import annotations

import asyncio
import base64
import queue
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from aiohttp import web
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.emulator.app_server import Event, Handler, with_handler
from tests.emulator.live import ALL_ROLES, Live, read, serve
from wps_load.auth import mint_client_token
from wps_load.clock import unix_time_s
from wps_load.protocol.traits import MQTT

PATIENCE_S = 30
VERSIONS = [paho.MQTTv311, paho.MQTTv5]


class Device:
    """A paho client in its own thread."""

    def __init__(
        self, live: Live, version: int, name: str = "dev1", roles: tuple[str, ...] = ALL_ROLES, **options: Any
    ) -> None:
        made: Any = paho.Client
        if version == paho.MQTTv311:
            options.setdefault("clean_session", True)
        self.client = made(CallbackAPIVersion.VERSION2, name, protocol=version, transport="websockets", **options)
        token = mint_client_token(live.connection_string, "bench", "u", roles, (), 60, unix_time_s(), MQTT.client_path)
        self.client.ws_set_options(path=f"{MQTT.client_path}bench?access_token={token}")
        self.port = int(live.connection_string.endpoint.rpartition(":")[2])
        self.messages: Any = queue.Queue()
        self.told: Any = queue.Queue()
        self.client.on_message = lambda client, data, message: self.messages.put(message)
        self.client.on_connect = lambda client, data, flags, code, found: self.told.put((flags.session_present, code))
        self.client.on_subscribe = lambda client, data, number, codes, found: self.told.put(codes)
        self.client.on_publish = lambda client, data, number, code, found: self.told.put(code)
        self.ended = threading.Event()
        self.client.on_disconnect = lambda *_: self.ended.set()

    def connect(self, **options: Any) -> Any:
        self.client.connect("127.0.0.1", self.port, 60, **options)
        self.client.loop_start()
        return self.told.get(timeout=PATIENCE_S)

    def subscribe(self, topic: str, qos: int = 0) -> Any:
        self.client.subscribe(topic, qos)
        return self.told.get(timeout=PATIENCE_S)

    def publish(self, topic: str, payload: bytes, qos: int = 1, **options: Any) -> Any:
        self.client.publish(topic, payload, qos, **options)
        return self.told.get(timeout=PATIENCE_S)

    def message(self) -> Any:
        return self.messages.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def with_paho(scenario: Callable[[Live], None]) -> None:
    """The scenario in a thread: paho waits."""

    async def run() -> None:
        async with serve() as live:
            await asyncio.wait_for(asyncio.to_thread(scenario, live), 30)

    asyncio.run(run())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_publisher_hears_itself(version: int, qos: int) -> None:
    def scenario(live: Live) -> None:
        device = Device(live, version)
        present, code = device.connect()
        assert (present, code.is_failure) == (False, False)
        assert [each.value for each in device.subscribe("a/b", qos)] == [qos]
        device.publish("a/b", b"\x00x", qos)
        message = device.message()
        assert (message.topic, message.payload, message.qos) == ("a/b", b"\x00x", qos)
        device.close()

    with_paho(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_goes_on_with_what_was_not_delivered(version: int) -> None:
    def scenario(live: Live) -> None:
        options: dict[str, Any] = {}
        if version == paho.MQTTv5:
            made: Any = Properties
            expiry = made(PacketTypes.CONNECT)
            expiry.SessionExpiryInterval = 30
            options = {"clean_start": False, "properties": expiry}
        kept: dict[str, Any] = {} if version == paho.MQTTv5 else {"clean_session": False}
        device, other = Device(live, version, "kept", **kept), Device(live, version, "other")
        assert device.connect(**options)[0] is False
        device.subscribe("g", 1)
        device.client.loop_stop()
        device.client.socket().close()
        other.connect()
        other.publish("g", b"meanwhile")
        again = Device(live, version, "kept", **kept)
        assert again.connect(**options)[0] is True, "session present"
        assert again.message().payload == b"meanwhile"
        again.close()
        other.close()

    with_paho(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_refusals(version: int) -> None:
    def scenario(live: Live) -> None:
        five = version == paho.MQTTv5
        bad = Device(live, version, "has-a-dash")
        assert bad.connect()[1].is_failure
        bad.close()
        device = Device(live, version, roles=())
        device.connect()
        for topic, code in (("g", 0x87), ("a/+", 0xA2), ("$share/x/g", 0x9E)):
            assert [each.value for each in device.subscribe(topic)] == [code if five else 0x80]
        device.publish("g", b"x", 1)
        device.client.publish("g", b"x", 0)
        assert device.ended.wait(PATIENCE_S), "QoS 0 without the role ends the connection"
        device.close()

    with_paho(scenario)


def test_what_crosses_to_json_clients_and_back() -> None:
    async def run() -> None:
        async with serve() as live, live.connect(groups=["g"]) as dashboard:
            await read(dashboard)
            old, new = Device(live, paho.MQTTv311, "old"), Device(live, paho.MQTTv5, "new")
            made: Any = Properties
            content = made(PacketTypes.PUBLISH)
            content.ContentType = "application/json"
            await asyncio.to_thread(old.connect)
            await asyncio.to_thread(new.connect)
            await asyncio.to_thread(new.subscribe, "g", 0)
            await asyncio.to_thread(old.publish, "g", b"\x01", 1)
            await asyncio.to_thread(new.publish, "g", b'{"t":21}', 1, properties=content)
            first, second = await read(dashboard), await read(dashboard)
            assert (first["group"], first["dataType"], base64.b64decode(first["data"])) == ("g", "binary", b"\x01")
            assert (second["dataType"], second["data"], second["fromUserId"]) == ("json", {"t": 21}, "u")
            told = {"type": "sendToGroup", "group": "g", "dataType": "text", "data": "hello"}
            await dashboard.send(orjson.dumps(told).decode())
            heard = [await asyncio.to_thread(new.message) for _ in range(3)]
            assert [each.payload for each in heard] == [b"\x01", b'{"t":21}', b"hello"]
            assert heard[2].properties.ContentType == "text/plain"
            assert heard[2].qos == 0, "lowered by the subscription"
            for device in (old, new):
                await asyncio.to_thread(device.close)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_the_event_handler_is_told_of_connect_and_answers_events() -> None:
    def answer(event: Event) -> web.Response:
        if event.name == "e":
            return web.Response(body=b"back", content_type="text/plain")
        if event.name == "connect":
            body = orjson.loads(event.body)
            status = 401 if body["mqtt"]["username"] == "stranger" else 204
            return web.Response(status=status)
        return web.Response(status=400)

    async def scenario(live: Live, handler: Handler) -> None:
        device, stranger = Device(live, paho.MQTTv5, "dev"), Device(live, paho.MQTTv5, "str")
        stranger.client.username_pw_set("stranger", "p")
        assert (await asyncio.to_thread(stranger.connect))[1].value == 0x87
        device.client.username_pw_set("friend", "p")
        assert not (await asyncio.to_thread(device.connect))[1].is_failure
        asked = [orjson.loads(event.body)["mqtt"] for event in handler.events if event.name == "connect"]
        assert asked[1] == {
            "protocolVersion": 5, "cleanStart": True, "username": "friend",
            "password": base64.b64encode(b"p").decode(), "userProperties": [],
        }  # fmt: skip
        for topic in ("succeeded", "failed"):
            await asyncio.to_thread(device.subscribe, f"$webpubsub/server/events/e/{topic}", 1)
            await asyncio.to_thread(device.subscribe, f"$webpubsub/server/events/no/{topic}", 1)
        made: Any = Properties
        about = made(PacketTypes.PUBLISH)
        about.CorrelationData = b"7"
        await asyncio.to_thread(device.publish, "$webpubsub/server/events/e", b"x", 1, properties=about)
        heard = await asyncio.to_thread(device.message)
        assert (heard.topic, heard.payload) == ("$webpubsub/server/events/e/succeeded", b"back")
        assert heard.properties.CorrelationData == b"7"
        assert heard.properties.UserProperty == [("azure-status-code", "200")]
        await asyncio.to_thread(device.publish, "$webpubsub/server/events/no", b"x", 1)
        assert (await asyncio.to_thread(device.message)).topic.endswith("/no/failed")
        for each in (device, stranger):
            await asyncio.to_thread(each.close)

    with_handler(lambda: Handler(answer), scenario)
