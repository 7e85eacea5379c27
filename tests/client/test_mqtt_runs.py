"""MQTT clients of scenarios and tasks against the emulator: every scenario that has them, each QoS, and recoveries."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from tests.client.api_engines import client_of, count, make, taken
from tests.client.engine_runs import Run, play, until
from tests.client.loopback import PATIENCE_S
from wps_load.client import recovery
from wps_load.client.connection import Cut
from wps_load.client.dial import dial
from wps_load.emulator.process import EmulatorProcess
from wps_load.protocol.traits import MQTTS

pytestmark = pytest.mark.program


@pytest.mark.parametrize("protocol", MQTTS)
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_round_trips(emulator: EmulatorProcess, protocol: str, qos: str) -> None:
    done = play(emulator.connection_string, 3, protocol=protocol, qos=qos, rate="40")
    done.assert_whole()
    assert done.count("rtt") == done.totals.published
    assert done.count("publish_ack") == (done.totals.published if qos != "0" else 0)
    assert done.snapshot.failures == {}


@pytest.mark.parametrize("protocol", MQTTS)
@pytest.mark.parametrize("options", [{"data_type": "json"}, {"data_type": "binary"}, {"payload": "100B*2,300B*1"}])
def test_whatever_the_data(emulator: EmulatorProcess, protocol: str, options: dict[str, Any]) -> None:
    done = play(emulator.connection_string, 2, protocol=protocol, rate="40", **options)
    done.assert_whole()
    assert done.totals.foreign == 0


@pytest.mark.parametrize("protocol", MQTTS)
@pytest.mark.parametrize("qos", ["0", "2"])
def test_groups_and_events(emulator: EmulatorProcess, protocol: str, qos: str) -> None:
    done = play(emulator.connection_string, 4, protocol=protocol, scenario="small-group", qos=qos, rate="20")
    done.assert_whole()
    assert done.count("delivery") == 3 * done.totals.published
    done = play(emulator.connection_string, 2, protocol=protocol, scenario="upstream", qos=qos, rate="20")
    done.assert_whole()
    assert done.count("rtt") == done.totals.published


@pytest.mark.parametrize("protocol", MQTTS)
@pytest.mark.parametrize("qos", ["1", "2"])
def test_what_is_cut_goes_on_with_its_session(emulator: EmulatorProcess, protocol: str, qos: str) -> None:
    options: dict[str, Any] = {"scenario": "recovery", "publishers": "2", "rate": "100", "qos": qos}
    run = Run(emulator.connection_string, 4, protocol=protocol, **options).settle()
    users = run.engines[0].populations[0].users
    cutting = gevent.spawn_later(0.05, lambda: [user.cut(Cut.RESET) for user in users.values()])
    run.measure(400)
    cutting.join()
    until(lambda: run.engines[0].run.recorder.peek().counters.get("connections_recovered", 0) == 4, "all are back")
    done = run.finish()
    assert done.totals.lost == 0
    assert done.totals.delivered == done.totals.expected
    assert done.totals.published > 0
    assert done.count("recover") == done.counter("connections_recovered") == 4
    assert {metric for metric, _ in done.snapshot.failures} <= {"disconnect"}


@pytest.mark.parametrize("protocol", MQTTS)
def test_a_task_speaks_it(emulator: EmulatorProcess, protocol: str) -> None:
    engine = make(emulator, protocol=protocol)
    client = client_of(engine)
    client.join_group("a/b")
    for data in ("text", b"\x00bytes", {"a": [1]}):
        client.send_to_group("a/b", data)
        message = client.receive(PATIENCE_S)
        assert message is not None
        assert message.group == "a/b"
        if protocol == "mqtt5":
            assert message.data == data
    client.leave_group("a/b")
    client.send_event("e", "x")
    client.close()
    snapshot = taken(engine)
    assert count(snapshot, "publish_ack") == 4
    assert snapshot.failures == {}
    engine.close()


@pytest.mark.parametrize("protocol", MQTTS)
def test_a_task_gets_what_was_published_while_it_was_cut(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    engine = make(emulator, protocol=protocol)
    hearer, talker = client_of(engine), client_of(engine)
    hearer.join_group("news")
    talker.connect()
    published = Event()

    def dial_late(*details: Any) -> Any:
        assert published.wait(PATIENCE_S)
        return dial(*details)

    monkeypatch.setattr(recovery, "dial", dial_late)
    link = hearer._connector.link
    assert link is not None
    link.connection.cut(Cut.RESET)
    until(lambda: link.interrupted is not None, "it is cut")
    for number in range(3):
        talker.send_to_group("news", f"{number}")
    published.set()
    came = [hearer.receive(PATIENCE_S) for _ in range(3)]
    data = [each.data for each in came if each is not None]
    assert [each.decode() if isinstance(each, bytes) else each for each in data] == ["0", "1", "2"]
    snapshot = taken(engine)
    assert (snapshot.counters["connections_recovered"], snapshot.failures) == (1, {})
    engine.close()


def test_a_refusal_is_labelled_by_its_code(emulator: EmulatorProcess) -> None:
    done = play(emulator.connection_string, 1, protocol="mqtt5", roles="webpubsub.sendToGroup", rate="20")
    assert done.snapshot.failures["join_group", "ack_0x87"] == 1
    done = play(emulator.connection_string, 1, protocol="mqtt5", roles="webpubsub.joinLeaveGroup", rate="20", qos="1")
    assert done.snapshot.failures["publish_ack", "ack_0x87"] == done.totals.published > 0
    run = Run(emulator.connection_string, 1, protocol="mqtt5", roles="webpubsub.joinLeaveGroup", rate="20").settle()
    run.measure(200)
    assert ("disconnect", "disconnect_0x87") in run.engines[0].run.recorder.peek().failures
    run.close()
