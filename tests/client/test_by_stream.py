"""What depends on who has published: found once for each stream, and compared with what its sender sends."""

from __future__ import annotations

from typing import Any

from tests.swarm.runs import configured
from wps_load.client.by_stream import ByStream, Heard
from wps_load.measure.stamp import make_mark, pack_text
from wps_load.settings.run_config import Population

HOSTS, BOTS, STRANGERS = 0, 1, 2
STREAMS = {10: HOSTS, 20: BOTS, 30: STRANGERS}


def population(**options: Any) -> Population:
    return configured(seed="7", **options).population


def sent(by: Population, stream: int) -> object:
    plan = by.published_plan()
    return plan.choose(stream, 3).wrap(pack_text(1, make_mark(1, 7), stream, 3, 0, 0)).decode()


def test_a_stream_is_looked_up_once_and_an_unknown_senders_is_the_default() -> None:
    asked: list[int] = []

    def sender_of(stream: int) -> int:
        asked.append(stream)
        return STREAMS[stream]

    found = ByStream(sender_of, {HOSTS: "hosts", BOTS: "bots"}, "nobody's")
    assert [found[stream] for stream in (10, 20, 30, 10, 30)] == ["hosts", "bots", "nobody's", "hosts", "nobody's"]
    assert asked == [10, 20, 30]


def test_what_comes_is_compared_with_what_its_own_sender_sends() -> None:
    short, long = population(payload="200B"), population(payload="300B")
    heard = Heard.of({HOSTS: short, BOTS: long}, STREAMS.__getitem__, escapes=True)
    for stream, right, wrong in ((10, short, long), (20, long, short)):
        assert heard.intact(stream, 3, sent(right, stream))
        assert not heard.intact(stream, 3, sent(wrong, stream))
    assert heard.usual_length == -1, "they differ"


def test_of_one_sender_everything_is_compared_with_its_own() -> None:
    only = population(payload="200B")
    heard = Heard.of({HOSTS: only}, STREAMS.__getitem__, escapes=True)
    assert heard.usual_length == only.published_plan().usual_length > 0
    assert heard.intact(10, 3, sent(only, 10))
    assert heard.endings == tuple(only.published_plan().endings())


def test_the_endings_of_texts_are_known_as_they_stand_on_the_receivers_wire() -> None:
    texts, bytes_ = population(payload="200B"), population(payload="200B", data_type="binary")
    in_json = Heard.of({HOSTS: texts, BOTS: bytes_}, STREAMS.__getitem__, escapes=True)
    as_is = Heard.of({HOSTS: texts, BOTS: bytes_}, STREAMS.__getitem__, escapes=False)
    assert len(in_json.endings) == len(set(in_json.endings)) > 0
    assert as_is.endings != ()
    assert Heard.of({BOTS: bytes_}, STREAMS.__getitem__, escapes=True).endings == ()
