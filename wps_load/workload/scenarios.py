"""The scenarios as one table: who may play them, what they measure, and what they default to.

A new scenario is a row here, a branch in `population` if its topology is new, and a section in docs/scenarios.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from wps_load.protocol.traits import (
    INVOKING,
    MQTTS,
    PROTOCOLS,
    RELIABLE,
    STREAMING,
    SUBPROTOCOLS,
    TRAITS,
    WEB_PUBSUB,
    First,
    PublishKind,
)
from wps_load.workload.values import Share

JOIN_AND_PUBLISH = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")

_CONNECT_METRICS = (
    "connect", "connect_token", "connect_dns", "connect_tcp", "connect_tls", "connect_upgrade",
    "connect_ready", "disconnect",
)  # fmt: skip


class Topology(StrEnum):
    """Who hears whom."""

    OWN = "own"  # each user hears itself only
    GROUPS = "groups"
    REST_USERS = "rest-users"  # an app server sends to single users
    REST_ALL = "rest-all"  # an app server sends to everybody
    SILENT = "silent"  # nobody publishes
    TASKS = "tasks"  # the tasks of a locustfile decide


_USE_CASES = {
    Topology.OWN: "upstream_echo",
    Topology.GROUPS: "send_to_small_group",
    Topology.REST_USERS: "rest_send_to_user",
    Topology.REST_ALL: "rest_broadcast",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table.

    `publishers` and the group defaults apply if the option is not given; None: the scenario does not use the option.

    `metrics`: the latencies that it is about, the most informative first. `guide`: the row of Azure's performance guide
    that the ready file in configs/ reproduces, if there is one. `priced_as`: the guide's use case whose rows give the
    size of the load, if that is not the usual one of the topology.
    """

    name: str
    topology: Topology
    protocols: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    publishers: Share | None = None
    groups: int | None = None
    group_size: int | None = None
    slo: str = ""
    guide: str | None = None
    priced_as: str = ""
    own_options: tuple[str, ...] = ()
    lifetime: str = ""
    cut: str = ""
    slow: str = ""
    stream_length: str = ""
    """Messages are the fragments of streams of this length; if groups have a size, one member of each publishes."""
    rate: str = "1"
    payload: str = "2KiB"
    by_event: bool = False
    """Users publish by an event that the event handler answers, even if the protocol has groups."""
    invokes: bool = False
    """These events are invocations: the answer is the call's own (`invoke`), not a message."""
    qos: str = "0"
    """The QoS of MQTT clients. Above 0 a session also keeps what is published while its client is disconnected."""
    acks: bool = False
    """Publications are acknowledged whatever `--wps-ack` says, so that messages in flight can be sent again."""

    @property
    def needs_key(self) -> bool:
        """Whether REST calls need the access key, which a Client URL or negotiate endpoint does not provide."""
        return self.topology in (Topology.REST_USERS, Topology.REST_ALL)

    @property
    def use_case(self) -> str | None:
        """The nearest use case of Azure's performance guide; None: connections alone decide."""
        return self.priced_as or _USE_CASES.get(self.topology)

    def own_defaults(self, protocol: str) -> dict[str, str]:
        """By flag, the texts of the options whose defaults depend on the scenario; empty: it does not use them."""
        return {
            "--wps-qos": self.qos if protocol in MQTTS else "0",
            "--wps-rate": self.rate,
            "--wps-payload": self.payload,
            "--wps-lifetime": self.lifetime,
            "--wps-stream-length": self.stream_length,
            "--wps-cut": self.cut,
            "--wps-slow": self.slow,
        }

    @property
    def streams(self) -> bool:
        """Whether messages are the fragments of streams."""
        return bool(self.stream_length)

    @property
    def publishes(self) -> bool:
        return self.topology not in (Topology.SILENT, Topology.TASKS)

    @property
    def users_publish(self) -> bool:
        return self.topology in (Topology.OWN, Topology.GROUPS)

    def kind_of_publication(self, protocol: str) -> PublishKind | Literal["raw"]:
        """What a user publishes. `raw`: a simple client's frame, which the service turns into an event."""
        if self.publishes_to_groups(protocol):
            return "stream" if self.streams else "group"
        if not TRAITS[protocol].enveloped:
            return "raw"
        return "invoke" if self.invokes else "event"

    def publishes_to_groups(self, protocol: str) -> bool:
        """Whether users join groups and publish to them."""
        return self.users_publish and TRAITS[protocol].enveloped and not (self.by_event or self.invokes)

    def calls_handler(self, protocol: str) -> bool:
        """Whether each message of a user is an event, which the event handler answers."""
        return self.users_publish and not self.publishes_to_groups(protocol)


