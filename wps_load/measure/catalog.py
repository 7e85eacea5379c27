"""The closed vocabulary of statistics: metric names, health metrics, counters, failure labels.

Whatever the scale of a run, only names from these tables reach a table, a file or a scraper: an id, a URL or free text
in a name would grow without bound and could reveal a secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """`starts` and `ends` say in words what is timed; `timed` is False for a plain count."""

    name: str
    unit: Literal["ms", "count"]
    starts: str
    ends: str

    @property
    def timed(self) -> bool:
        return self.unit == "ms"


METRICS: Final = (
    Metric("connect", "ms", "the connection's slot (due time)", "usable"),
    Metric("connect_token", "ms", "asking for a Client URL or token", "having it"),
    Metric("connect_dns", "ms", "resolving the host", "addresses known"),
    Metric("connect_tcp", "ms", "SYN", "TCP (and proxy) connected"),
    Metric("connect_tls", "ms", "ClientHello", "TLS established and verified"),
    Metric("connect_upgrade", "ms", "the upgrade request", "101 Switching Protocols"),
    Metric("connect_ready", "ms", "101 Switching Protocols", "the `connected` message"),
    Metric("token_request", "ms", "a REST call for a client token (Entra ID)", "its response"),
    Metric("join_group", "ms", "the request", "its ack"),
    Metric("publish_ack", "ms", "due time", "the ack"),
    Metric("rtt", "ms", "due time", "own copy or answer is back at the sender"),
    Metric("rtt_service", "ms", "bytes handed to the socket", "own copy or answer is back at the sender"),
    Metric("delivery", "ms", "due time", "arrival at another connection"),
    Metric("invoke", "ms", "due time of an invocation", "its own response"),
    Metric("stream_start", "ms", "due time of a stream's start", "the first `streamAck`"),
    Metric("first_fragment", "ms", "due time of a stream's start", "its first fragment is at a subscriber"),
    Metric("fragment_gap", "ms", "a fragment is at a subscriber", "the next one of its stream is"),
    Metric("stream_end", "ms", "due time of a stream's end", "`streamClosed`"),
    Metric("rest_publish", "ms", "the request", "the response"),
    Metric("rest_manage", "ms", "a request about groups, permissions or connections", "the response"),
    Metric("recover", "ms", "loss of the socket", "recovered"),
    Metric("disconnect", "count", "usable", "a connection that was dropped"),
)
METRIC_BY_NAME: Final = {metric.name: metric for metric in METRICS}

MESSAGE_METRICS: Final = frozenset({"rtt", "rtt_service", "delivery", "invoke"})
"""A scenario with one of these carries messages, so that loss, duplicates and order have a meaning."""

LATENCIES: Final = ("rtt", "delivery", "invoke", "first_fragment", "rest_publish", "recover", "publish_ack")
"""The possible main metrics, the most informative first, if the scenario is unknown."""


def main_metric(own: Sequence[str], demanded: Collection[str] = (), timed: Collection[str] | None = None) -> str:
    """The one latency that a run is about, which is shown first and judged for drift, lag and steps.

    `own`: the latencies that the run can have and that its scenario is about, the most informative first. `demanded`:
    the metrics of its SLOs; one of them comes first, whether or not it has values. `timed`: the metrics that have
    values; None while that is unknown. A run without messages is about `connect`.
    """
    asked = [name for name in own if name in demanded]
    if asked:
        return asked[0]
    if timed is not None:
        own = [name for name in own if name in timed] or own[:1]
    return own[0] if own else "connect"


def message_metric(available: Collection[str]) -> str:
    """The metric that has one value per message, if possible: Locust's `Aggregated` row counts it."""
    return next((name for name in ("rtt", "invoke") if name in available), "delivery")


HEALTH: Final = ("send_lag", "loop_lag")
"""Times of the generator itself: due -> bytes handed to the socket; lag of the event loop.

They say nothing about the service: they are in `generator` of the summary and in no table of metrics.
"""

_OF_STREAMS: Final = frozenset({"stream_start", "first_fragment", "fragment_gap", "stream_end"})
OF_MESSAGES: Final = _OF_STREAMS | frozenset(
    {"rtt", "rtt_service", "delivery", "invoke", "publish_ack", "rest_publish", "send_lag"}
)
"""Measured once per message, and so only for messages that were due in the measure phase: warm-up is left out."""

WAITED: Final = {"connect": "connect_waited"}
"""Metric -> the histogram of attempts that were given up, by a time limit or at the end of the run.

Each value is how long the attempt had waited, the least that it would have taken. In the metric's percentiles these
come after all others: see `snapshot.metric_row`.
"""

