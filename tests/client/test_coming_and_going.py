"""Users that are added and removed while others publish: two processes' engines learn it at the same instant."""

from __future__ import annotations

from collections import Counter

import gevent
import pytest

from tests.client.engine_runs import LEAD_NS, Run, await_time, until
from tests.client.test_mixed_engines import HALF, adds_up, mix
from wps_load.client.epochs import Epoch
from wps_load.clock import NS_PER_MS, now_ns
from wps_load.workload.values import Share

HALF_MS = 400


class Changing(Run):
    """Publishes for twice HALF_MS, with other users in the second half."""

    def changed(self, *, add: int = 0, remove: int = 0) -> Changing:
        start_ns = now_ns() + LEAD_NS
        middle_ns, end_ns = start_ns + HALF_MS * NS_PER_MS, start_ns + 2 * HALF_MS * NS_PER_MS
        for ordinal, engine in enumerate(self.engines):
            engine.deal_senders(ordinal, len(self.engines))
            engine.announce(Epoch(1, start_ns, end_ns))
        beat = gevent.spawn(self.beat)
        here = set(range(self._users))
        for index in range(self._users, self._users + add):
            here.add(index)
            gevent.spawn(self.engines[index % len(self.engines)].admit(index, 0, now_ns()).run)
        until(lambda: sum(each.status.settled for each in self.engines) == len(here), "every user connected")
        for index in sorted(here)[len(here) - remove :]:
            here.discard(index)
            engine = self.engines[index % len(self.engines)]
            part = engine.populations[engine.run.audiences.population_of(index)]
            gevent.spawn_later(HALF_MS / 1000, engine.dismiss, part.users[index])
        for engine in self.engines:
            engine.attend(middle_ns, here)
        for engine in self.engines:
            await_time(engine, end_ns)
            engine.end_at(end_ns)
            engine.stop_publishing(end_ns)
        beat.kill()
        return self


@pytest.mark.parametrize(("add", "remove"), [(4, 0), (0, 3), (6, 2)])
def test_a_total_rate_is_divided_again(live_emulator: str, add: int, remove: int) -> None:
    run = Changing(live_emulator, 8, engines=2, total_rate="200").settle()
    assert isinstance(run, Changing)
    counts = [engine.populations[0].plan for engine in run.engines]
    done = run.changed(add=add, remove=remove).finish()
    assert {plan._publisher_count for plan in counts} == {8 + add - remove}
    done.assert_whole(held=2 * remove)
    # 80 in each half: who comes begins when the others leave room; who left just before that, leaves some out
    assert 160 - 4 - remove * 4 <= done.totals.published <= 160 + 4


@pytest.mark.parametrize("engines", [1, 2])
def test_rest_senders_send_to_who_is_there(live_emulator: str, engines: int) -> None:
    run = Changing(
        live_emulator, 4, engines=engines, scenario="send-to-user", rate="50", publishers="2"
    ).settle()  # fmt: skip
    assert isinstance(run, Changing)
    done = run.changed(add=4, remove=1).finish()
    done.assert_whole()
    streams = [publisher for engine in run.engines for publisher in engine.populations[0].plan._publishers.values()]
    sent = Counter({each.stream & 0xFF: each.window.out.seq for each in streams if each.window is not None})
    assert set(sent) == set(range(7)), "to all who are there, and not to who has gone before it was told"
    assert abs(sum(sent.values()) - 2 * 50 * 2 * HALF_MS // 1000) <= 4, "each sender keeps its rate"


QUARTER = Share.parse("25%")
HOSTS = {"name": "hosts", "scenario": "small-group", "group_size": 2, "users": HALF}
LISTENING = {"scenario": "idle", "listens_to": "hosts", "users": QUARTER}


def streams_heard(run: Run, population: int) -> dict[int, set[int]]:
    """By the users of a population: whose messages have come to them."""
    return {
        index: {stream for stream, *_ in engine.run.ledger.receiver(index).accounts()}
        for engine in run.engines
        for index in engine.populations[population].users
    }


@pytest.mark.parametrize("engines", [1, 2])
@pytest.mark.parametrize("protocol", ["json", "protobuf-reliable"])
def test_listeners_join_the_groups_of_hosts_that_are_added(live_emulator: str, engines: int, protocol: str) -> None:
    changed = mix(
        HOSTS,
        {**LISTENING, "name": "viewers", "protocol": protocol},
        {**LISTENING, "name": "phones", "protocol": "simple"},
    )
    run = Changing(live_emulator, 8, engines=engines, rate="20", changed=changed).settle()
    assert isinstance(run, Changing)
    first = {index for engine in run.engines for index in engine.populations[0].users}
    old_phones = streams_heard(run, 2).keys()
    run.changed(add=8)
    hosts = {index for engine in run.engines for index in engine.populations[0].users}
    heard = {number: streams_heard(run, number) for number in (1, 2)}
    done = run.finish()
    done.assert_whole()
    adds_up(done)
    assert (len(first), len(hosts)) == (4, 8)
    assert list(heard[1].values()) == [hosts] * 4
    assert [heard[2][index] for index in old_phones] == [first] * 2, "their tokens name the groups that there were"


def test_a_mix_loses_users_without_losing_messages(live_emulator: str) -> None:
    changed = mix(HOSTS, {**LISTENING, "name": "viewers"}, {**LISTENING, "name": "phones", "protocol": "simple"})
    run = Changing(live_emulator, 16, engines=2, rate="20", changed=changed).settle()
    assert isinstance(run, Changing)
    run.changed(remove=8)
    here = [sorted(index for each in run.engines for index in each.populations[number].users) for number in range(3)]
    done = run.finish()
    done.assert_whole(held=8)
    adds_up(done)
    assert [len(each) for each in here] == [4, 2, 2], "each population keeps its share"
    assert sorted(index for each in here for index in each) == list(range(8))