_WHOLE = "loss = 0, misdelivered = 0, connected >= 99%"
_RTT_SLO = f"rtt p99 < 1s, {_WHOLE}"  # Azure's own definition of what a unit holds
_DELIVERY_SLO = f"delivery p99 < 1s, {_WHOLE}"
_INVOKE_SLO = f"invoke p99 < 1s, invoke fail_ratio = 0%, {_WHOLE}"
_STREAM_SLO = f"first_fragment p95 < 1s, delivery p99 < 1s, stream_start fail_ratio = 0%, {_WHOLE}"
_ALL, _ONE = Share.parse("100%"), Share(count=1)
_OWN_METRICS = ("rtt", "rtt_service")
_GROUP_METRICS = ("delivery", *_OWN_METRICS)
_STREAM_TIMES = ("first_fragment", "fragment_gap", "stream_start", "stream_end")
_REST_METRICS = ("delivery", "rest_publish")
_WEB_PUBSUB_GROUPS = tuple(name for name in SUBPROTOCOLS if name in WEB_PUBSUB)
_GROUP_OPTIONS = ("--wps-groups", "--wps-group-size")

SCENARIOS: dict[str, Scenario] = {
    row.name: row
    for row in (
        Scenario(
            "echo",
            Topology.OWN, PROTOCOLS, _OWN_METRICS, publishers=_ALL, slo=_RTT_SLO,
        ),
        Scenario(
            "small-group",
            Topology.GROUPS, SUBPROTOCOLS, _GROUP_METRICS, publishers=_ALL, group_size=10,
            slo=_DELIVERY_SLO, guide="Send to small group", own_options=_GROUP_OPTIONS,
        ),
        Scenario(
            "big-group",
            Topology.GROUPS, SUBPROTOCOLS, _GROUP_METRICS, publishers=Share(count=30), groups=10,
            slo=_DELIVERY_SLO, guide="Send to big group", priced_as="send_to_big_group", own_options=_GROUP_OPTIONS,
        ),
        Scenario(
            "upstream",
            Topology.OWN, PROTOCOLS, _OWN_METRICS, publishers=_ALL, slo=_RTT_SLO,
            guide="Upstream event handler (echo)", by_event=True,
        ),
        Scenario(
            "invoke",
            Topology.OWN, INVOKING, ("invoke",), publishers=_ALL, slo=_INVOKE_SLO, invokes=True,
        ),
        Scenario(
            "stream",
            Topology.GROUPS, STREAMING,
            ("first_fragment", "delivery", *_STREAM_TIMES[1:]),
            publishers=Share.parse("20%"), group_size=5, slo=_STREAM_SLO,
            own_options=("--wps-stream-length", "--wps-streams", "--wps-cut", *_GROUP_OPTIONS),
            stream_length="10s", rate="20", payload="64B",
        ),
        Scenario(
            "send-to-user",
            Topology.REST_USERS, WEB_PUBSUB, _REST_METRICS, publishers=_ONE, slo=_DELIVERY_SLO,
            guide="REST: send to user",
        ),
        Scenario(
            "broadcast",
            Topology.REST_ALL, WEB_PUBSUB, _REST_METRICS, publishers=_ONE, slo=_DELIVERY_SLO,
            guide="REST: broadcast to all",
        ),
        Scenario(
            "idle", Topology.SILENT, PROTOCOLS,
            slo="connected >= 99%", own_options=("--wps-cut",),
        ),
        Scenario(
            "churn", Topology.SILENT, PROTOCOLS,
            slo="connect fail_ratio < 1%", own_options=("--wps-lifetime",), lifetime="10s",
        ),
        Scenario(
            "recovery",
            Topology.GROUPS, RELIABLE, ("recover", *_GROUP_METRICS), publishers=Share.parse("10%"),
            group_size=10, slo="loss = 0", own_options=("--wps-cut", *_GROUP_OPTIONS), cut="1/s reset",
            qos="1", acks=True,
        ),
        Scenario(
            "slow-consumer",
            Topology.GROUPS, _WEB_PUBSUB_GROUPS, _GROUP_METRICS, publishers=Share.parse("10%"), groups=1,
            priced_as="send_to_big_group", own_options=("--wps-slow", *_GROUP_OPTIONS), slow="10% 1KiB/s",
        ),
    )
}  # fmt: skip

