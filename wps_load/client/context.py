"""What a process's clients share and never change: for the whole run, and for each of its populations.

The ground floor of this room: everything above takes what it needs from here, and nothing here imports from above.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wps_load.client.access import Access, at_path
from wps_load.client.answers import Answers
from wps_load.client.audiences import Audiences
from wps_load.client.back_offs import BackOffs
from wps_load.client.by_stream import ByStream, Heard
from wps_load.client.epochs import Epochs
from wps_load.client.ping_words import PingWords
from wps_load.client.run_clock import RunClock
from wps_load.client.scheduler import Scheduler
from wps_load.client.stream import Network
from wps_load.client.task_streams import TaskStreams
from wps_load.measure.ledger import Ledger
from wps_load.measure.recorder import Recorder
from wps_load.measure.stamp import (
    Stamp,
    is_near,
    make_mark,
    pack_binary,
    pack_text,
    read_binary,
    read_bytes,
    read_json,
    read_text,
    was_ours,
)
from wps_load.measure.task_envelope import unseal
from wps_load.protocol.codecs import Codec, Template, codec_of
from wps_load.protocol.envelopes import Envelopes, NoEnvelopes
from wps_load.protocol.frames import FrameWriter
from wps_load.protocol.messages import DataType
from wps_load.protocol.traits import PublishKind
from wps_load.settings.run_config import Population, RunConfig
from wps_load.workload.mixture import Mixture
from wps_load.workload.payload import PayloadPlan
from wps_load.workload.population import Standing
from wps_load.workload.seeding import derive
from wps_load.workload.standing import addressed_by, senders_to

CHECKED_EACH = 16
"""If each message is decoded, its length is always checked, and its content for one in this many.

