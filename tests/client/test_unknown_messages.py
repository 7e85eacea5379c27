"""What a service says that this client does not know, and `metadata` on messages: nothing breaks, and it is counted."""

from __future__ import annotations

from typing import Any

from tests.client.api_engines import client_of, make, taken
from tests.client.connection_peer import Peer
from tests.client.engine_runs import Run
from tests.client.json_service import JsonService, ack, say
from tests.client.loopback import PATIENCE_S


def talkative(peer: Peer, message: dict[str, Any]) -> None:
    """Presence in front of each copy, which has metadata, and a pong behind it."""
    if message["type"] == "sendToGroup":
        fields = {name: message[name] for name in ("group", "dataType", "data")}
        say(peer, type="groupStateUpdate", group=message["group"], items=[{"connectionId": "c", "state": {}}])
        say(peer, type="message", **{"from": "group"}, fromUserId="u", metadata={"k": "v"}, **fields)
        say(peer, type="pong")
    ack(peer, message)


def test_a_scenario_goes_on() -> None:
    with JsonService(talkative) as service:
        done = Run(service.connection_string, 1, rate="100").settle().measure(200).finish()
    done.assert_whole()
    assert done.counter("messages_unknown") == done.counter("pongs_received") == done.totals.published
    assert done.snapshot.failures == {}


def test_a_task_goes_on() -> None:
    with JsonService(talkative) as service:
        engine = make(service)  # type: ignore[arg-type]  # it has a connection string as well
        client = client_of(engine)
        client.join_group("g")
        for data in ("one", "two"):
            client.send_to_group("g", data)
            message = client.receive(PATIENCE_S)
            assert message is not None
            assert message.data == data
        assert client.receive(0.05) is None, "what is unknown is no message"
        client.end()
        seen = taken(engine)
        assert (seen.counters["messages_unknown"], seen.counters["pongs_received"]) == (2, 2)
        assert seen.failures == {}
        engine.close()
