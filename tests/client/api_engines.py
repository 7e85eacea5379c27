"""Engines whose clients tasks use: of the emulator, and of a server that a test scripts."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
from gevent.event import Event

from tests.client.loopback import PATIENCE_S, upgrade_answer
from wps_load.client.access import UrlAccess
from wps_load.client.api import WebPubSubClient
from wps_load.client.connections import Connections
from wps_load.client.engine import Engine
from wps_load.client.epochs import Epoch
from wps_load.clock import now_ns
from wps_load.emulator.process import EmulatorProcess
from wps_load.measure.snapshot import Snapshot
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import Opcode, encode_frame
from wps_load.settings.classes import TaskClass
from wps_load.settings.load import load
from wps_load.settings.sources import Locustfile
from wps_load.swarm.engines import make_engine

NEVER_NS = 1 << 62
TASKS = Locustfile(plays_scenario=False, classes=(TaskClass("Own"),))
CONNECTED = orjson.dumps({"type": "system", "event": "connected", "userId": "u", "connectionId": "c"})


def make(emulator: EmulatorProcess, measured: bool = True, number: int = 1, **options: str) -> Engine:
    values = {f"wps_{name}": text for name, text in options.items()}
    config = load(values, users=1, spawn_rate=1.0, environ={}, locustfile=TASKS)
    config = config.with_emulator(emulator.connection_string)
    engine = make_engine(config, lambda kind, sentence: None, run_id=uuid4().hex[:8], number=number, users=1)
    if measured:
        began = Event()
        engine.announce(Epoch(1, now_ns(), NEVER_NS))
        engine.run.scheduler.call_at(now_ns(), lambda _: began.set())
        assert began.wait(PATIENCE_S)
    return engine


def connections_of(engine: Engine) -> Connections:
    return engine.populations[0].connections


def client_of(engine: Engine, **options: Any) -> WebPubSubClient:
    return WebPubSubClient(connections_of(engine), **options)


def taken(engine: Engine) -> Snapshot:
    return engine.run.recorder.take()


def count(snapshot: Snapshot, name: str) -> int:
    histogram = snapshot.histograms.get(name)
    return 0 if histogram is None else histogram.count


def scripted(port: int, **options: str) -> Engine:
    """An engine whose target is a Server of loopback's."""
    url = f"ws://127.0.0.1:{port}/client/hubs/h?access_token=T"
    config = load({"wps_client_url": url, **options}, users=1, spawn_rate=1.0, environ={})
    engine = make_engine(config, lambda kind, sentence: None, run_id="r", number=1, users=1)
    assert isinstance(engine.populations[0].context.access, UrlAccess)
    return engine


def silent(sock: Any, head: str) -> None:
    """Connects, and answers no request until the client goes."""
    sock.sendall(upgrade_answer(head, CODECS["json"].subprotocol) + encode_frame(Opcode.TEXT, CONNECTED, None))
    while sock.recv(4096):
        pass
