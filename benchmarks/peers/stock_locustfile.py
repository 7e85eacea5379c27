"""The usual way: Locust and websocket-client, a greenlet a connection, an event a message. Written fairly: compact
JSON, no logging, nothing computed twice, the same envelope as ours.

STOCK_TUNED=1 also switches off what websocket-client does by default and few know of: it checks texts to be UTF-8 in
pure Python, 0.2 µs a byte. Reads STOCK_URL (wss: STOCK_CA_FILE) and STOCK_DATA_BYTES, too.
"""

from __future__ import annotations

import itertools
import json
import os
import time

import websocket
from locust import User, constant, task

URL = os.environ["STOCK_URL"]
DATA_BYTES = int(os.environ["STOCK_DATA_BYTES"])
SSL_OPTIONS = {"ca_certs": os.environ["STOCK_CA_FILE"]} if "STOCK_CA_FILE" in os.environ else None
TUNING = {"skip_utf8_validation": True, "enable_multithread": False} if "STOCK_TUNED" in os.environ else {}
numbers = itertools.count()


class EchoUser(User):
    wait_time = constant(0)

    def on_start(self) -> None:
        self.own_group = f"stock-{os.getpid()}-{next(numbers)}"
        self.ws = websocket.create_connection(
            URL,
            subprotocols=["json.webpubsub.azure.v1"],
            sslopt=SSL_OPTIONS,
            **TUNING,
        )
        self.expect("system")
        self.send({"type": "joinGroup", "group": self.own_group, "ackId": 1})
        self.expect("ack")
        self.data = "x" * DATA_BYTES

    def send(self, message: dict[str, object]) -> None:
        self.ws.send(json.dumps(message, separators=(",", ":")))

    def expect(self, kind: str) -> None:
        while json.loads(self.ws.recv())["type"] != kind:
            pass

    @task
    def echo(self) -> None:
        started = time.perf_counter()
        self.send({"type": "sendToGroup", "group": self.own_group, "dataType": "text", "data": self.data})
        answer = self.ws.recv()
        took_ms = (time.perf_counter() - started) * 1000
        message = json.loads(answer)
        self.environment.events.request.fire(
            request_type="WPS",
            name="rtt",
            response_time=took_ms,
            response_length=len(message["data"]),
            exception=None,
            context={},
        )

    def on_stop(self) -> None:
        self.ws.close()
