"""The outcome of a scenario's invocations: each has its own response, or is a failure of its metric, `invoke`, once.

An invocation is a message of its publisher's stream: its response is its delivery, whatever the event handler answers.
One that is answered with an error has failed, and is not lost; one that is never answered has failed and is lost.
"""

from __future__ import annotations

from typing import Protocol, cast

from wps_load.client.answers import UNANSWERED, Asker
from wps_load.client.context import PopulationContext
from wps_load.client.quote import quote
from wps_load.measure.catalog import PENDING, ack_label
from wps_load.measure.ledger import DUPLICATE, Receiver
from wps_load.protocol.messages import CancelInvocation, InvokeResponse
from wps_load.protocol.pending import PendingAck

Sent = tuple[int, int, int]
"""(sequence number, due time in our clock, epoch)"""
REFUSED_ADVICE = "check the event handler, and whether the service knows invocations"


class InvocationSource(Protocol):
    """The publisher of the invocations."""

    def came_back(self, at_ns: int, seq: int) -> None: ...

    def refused(self, at_ns: int, seq: int) -> None: ...


class InvokeOwner(Protocol):
    """The owner of the connection."""

    @property
    def stream(self) -> int: ...

    @property
    def receiver(self) -> Receiver: ...

    @property
    def publisher(self) -> InvocationSource | None: ...


class InvokeLink(Asker, Protocol):
    """The connection on which they are sent."""

    @property
    def owner(self) -> InvokeOwner: ...

    @property
    def up(self) -> bool: ...

    def send(self, payload: bytes) -> bool: ...


def begin(context: PopulationContext, link: Asker, sent: Sent, at_ns: int) -> int:
    """An invocation is about to be sent on `link`. Returns its number."""
    invocations = link.session.invocations
    number = invocations.next_number()
    invocations.expect(number, (number, *sent), at_ns)
    context.recorder.buffer(PENDING).append(len(invocations))
    context.run.answers.askers.add(link)
    return number


def answered(context: PopulationContext, link: InvokeLink, response: InvokeResponse, arrival_ns: int) -> None:
    pending = link.session.invocations.resolve(response)
    if pending is None:
        context.recorder.count("responses_unknown")
        return
    _, seq, due_ns, epoch = cast(tuple[int, int, int, int], pending.context)
    if epoch != context.epochs.number:
        return
    owner = link.owner
    publisher = owner.publisher
    if response.success:
        if owner.receiver.arrive(owner.stream, seq) < DUPLICATE:
            context.recorder.buffer("invoke").append(arrival_ns - due_ns)
        if publisher is not None:
            publisher.came_back(arrival_ns, seq)
        return
    label = ack_label(response.error, "invoke")
    told = f": {quote(response.error_message)}" if response.error_message else ""
    context.failed(
        "invoke", label, f"an invocation failed ({quote(response.error or 'no name')}){told}", REFUSED_ADVICE
    )
    if publisher is not None:
        publisher.refused(arrival_ns, seq)


def unanswered(context: PopulationContext, link: InvokeLink, pending: PendingAck, why: str) -> None:
    """An invocation without a response. `why`: `timeout`, of which the service is informed, or `connection_lost`."""
    number, _, _, epoch = cast(tuple[int, int, int, int], pending.context)
    if why == "timeout" and link.up:
        context.recorder.count("invocations_cancelled")
        link.send(context.codec.encode(CancelInvocation(str(number))))
    if epoch == context.epochs.number:
        context.failed("invoke", f"invoke_{why}", *UNANSWERED[why])


def lost(context: PopulationContext, link: InvokeLink, *, counted: bool) -> None:
    """The socket has ended: all pending ones have failed at once, whether or not the connection is recovered."""
    for pending in link.session.invocations.overdue(None):
        if counted:
            unanswered(context, link, pending, "connection_lost")
