"""A task's invocation: a user event whose answer is this call's own, counted and timed as `invoke`."""

from __future__ import annotations

from wps_load.client.api_connector import ApiConnector
from wps_load.client.api_values import within_limit
from wps_load.client.context import PopulationContext
from wps_load.client.establish import seconds_until
from wps_load.client.quote import quote
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectionLost
from wps_load.measure.catalog import ack_label
from wps_load.protocol.messages import CancelInvocation, DataType, Invoke, InvokeResponse


def invoke(
    context: PopulationContext,
    connector: ApiConnector,
    event: str,
    data_type: DataType | None,
    data: object,
    timeout_s: float,
) -> InvokeResponse:
    """Waits for the response. Raises Finding if it fails, or does not come in time and is cancelled."""
    link = connector.ready()
    due_ns = now_ns()
    deadline_ns = due_ns + int(timeout_s * NS_PER_S)
    connector.await_passable(link, deadline_ns, "invoke")
    codec, invocations = context.codec, link.session.invocations
    number = invocations.next_number()
    payload = within_limit(codec.encode(Invoke(str(number), event, data_type, data)))
    answer = link.invoke(number, payload, codec.opcode).answer
    try:
        came = answer.wait(seconds_until(deadline_ns))
    finally:  # the time is up, or the task was stopped meanwhile
        if invocations.abandon(number) is not None and link.up:
            context.recorder.count("invocations_cancelled")
            link.send(codec.encode(CancelInvocation(str(number))), codec.opcode)
    if came is None:
        connector.fail("invoke", "invoke_timeout", "the service did not answer an invocation in time")
    if isinstance(came, ConnectionLost):
        connector.fail("invoke", "invoke_connection_lost", f"the connection ended before the response: {came.message}")
    response, arrival_ns = came
    assert isinstance(response, InvokeResponse)
    if not response.success:
        name, told = quote(response.error or "no name"), quote(response.error_message)
        connector.fail("invoke", ack_label(response.error, "invoke"), f"an invocation failed ({name}): {told}")
    if context.epochs.measured_at(due_ns) == context.epochs.number:
        context.recorder.buffer("invoke").append(arrival_ns - due_ns)
    return response