PENDING: Final = "invocations_pending"
"""Numbers, not times: how many invocations of its connection were pending when one was sent, including itself."""

HISTOGRAMS: Final = frozenset(metric.name for metric in METRICS if metric.timed) | {*HEALTH, *WAITED.values(), PENDING}

COUNTERS: Final = frozenset(
    {
        "bytes_sent",
        "bytes_received",
        "messages_outdated",  # stamped with another epoch: that of the warm-up, or one before a reset
        "messages_unstamped",  # data without a stamp
        "messages_replayed",  # sent again after a recovery although they had arrived: the protocol drops them
        "sequence_gaps",  # sequence ids that a reliable connection's service skipped
        "tasks_published",  # by a locustfile's own tasks in the measure phase: handed to a socket
        "tasks_delivered",  # received by them
        "messages_unknown",  # of a type that this client does not know: ignored, as the protocol demands of clients
        "invocations_cancelled",  # by wps-load: they had no answer in time
        "responses_unknown",  # for no invocation of this client, or for one that had failed already
        "streams_started",
        "streams_ended",  # as their publisher wanted
        "streams_failed",  # refused, closed with an error, never answered, or gone with their connection
        "streams_heard_whole",  # by a subscriber, to their end
        "streams_cut_off",  # for a subscriber: ended with an error, or never
        "stream_nacks",
        "stream_keepalives",
        "stream_answers_unknown",  # for no stream of this client, or for one that was over
        "fragments_replayed",  # sent again, for a nack or after a recovery
        "acks_late",  # for requests that had failed without an answer
        "acks_unknown",  # for no request of this client, for an answered one, or with an id that is not a number
        "connections_opened",
        "connections_failed",
        "connections_dropped",
        "connections_reconnected",
        "connections_recovered",
        "connections_cut",
        "connections_closed_by_plan",
        "connections_silent",  # without a byte for three ping intervals; counted each time
        "pings_sent",
        "pongs_received",  # the `pong` messages of subprotocols; WebSocket's are not counted
        "send_stalls",
        "send_stall_ns",
    }
)

# -- failure labels ------------------------------------------------------------------------------------------

OTHER: Final = "other"

# The wire's error names (protocol reference, "ack": `error.name`), in snake case.
ACK_ERRORS: Final = frozenset(
    {"forbidden", "duplicate", "internal_server_error", "bad_request", "not_found", "no_handler", "timeout"}
    | {"invalid_sequence_id", "transient_error", "stream_not_found", "idle_timeout", "cancelled", "user_error"}
    | {"protocol_violation"}  # wps-load's word for an ack of something that was never sent
    | {"malformed"}  # wps-load's word for a response without a clear outcome
)

_LABEL: Final = re.compile(
    # an HTTP status, a WebSocket close code,
    r"(?:(?:(?:proxy|negotiate|token|recover)_)?http_[1-5]\d\d(?:_network|_role)?|(?:proxy|negotiate|rest)_[1-5]\d\d(?:_network|_role)?"
    r"|(?:closed|protocol_error)_[1-4]\d\d\d"
    # words from our own code, after what they are about,
    r"|(?:ack|join|leave|invoke|stream|recover|negotiate|token|rest|connect|connected|upgrade|proxy|tls|dns|send|keepalive)"
    r"_[a-z]{1,24}(?:_[a-z]{1,24}){0,3}"
    # and single words
    r"|(?:connack|disconnect|ack|join|leave)_0x[0-9a-f]{2}|session_absent"
    rf"|client_error|url_invalid|subprotocol_refused|http_other|{OTHER})"
)
"""All labels: a finite set, whatever a peer answers."""
_REASON_CODE: Final = re.compile(r"0x[0-9a-f]{2}")
_CAMEL_STEP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_label(text: str) -> bool:
    """Whether `text` belongs to the vocabulary."""
    return _LABEL.fullmatch(text) is not None


def bounded_label(text: str) -> str:
    """`text` if it is in the vocabulary, else `other`; the recorder applies it to every label."""
    return text if is_label(text) else OTHER


def ack_label(error_name: str | None, prefix: str = "ack") -> str:
    """The label of a negative ack: `Forbidden` -> `ack_forbidden`; an unknown name -> `ack_other`.

    `prefix`: `join` for the ack of a join, and so on. The peer chooses the name, so only known ones pass.
    """
    if error_name is not None and _REASON_CODE.fullmatch(error_name):
        return f"{prefix}_{error_name}"  # MQTT's, which has 256
    snake = _CAMEL_STEP.sub("_", error_name or "").lower()
    return f"{prefix}_{snake}" if snake in ACK_ERRORS else f"{prefix}_{OTHER}"
