"""Deliveries to connections outside their audience: counted separately, never as expected or delivered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client.connection_peer import Peer
from tests.client.engine_runs import Run, settings, until
from tests.client.json_service import JsonService, ack, say
from wps_load.client.audiences import Audiences
from wps_load.workload.population import EVERYBODY, USER_BASE
from wps_load.workload.user_streams import user_stream

KEY = "Endpoint=http://127.0.0.1:1;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"


def to_everybody(service: JsonService) -> Any:
    """A service that takes all its connections for members of every group."""

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        if message["type"] == "sendToGroup":
            fields = {name: message[name] for name in ("group", "dataType", "data")}
            for each in service.peers:
                say(each, type="message", **{"from": "group"}, fromUserId="u", **fields)
        ack(peer, message)

    return on_message


def test_messages_of_another_group() -> None:
    service = JsonService()
    service.on_message = to_everybody(service)
    with service:
        run = Run(service.connection_string, 4, scenario="small-group", group_size="2", rate="20").settle()
        run.measure(200)
        now = run.engines[0].run.ledger.running
        until(lambda: now().misdelivered == 2 * now().published, "all have come, two to the wrong ones")
        done = run.finish()
        assert done.totals.published > 10
        assert done.totals.misdelivered == 2 * done.totals.published
        assert done.totals.delivered == done.totals.expected == 2 * done.totals.published
        assert done.totals.lost == 0
        assert done.count("delivery") == done.totals.published, "times are those of deliveries that count"


@pytest.mark.parametrize(("source", "group"), [("group", "another"), ("server", None)])
def test_a_message_that_says_it_is_of_another_group(source: str, group: str | None) -> None:
    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        if message["type"] == "sendToGroup":
            fields = {"from": source, "group": group, "dataType": message["dataType"], "data": message["data"]}
            say(peer, type="message", fromUserId="u", **fields)
        ack(peer, message)

    with JsonService(on_message) as service:
        run = Run(service.connection_string, 1, rate="50").settle().measure(150)
        now = run.engines[0].run.ledger.running
        until(lambda: now().misdelivered == now().published > 3, "all are back")
        assert now().delivered == 0
        run.close()


def test_messages_for_another_user() -> None:
    def on_rest(service: JsonService, body: str) -> int:
        service.broadcast(body)
        return 202

    with JsonService(on_rest=on_rest) as service:
        run = Run(service.connection_string, 3, scenario="send-to-user", rate="30").settle()
        run.measure(200)
        now = run.engines[0].run.ledger.running
        until(lambda: now().misdelivered == 2 * now().published, "all have come, two to the wrong ones")
        done = run.finish()
        assert done.totals.published > 3
        assert done.totals.misdelivered == 2 * done.totals.published
        assert done.totals.delivered == done.totals.published
        assert done.totals.lost == 0


@pytest.mark.parametrize(
    ("options", "index", "stream", "entitled"),
    [
        ({"scenario": "small-group", "group_size": "5"}, 0, 4, True),
        ({"scenario": "small-group", "group_size": "5"}, 0, 5, False),
        ({"scenario": "small-group", "group_size": "5"}, 0, user_stream(4, 3), True),  # a later incarnation
        ({"scenario": "small-group", "group_size": "5", "no_echo": True}, 0, 0, False),
        ({"scenario": "small-group", "group_size": "5", "no_echo": True}, 1, 0, True),
        ({"scenario": "echo"}, 3, 3, True),
        ({"scenario": "echo"}, 3, 4, False),
        ({"scenario": "upstream"}, 3, 3, True),
        ({"scenario": "upstream"}, 3, 4, False),
        ({"scenario": "broadcast"}, 3, EVERYBODY, True),
        ({"scenario": "broadcast"}, 3, EVERYBODY + 2, True),
        ({"scenario": "send-to-user"}, 3, USER_BASE + 3, True),
        ({"scenario": "send-to-user"}, 3, USER_BASE + 4, False),
        ({"scenario": "send-to-user"}, 3, EVERYBODY, False),
    ],
)
def test_who_may_receive_what(options: dict[str, Any], index: int, stream: int, entitled: bool) -> None:
    config = settings(KEY, 10, **options)
    assert Audiences(config, "run", config.mixture(10)).entitled(index, stream) is entitled
