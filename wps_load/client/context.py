"""What a process's clients share, and never change: of the whole run, and of each of its populations.

The ground floor of the wing: everything above takes what it needs from here, and nobody reaches up.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wps_load.client.access import Access
from wps_load.client.answers import Answers
from wps_load.client.audiences import Audiences
from wps_load.client.back_offs import BackOffs
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
    read_json,
    read_text,
    was_ours,
)
from wps_load.measure.task_envelope import unseal
from wps_load.protocol.codecs import CODECS, Codec, Template
from wps_load.protocol.envelopes import Envelopes, NoEnvelopes
from wps_load.protocol.frames import FrameWriter
from wps_load.protocol.messages import DataType
from wps_load.protocol.traits import PublishKind
from wps_load.settings.run_config import Population, RunConfig
from wps_load.workload.payload import PayloadPlan
from wps_load.workload.seeding import derive

CHECKED_EACH = 16
"""Where each message is decoded, its content is compared with what was sent for one of so many, its length always.
Where envelopes are recognised, the comparison is what recognises them, and all are compared.
"""


@dataclass(frozen=True, slots=True)
class RunContext:
    """`number`: the run's 32 bits in each stamp. `users`: how many connections the topology is laid out for.

    `warn(kind, sentence)` says a sentence once of its kind.
    """

    config: RunConfig
    run_id: str
    number: int
    users: int
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
    ) -> RunContext:
        ledger = Ledger(number, entitled=Audiences(config, run_id, users).entitled)
        answers, streams = Answers(config.answer_timeout_ns), TaskStreams(ledger)
        run = cls(config, run_id, number, users, network, warn, Epochs(number), ledger, answers, streams)
        run.epochs.on_begin.append(lambda epoch, start_ns: ledger.new_epoch(epoch, start_ns + run.clock.offset_ns))
        run.epochs.on_begin.append(lambda epoch, start_ns: streams.restart())
        return run

    def random(self, index: int, use: str) -> random.Random:
        return random.Random(derive(self.config.seed, use, index))

    def unreadable(self, data: object) -> None:
        """Data without a stamp: none of this run's, or one of which the stamp has been damaged on the way."""
        task = unseal(data)
        if task is not None and task.stamp.mark & 0xFFFFFFFF == self.number:
            return  # of a task of this run: users of scenarios do not account for it
        if was_ours(data, self.epochs.mark):
            self.ledger.damaged()
        else:
            self.ledger.stranger()
            self.recorder.count("messages_unstamped")

    def of_now(self, epoch: int, mark: int) -> bool:
        """A stamp came with another mark than ours. True: it is of the epoch that we should be in by now, and are."""
        if mark == make_mark(epoch, self.number):
            if self.epochs.follow(epoch):
                return True
            self.recorder.count("messages_outdated")
        elif is_near(mark, self.epochs.mark):
            self.ledger.damaged()
        else:
            self.ledger.stranger()
        return False


@dataclass(frozen=True, slots=True)
class PopulationContext:
    """What the clients of one population share. `users`: how many of them the topology is laid out for.

    `epochs`, `clock`: the run's, one step nearer for the way of a message. `recorder` takes the population's metrics;
    `rtt`, `rtt_service`, `delivery` and `send_lag` are its buffers of what each message has.
    `wants_acks`: publications ask for one. `usual_length`: of a message's data; one of `checked_each` messages is
    compared with what was sent.
    """

    run: RunContext
    settings: Population
    users: int
    access: Access
    codec: Codec
    data_type: DataType
    wants_acks: bool
    payloads: PayloadPlan
    usual_length: int
    checked_each: int
    envelopes: Envelopes
    pack_stamp: Callable[..., bytes]
    stamp_readers: Mapping[str, Callable[[object], Stamp | None]]
    ping_words: PingWords
    epochs: Epochs
    clock: RunClock
    recorder: Recorder
    rtt: list[int]
    rtt_service: list[int]
    delivery: list[int]
    send_lag: list[int]
    frame: Callable[[int, bytes], bytes] = field(default_factory=lambda: FrameWriter().frame)

    @classmethod
    def create(cls, run: RunContext, settings: Population, access: Access) -> PopulationContext:
        codec = CODECS[settings.protocol]
        data_type = DataType(settings.data_type)
        payloads = settings.published_plan()
        texts = data_type is DataType.TEXT
        envelopes = codec.envelopes(payloads.endings()) if texts else NoEnvelopes()
        return cls(
            run=run,
            settings=settings,
            users=run.users,
            access=access,
            codec=codec,
            data_type=data_type,
            wants_acks=codec.enveloped and (settings.ack or settings.scenario_row.acks),
            payloads=payloads,
            usual_length=payloads.usual_length,
            checked_each=CHECKED_EACH if isinstance(envelopes, NoEnvelopes) else 1,
            envelopes=envelopes,
            pack_stamp=pack_text if payloads.stamp_is_text else pack_binary,
            stamp_readers=stamp_readers(data_type),
            ping_words=PingWords(enveloped=codec.enveloped),
            epochs=run.epochs,
            clock=run.clock,
            recorder=run.recorder,
            rtt=run.recorder.buffer("rtt"),
            rtt_service=run.recorder.buffer("rtt_service"),
            delivery=run.recorder.buffer("delivery"),
            send_lag=run.recorder.buffer("send_lag"),
        )

    @property
    def number(self) -> int:
        """Its place among the populations of the run."""
        return next((at for at, each in enumerate(self.run.config.populations) if each is self.settings), 0)

    def template(self, kind: PublishKind, name: str, no_echo: bool) -> Template:
        return self.codec.publish_template(kind, name, self.data_type, no_echo)

    def failed(self, metric: str, label: str, message: str, advice: str = "") -> None:
        """Counts a failure, and warns once of its kind."""
        self.recorder.fail(metric, label, sentence=message)
        self.run.warn(f"{metric}/{label}", f"{message}{'; ' + advice if advice else ''} [{metric}: {label}]")


def stamp_readers(sent: DataType) -> Mapping[str, Callable[[object], Stamp | None]]:
    """How the stamp is read, by the type that a message says it has. Simple and protobuf clients get JSON as text."""
    return {"text": read_json if sent is DataType.JSON else read_text, "json": read_json, "binary": read_binary}