If envelopes are recognised, recognition is the comparison, and all messages are compared.
"""


@dataclass(frozen=True, slots=True)
class RunContext:
    """The run's context.

    `number`: the run's 32 bits in each stamp. `users`: the number for which the topology is laid out.

    `mixture`: who belongs to which population, and `audiences`: who hears whom. `started_ns`: the run's start in its
    time. `recorder`: everything that belongs to no population; with a single one, everything.

    `warn(kind, sentence)` prints a sentence once of its kind.
    """

    config: RunConfig
    run_id: str
    number: int
    users: int
    mixture: Mixture
    audiences: Audiences
    started_ns: int
    network: Network
    warn: Callable[[str, str], None]
    epochs: Epochs
    ledger: Ledger
    answers: Answers
    task_streams: TaskStreams
    recorder: Recorder = field(default_factory=Recorder)
    scheduler: Scheduler = field(default_factory=Scheduler)
    clock: RunClock = field(default_factory=RunClock)
    back_offs: BackOffs = field(default_factory=BackOffs)

    @classmethod
    def create(
        cls,
        config: RunConfig,
        *,
        run_id: str,
        number: int,
        users: int,
        network: Network,
        warn: Callable[[str, str], None],
        started_ns: int = 0,
    ) -> RunContext:
        mixture = config.mixture(users)
        audiences = Audiences(config, run_id, mixture)
        ledger = Ledger(
            number,
            entitled=audiences.entitled,
            populations=len(config.populations),
            population_of=audiences.population_of,
            sender_of=audiences.sender_of,
        )
        streams = TaskStreams(ledger)
        run = cls(
            config=config,
            run_id=run_id,
            number=number,
            users=users,
            mixture=mixture,
            audiences=audiences,
            started_ns=started_ns,
            network=network,
            warn=warn,
            epochs=Epochs(number),
            ledger=ledger,
            answers=Answers(config.answer_timeout_ns),
            task_streams=streams,
        )
        run.epochs.on_begin.append(lambda epoch, start_ns: ledger.new_epoch(epoch, start_ns + run.clock.offset_ns))
        run.epochs.on_begin.append(lambda epoch, start_ns: streams.restart())
        return run

    def random(self, index: int, use: str) -> random.Random:
        return random.Random(derive(self.config.seed, use, index))


@dataclass(frozen=True, slots=True)
class PopulationContext:
    """What the clients of one population share.

    `users`: how many of them the topology is laid out for. `number`: its place among those of the run.

    `epochs`, `clock`: the run's, one step nearer for the path of a message. `recorder` takes the population's metrics;
    `rtt`, `rtt_service`, `delivery` and `send_lag` are its buffers of each message's times. Messages from another
    population go to a recorder of their own: `recorders`, by the number of the sender's. `delivery` None: members hear
    several populations, and `deliveries` has the buffer of each stream. `wants_acks`: publications ask for one.
    `payloads`: what is sent; `heard`: what arrives. One of `checked_each` messages is compared with what was sent.
    """

    run: RunContext
    number: int
    settings: Population
    users: int
    access: Access
    codec: Codec
    data_type: DataType
    wants_acks: bool
    payloads: PayloadPlan
    heard: Heard
    checked_each: int
    envelopes: Envelopes
    pack_stamp: Callable[..., bytes]
    stamp_readers: Mapping[str, Callable[[object], Stamp | None]]
    ping_words: PingWords
    epochs: Epochs
    clock: RunClock
    recorder: Recorder
    recorders: Mapping[int, Recorder]
    rtt: list[int]
    rtt_service: list[int]
    delivery: list[int] | None
    deliveries: ByStream[list[int]]
    send_lag: list[int]
    frame: Callable[[int, bytes], bytes] = field(default_factory=lambda: FrameWriter().frame)

    @classmethod
    def create(cls, run: RunContext, settings: Population, access: Access, number: int = 0) -> PopulationContext:
        codec = codec_of(settings.protocol, settings.qos)
        populations = [settings if at == number else each for at, each in enumerate(run.config.populations)]
        senders = senders_to(populations, number) or (number,)
        payloads = settings.published_plan()
        heard = Heard.of(
            {each: populations[each] for each in senders},
            run.audiences.sender_of,
            escapes=codec.traits.escapes("text"),
        )
        envelopes = codec.envelopes(heard.endings) if heard.endings else NoEnvelopes()
        recorder = run.recorder if len(populations) == 1 else Recorder()
        recorders = {each: recorder if each == number else Recorder() for each in {number, *senders}}
        buffers = {each: found.buffer("delivery") for each, found in recorders.items()}
        return cls(
            run=run,
            number=number,
            settings=settings,
            users=run.mixture.counts[number],
            access=at_path(access, codec.traits.client_path),
            codec=codec,
            data_type=DataType(settings.data_type),
            wants_acks=codec.enveloped and (settings.ack or settings.scenario_row.acks or settings.qos > 0),
            payloads=payloads,
            heard=heard,
            checked_each=CHECKED_EACH if isinstance(envelopes, NoEnvelopes) else 1,
            envelopes=envelopes,
            pack_stamp=pack_text if payloads.stamp_is_text else pack_binary,
            stamp_readers=stamp_readers(DataType(populations[each].data_type) for each in senders),
            ping_words=PingWords(enveloped=codec.enveloped, known=codec.traits.is_mqtt or None),
            epochs=run.epochs,
            clock=run.clock,
            recorder=recorder,
            recorders=recorders,
            rtt=recorder.buffer("rtt"),
            rtt_service=recorder.buffer("rtt_service"),
            delivery=buffers[senders[0]] if len(senders) == 1 else None,
            deliveries=ByStream(run.audiences.sender_of, buffers, buffers[number]),
            send_lag=recorder.buffer("send_lag"),
        )

    def unreadable(self, data: object) -> None:
        """Data without a stamp: not of this run, or with a stamp that was damaged on the way."""
        task = unseal(data)
        if task is not None and task.stamp.mark & 0xFFFFFFFF == self.run.number:
            return  # from a task of this run: users of scenarios do not account for it
        if was_ours(data, self.epochs.mark):
            self.run.ledger.damaged(self.number)
        else:
            self.run.ledger.stranger(self.number)
            self.recorder.count("messages_unstamped")

    def of_now(self, epoch: int, mark: int) -> bool:
        """A stamp came with another mark than ours.

        True: it is of the epoch that we should have entered, and now have.
        """
        if mark == make_mark(epoch, self.run.number):
            if self.epochs.follow(epoch):
                return True
            self.recorder.count("messages_outdated")
        elif is_near(mark, self.epochs.mark):
            self.run.ledger.damaged(self.number)
        else:
            self.run.ledger.stranger(self.number)
        return False

    @property
    def start_ns(self) -> int:
        """The earliest instant at which its users come, in this process's clock."""
        return self.clock.to_local(self.run.started_ns + self.settings.start_ns) if self.settings.start_ns else 0

    @property
    def stop_ns(self) -> int | None:
        """When they leave, in this process's clock; None: at the run's end."""
        stop_ns = self.settings.stop_ns
        return None if stop_ns is None else self.clock.to_local(self.run.started_ns + stop_ns)

    @property
    def standing(self) -> Standing:
        """Its place in its run."""
        return self.run.audiences.standings[self.number]

    @property
    def targets(self) -> Sequence[int]:
        """The indices of the users to whom its REST senders send one by one."""
        mixture, populations = self.run.mixture, self.run.config.populations
        if len(populations) == 1:
            return range(self.users)
        return [
            mixture.index_of(each, local)
            for each in addressed_by(populations, self.number)
            for local in range(mixture.counts[each])
        ]

    def template(self, kind: PublishKind, name: str, no_echo: bool) -> Template:
        return self.codec.publish_template(kind, name, self.data_type, no_echo)

    def failed(self, metric: str, label: str, message: str, advice: str = "") -> None:
        """Counts a failure, and warns once of its kind."""
        self.recorder.fail(metric, label, sentence=message)
        self.run.warn(f"{metric}/{label}", f"{message}{'; ' + advice if advice else ''} [{metric}: {label}]")


def stamp_readers(sent: Iterable[DataType]) -> Mapping[str, Callable[[object], Stamp | None]]:
    """How the stamp is read, by the type that a message has. `sent`: the types of the senders' data.

    Simple and protobuf clients get JSON as text, and its reader also reads other text.
    """
    types = set(sent)
    return {
        "text": read_json if DataType.JSON in types else read_text,
        "json": read_json,
        "binary": read_binary if types == {DataType.BINARY} else read_bytes,
    }
