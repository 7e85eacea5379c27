"""The outcome of a scenario's requests: its joins, and its publications that ask for an ack. Each is counted once."""

from __future__ import annotations

from typing import Final, Protocol, cast

from wps_load.client.answers import UNANSWERED
from wps_load.client.context import PopulationContext
from wps_load.measure.catalog import ack_label
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import AckResult
from wps_load.workload.population import USER_BASE

JOIN_REFUSED: Final = (
    "the service refused a join",
    "give the token the role webpubsub.joinLeaveGroup (--wps-roles)",
)
PUBLICATION_ADVICE: Final = "give the token the role webpubsub.sendToGroup (--wps-roles), or check the event handler"


class Requester(Protocol):
    """The client that made the request."""

    def joined(self, audience: int, at_ns: int | None) -> None:
        """A join was answered; `at_ns` None: it was refused, or not answered in time."""
        ...

    def joined_late(self, audience: int, at_ns: int) -> None:
        """A join that had failed without an answer was acknowledged after all."""
        ...


def answered(context: PopulationContext, asker: Requester, answer: AckResult, arrival_ns: int) -> None:
    if answer.late:
        if answer.ok:  # it has failed already, but from now on its group's messages are expected
            asker.joined_late(cast(tuple[int, int], answer.context)[1], arrival_ns)
    elif answer.kind == "join":
        _joined(context, asker, answer, arrival_ns)
    elif answer.kind == "publish":
        _published(context, answer, arrival_ns)


def unanswered(context: PopulationContext, asker: Requester, pending: PendingAck, why: str) -> None:
    """A request without an answer. `why`: `timeout`, `connection_lost`."""
    if pending.kind == "publish":
        _, epoch = cast(tuple[int, int], pending.context)
        if epoch == context.epochs.number:
            context.failed("publish_ack", f"ack_{why}", *UNANSWERED[why])
        return
    context.failed("join_group", f"join_{why}", *UNANSWERED[why])
    if why == "timeout":
        asker.joined(cast(tuple[int, int], pending.context)[1], None)


def _published(context: PopulationContext, answer: AckResult, arrival_ns: int) -> None:
    due_ns, epoch = cast(tuple[int, int], answer.context)
    if epoch != context.epochs.number:
        return
    if answer.ok:
        context.recorder.buffer("publish_ack").append(arrival_ns - due_ns)
    else:
        label = ack_label(answer.error)
        context.failed("publish_ack", label, f"the service refused a publication ({label})", PUBLICATION_ADVICE)


def _joined(context: PopulationContext, asker: Requester, answer: AckResult, arrival_ns: int) -> None:
    """The topic of an event's answers may need no subscription, so a refusal there is not a failure."""
    requested_ns, audience = cast(tuple[int, int], answer.context)
    heard = answer.ok or (context.codec.traits.answers_on_topics and audience >= USER_BASE)
    if answer.ok:
        context.recorder.buffer("join_group").append(arrival_ns - requested_ns)
    elif not heard:
        context.failed("join_group", ack_label(answer.error), *JOIN_REFUSED)
    asker.joined(audience, arrival_ns if heard else None)