LISTENER = "listener"
"""The scenario of a mix's members who hear another population and do nothing else."""
LOCUSTFILE = "locustfile"
"""The name of a run whose users have tasks of their own instead of a scenario."""
ROWS: Mapping[str, Scenario] = {
    **SCENARIOS,
    LISTENER: Scenario(LISTENER, Topology.SILENT, PROTOCOLS, ("delivery",), slo=_DELIVERY_SLO),
    LOCUSTFILE: Scenario(
        LOCUSTFILE,
        Topology.TASKS,
        PROTOCOLS,
        (*_OWN_METRICS, "invoke", *_REST_METRICS, "rest_manage", "recover", *_STREAM_TIMES),
        qos="1",
    ),
}
"""The scenarios that `--wps-scenario` may name, and that of a locustfile's own tasks."""


def default_roles(scenario: str, protocol: str) -> tuple[str, ...]:
    """The least roles that a minted token needs; sending events and receiving need none. Tasks may join and publish."""
    row = ROWS[scenario]
    needs_groups = row.topology is Topology.TASKS or row.publishes_to_groups(protocol)
    return JOIN_AND_PUBLISH if needs_groups else ()


def latencies_of(scenario: str, protocol: str, *, ack: bool = False, no_echo: bool = False) -> tuple[str, ...]:
    """The latencies of messages that a run of this scenario can have, the most informative first."""
    having = metrics_of(scenario, protocol, ack=ack, no_echo=no_echo)
    own = tuple(name for name in ROWS[scenario].metrics if name in having)
    return (*own, *(("publish_ack",) if "publish_ack" in having else ()))


def metrics_of(scenario: str, protocol: str, *, ack: bool = False, no_echo: bool = False) -> frozenset[str]:
    """The metrics that a run of this scenario can have: an SLO on any other is refused before the run."""
    row, traits = ROWS[scenario], TRAITS[protocol]
    found = {*_CONNECT_METRICS, *row.metrics}
    if traits.speaks_first is First.NOBODY:
        found.discard("connect_ready")
    if default_roles(scenario, protocol):
        found.add("join_group")
    tasks = row.topology is Topology.TASKS
    if traits.enveloped and (tasks or (ack and row.users_publish and not (row.invokes or row.streams))):
        found.add("publish_ack")
    if tasks and not traits.invokes:
        found.discard("invoke")
    if tasks and not traits.streams:
        found -= {*_STREAM_TIMES}
    if traits.reliable:
        found.add("recover")
    elif tasks:
        found.discard("recover")
    if no_echo and row.topology is Topology.GROUPS:
        found -= {"rtt", "rtt_service"}
    return frozenset(found)
