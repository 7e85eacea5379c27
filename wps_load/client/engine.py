"""All of one process's simulated clients, and what they share: scheduler, ledger, recorder, network, codec.

Knows no Locust and no other process. Instants that come from the coordinator are in its clock, the run's time;
`timescale` says what that is in ours (the same on one host). Stamps, memberships and the ledger use the run's time,
schedules ours.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from gevent.event import Event  # type: ignore[import-untyped]

from wps_load.client.access import Access
from wps_load.client.answers import UNANSWERED, Answers
from wps_load.client.attempts import TIME_LIMITS, Attempts
from wps_load.client.audiences import INDEX_BITS, Audiences
from wps_load.client.establish import OpenLink
from wps_load.client.keepalive import Sweep
from wps_load.client.link import CHECKED_EACH, stamp_readers
from wps_load.client.member import Member
from wps_load.client.scheduler import Scheduler
from wps_load.client.stream import Network
from wps_load.client.timescale import Timescale
from wps_load.client.timetable import Timetable
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure, ConnectionLost
from wps_load.measure.catalog import ack_label
from wps_load.measure.ledger import Ledger, LedgerTotals, StreamFinal
from wps_load.measure.presence import OpenTime, Presence
from wps_load.measure.recorder import Recorder
from wps_load.measure.stamp import is_near, make_mark, pack_binary, pack_text, was_ours
from wps_load.protocol.codecs import CODECS, Template
from wps_load.protocol.envelopes import Envelopes, NoEnvelopes
from wps_load.protocol.frames import FrameWriter
from wps_load.protocol.keepalive import Keepalive
from wps_load.protocol.messages import DataType
from wps_load.settings.run_config import RunConfig
from wps_load.workload.chaos import lifetimes_ns
from wps_load.workload.pacer import ScheduleCounter
from wps_load.workload.population import role
from wps_load.workload.seeding import derive

logger = logging.getLogger(__name__)


class Traffic(NamedTuple):
    """Headers of frames included, the upgrade not. `stalls`, `stalled_ns`: how often and long peers read nothing."""

    bytes_sent: int
    bytes_received: int
    stalls: int
    stalled_ns: int


class Engine:
    """`users`: how many connections the topology is laid out for. `number`: the run's 32 bits in each stamp."""

    def __init__(
        self,
        config: RunConfig,
        *,
        run_id: str,
        number: int,
        users: int,
        access: Access,
        network: Network,
        on_warning: Callable[[str, str], None],
    ) -> None:
        self.on_epoch_end: Callable[[int], None] = _nothing
        """Called with the following one's number, in the hub, before the accounts of the present one are forgotten."""
        self.config = config
        self.run_id = run_id
        self.number = number
        self.users = users
        self.access = access
        self.network = network
        network.resolver.on_unanswered = self._unanswered
        self.timescale = Timescale()
        self.offset_ns = 0
        """The run's time minus ours at present: `timescale`, read anew a few times a second."""
        self.codec = CODECS[config.population.protocol]
        self.closed_loop = config.population.closed_loop
        self.wants_acks = self.codec.enveloped and (config.population.ack or config.population.scenario_row.acks)
        self.data_type = DataType(config.population.data_type)
        self.stamp_readers = stamp_readers(self.data_type)
        self.payloads = config.population.published_plan()
        texts = self.data_type is DataType.TEXT
        self.envelopes: Envelopes = self.codec.envelopes(self.payloads.endings()) if texts else NoEnvelopes()
        self.usual_length = self.payloads.usual_length
        self.checked_each = CHECKED_EACH if isinstance(self.envelopes, NoEnvelopes) else 1
        self.pack_stamp = pack_text if self.payloads.stamp_is_text else pack_binary
        self.frame = FrameWriter().frame
        self.scheduler = Scheduler()
        self.audiences = Audiences(config, run_id, users)
        self.ledger = Ledger(number, entitled=self.audiences.entitled)
        self.recorder = Recorder()
        self.rtt = self.recorder.buffer("rtt")
        self.rtt_service = self.recorder.buffer("rtt_service")
        self.delivery = self.recorder.buffer("delivery")
        self.send_lag = self.recorder.buffer("send_lag")
        self.members: dict[int, Member] = {}
        self.settled = 0
        self.joiners = 0
        """Members that are to join groups; `joined`: those that are in all of theirs."""
        self.joined = 0
        self.open_links: set[OpenLink] = set()
        self._outsiders: set[OpenLink] = set()
        """Of the open ones, those that are not in all of their groups."""
        self.open_time = OpenTime()
        """Of the connections that are open, by plan's gaps too."""
        self.wanted_time = OpenTime()
        """Of the connections that tasks of a locustfile's own want."""
        self.attempts = Attempts(self.recorder)
        self.enter(0)
        self._on_warning = on_warning
        self.timetable = Timetable(self, config, users)
        self.answers = Answers(config.answer_timeout_ns)
        self.keepalive = Sweep(self, Keepalive(config.keepalive_interval_ns, config.keepalive_timeout_ns))
        self._lifetimes: dict[int, Any] = {}
        self._back_offs_end = Event()
        self._closed_traffic = Traffic(0, 0, 0, 0)

    def enter(self, epoch: int) -> None:
        """From now on messages of this epoch are sent and counted."""
        self.epoch = epoch
        self.epoch_byte = epoch & 0xFF
        self.mark = make_mark(epoch, self.number)

    # -- members ---------------------------------------------------------------------------------------------

    def admit(self, index: int, incarnation: int, slot_ns: int) -> Member:
        """A new simulated client for `index`, due to connect at `slot_ns` of our clock."""
        part = role(self.config.population, self.run_id, index, max(self.users, 1))
        member = Member(self, part, incarnation << INDEX_BITS | index, slot_ns)
        self.members[index] = member
        self.joiners += member.joins
        return member

    def dismiss(self, member: Member) -> None:
        """A client ends by plan."""
        if self.members.get(member.role.index) is member:
            del self.members[member.role.index]
            self.joiners -= member.joins
        if member.publisher is not None:
            self.timetable.retire(member.publisher)
        member.stop()

    def template(self, kind: str, name: str, no_echo: bool) -> Template:
        return self.codec.publish_template("group" if kind == "group" else "event", name, self.data_type, no_echo)

    def random(self, index: int, use: str) -> random.Random:
        return random.Random(derive(self.config.seed, use, index))

    def lifetime_ns(self, index: int) -> int | None:
        """How long the next connection of this user lives (`churn`); None: until it is lost."""
        if self.config.population.lifetime_ns is None:
            return None
        lives = self._lifetimes.get(index)
        if lives is None:
            lives = self._lifetimes[index] = lifetimes_ns(self.config.population.lifetime_ns, self.config.seed, index)
        return int(next(lives))

    # -- what members tell -----------------------------------------------------------------------------------

    def connect_succeeded(self, link: OpenLink | None, took_ns: int, *, again: bool, gap_ns: int | None = None) -> None:
        """`link` None: it has ended again already. `gap_ns`: as of `link_opened`."""
        self.recorder.buffer("connect").append(took_ns)
        self.recorder.count("connections_opened")
        if again:
            self.recorder.count("connections_reconnected")
        if link is not None:
            self.link_opened(link, gap_ns)

    def link_opened(self, link: OpenLink, gap_ns: int | None = None) -> None:
        """`gap_ns`: when the scenario itself ended the one before, if this came of the first attempt: the gap counts as
        open."""
        if link not in self.open_links:
            at_ns = now_ns()
            self.open_links.add(link)
            self.open_time.change(+1, at_ns)
            if gap_ns is not None:
                self.open_time.bridge(gap_ns, at_ns)

    def link_in_groups(self, link: OpenLink, *, joined: bool) -> None:
        """A connection whose join was refused or not answered hears nothing: it does not count as open."""
        if joined and link in self._outsiders:
            self._outsiders.remove(link)
            self.open_time.change(+1, now_ns())
        elif not joined and link in self.open_links and link not in self._outsiders:
            self._outsiders.add(link)
            self.open_time.change(-1, now_ns())

    def connect_failed(self, who: object, failure: ConnectFailure) -> None:
        """`who` has begun the attempt."""
        if failure.label in TIME_LIMITS:
            self.attempts.gave_up(who)
        self.recorder.count("connections_failed")
        self.failed("connect", failure.label, failure.message, failure.advice)

    def link_recovered(self, member: Member, gap_ns: int | None) -> None:
        if member.link is not None:
            self.link_opened(member.link, gap_ns)

    def link_closed(self, link: OpenLink, lost: ConnectionLost, *, counted: bool) -> int:
        """`counted`: it ended unasked, and the service is to be told so in the report. Returns when it was."""
        at_ns = now_ns()
        if link in self.open_links:
            self.open_links.remove(link)
            if link in self._outsiders:
                self._outsiders.remove(link)
            else:
                self.open_time.change(-1, at_ns)
        before, outbox = self._closed_traffic, link.connection.outbox
        self._closed_traffic = Traffic(
            before.bytes_sent + outbox.bytes_sent,
            before.bytes_received + link.connection.bytes_received,
            before.stalls + outbox.stalls,
            before.stalled_ns + outbox.stalled_ns,
        )
        if counted:
            self.recorder.count("connections_dropped")
            self.failed("disconnect", lost.label, f"a connection ended unasked: {lost.message}", lost.advice)
        return at_ns

    def ping_refused(self, link: OpenLink, lost: ConnectionLost) -> bool:
        """Whether the service ended this connection because we asked whether it knows the `ping` message."""
        refused = self.keepalive.words.ended(link, lost)
        if refused:
            self._on_warning(
                "keepalive/unknown",
                "the service closed a connection for the subprotocol's ping message, which it does not know; quiet "
                "connections send WebSocket pings instead",
            )
        return refused

    def publish_unanswered(self, context: object, why: str) -> None:
        """A publication whose ack never came. `why`: `timeout`, `connection_lost`."""
        _, epoch = cast(tuple[int, int], context)
        if epoch == self.epoch:
            self.failed("publish_ack", f"ack_{why}", *UNANSWERED[why])

    def join_unanswered(self, why: str) -> None:
        self.failed("join_group", f"join_{why}", *UNANSWERED[why])

    def publish_acked(self, context: object, ok: bool, error: str | None, arrival_ns: int) -> None:
        due_ns, epoch = cast(tuple[int, int], context)
        if epoch != self.epoch:
            return
        if ok:
            self.recorder.buffer("publish_ack").append(arrival_ns - due_ns)
        else:
            self.failed(
                "publish_ack",
                ack_label(error),
                f"the service refused a publication ({ack_label(error)})",
                "give the token the role webpubsub.sendToGroup (--wps-roles), or check the event handler",
            )

    def unreadable(self, data: object) -> None:
        """Data without a stamp: none of this run's, or one of which the stamp has been damaged on the way."""
        if was_ours(data, self.mark):
            self.ledger.corrupted += 1
        else:
            self.ledger.foreign += 1
            self.recorder.count("messages_unstamped")

    def of_now(self, epoch: int, mark: int) -> bool:
        """A stamp came with another mark than ours. True: it is of the epoch that we should be in by now, and are."""
        if mark == make_mark(epoch, self.number):
            if self.timetable.follow_epoch(epoch):
                return True
            self.recorder.count("messages_outdated")
        elif is_near(mark, self.mark):
            self.ledger.corrupted += 1
        else:
            self.ledger.foreign += 1
        return False

    def failed(self, metric: str, label: str, message: str, advice: str = "") -> None:
        """Counts a failure, and warns once of its kind."""
        self.recorder.fail(metric, label, sentence=message)
        self._on_warning(f"{metric}/{label}", f"{message}{'; ' + advice if advice else ''} [{metric}: {label}]")

    def _unanswered(self, address: str, sentence: str) -> None:
        self.recorder.note("address", address, sentence)
        self._on_warning(f"address/{address}", f"{sentence}; it is tried last from now on, and again once a minute")

    # -- the run's time --------------------------------------------------------------------------------------

    def follow_clock(self, line: Sequence[int], *, first: bool) -> None:
        """The coordinator knows our clock better than before. `first`: or at all."""
        if first:
            self.timescale.begin(*line)
        else:
            self.timescale.follow(now_ns(), *line)
        self.refresh_clock()

    def refresh_clock(self) -> None:
        """To be called a few times a second: at 100 ppm the offset grows by 10 µs in between."""
        self.offset_ns = self.timescale.offset_at(now_ns())

    # -- back-off --------------------------------------------------------------------------------------------

    def back_off(self, seconds: float) -> bool:
        """Waits in the caller's greenlet. True: it was ended early, the reason to wait is gone."""
        return bool(self._back_offs_end.wait(seconds))

    def end_back_offs(self) -> None:
        ended, self._back_offs_end = self._back_offs_end, Event()
        ended.set()

    # -- accounts --------------------------------------------------------------------------------------------

    def traffic(self) -> Traffic:
        """So far. One pass over the connections, as there may be thousands and messages wait meanwhile."""
        sent, received, stalls, stalled_ns = self._closed_traffic
        for link in self.open_links:
            connection = link.connection
            outbox = connection.outbox
            sent += outbox.bytes_sent
            received += connection.bytes_received
            if outbox.stalls:
                stalls += outbox.stalls
                stalled_ns += outbox.stalled_ns
        return Traffic(sent, received, stalls, stalled_ns)

    def measure_presence(self, start_ns: int, end_ns: int) -> None:
        """The measure phase, in our clock: what is open and wanted in it is integrated, from 0 on."""
        self.open_time.window(start_ns, end_ns)
        self.wanted_time.window(start_ns, end_ns)

    def presence(self, start_ns: int, at_ns: int) -> Presence:
        """As of `at_ns` of our clock. `start_ns`: of the measure phase, in the coordinator's clock."""
        opened, wanted = self.open_time, self.wanted_time
        return Presence(
            start_ns,
            at_ns + self.offset_ns,
            opened.total_ns(at_ns) / NS_PER_S,
            opened.at_end(at_ns),
            wanted.total_ns(at_ns) / NS_PER_S,
            wanted.at_end(at_ns),
        )

    def settle(self, streams: Sequence[Any], clocks: Sequence[Any], drain_ns: int) -> None:
        """All agents' finals: from now on `ledger.outstanding` says what is still to come.

        `clocks`: the agents' timescales; each stream names the one that its schedule is in.
        """
        scales = [Timescale(lines) for lines in clocks]
        counters: dict[int, tuple[ScheduleCounter, Timescale]] = {}
        finals = []
        for wire, segments, clock in streams:
            final = StreamFinal.from_wire(wire)
            finals.append(final)
            counters[final.stream] = ScheduleCounter(segments), scales[clock]

        def count_before(final: StreamFinal, t_ns: int) -> int:
            counter, scale = counters[final.stream]
            return counter.before(scale.to_local(t_ns))

        self.ledger.settle(finals, count_before, drain_ns)

    @property
    def awaits(self) -> bool:
        """A message that is expected, or the answer to a request, may still come."""
        return bool(self.ledger.outstanding()) or self.answers.awaited or self.timetable.awaits_responses

    def end_waiting(self) -> None:
        """The drain is over: what has not been answered has failed."""
        self.answers.end()
        self.timetable.end_waiting()

    def totals(self) -> LedgerTotals:
        return self.ledger.totals()

    def acknowledge(self, at_ns: int) -> None:
        """Reliable subprotocols: sequence acks that time, not a message, makes due. Call it a few times a second."""
        if self.codec.reliable:
            for link in list(self.open_links):
                link.acknowledge(at_ns)

    def close(self) -> None:
        """Ends every connection as planned, and the scheduler."""
        for member in list(self.members.values()):
            self.dismiss(member)
        self.timetable.close()
        self.scheduler.close()


def _nothing(_: int) -> None:
    """Where nobody wants to be told."""
