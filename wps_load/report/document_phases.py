"""The phases in the summary document, and the numbers that it consists of: a part of `document`."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

Whole = Annotated[int, Meta(ge=0)]
Number = Annotated[float, Meta(ge=0)]
Count = Whole | None
Amount = Number | None


class PhasePart(TypedDict):
    """One population's part of a phase."""

    name: str
    connections: Annotated[Amount, Meta(description="Open, on average.")]
    offered_per_s: Amount
    published_per_s: Amount
    delivered_per_s: Amount
    lost: Annotated[Count, Meta(description="Missing so far at its end, of the messages due in it.")]


class PhaseRow(TypedDict):
    """A phase of the run.

    If the number of users changed, the measure phase is repeated by these numbers: a row for each that was held, and
    one for each ramp between, with what arrived in its whole seconds.
    """

    name: str
    started_s: float
    duration_s: Number
    users: NotRequired[Annotated[Count, Meta(description="The number that was held; null: a ramp.")]]
    connections: NotRequired[Annotated[Amount, Meta(description="Open, on average.")]]
    offered: NotRequired[Count]
    published: NotRequired[Count]
    delivered: NotRequired[Count]
    lost: NotRequired[Annotated[Count, Meta(description="Missing so far at its end, of the messages due in it.")]]
    offered_per_s: NotRequired[Amount]
    delivered_per_s: NotRequired[Amount]
    metric: NotRequired[Annotated[str, Meta(description="The latency of p50 and p99.")]]
    p50: NotRequired[Amount]
    p99: NotRequired[Amount]
    samples: NotRequired[Count]
    few_samples: NotRequired[Annotated[bool, Meta(description="Too few samples for p50 or p99.")]]
    populations: NotRequired[Annotated[list[PhasePart], Meta(description="For a run of several populations.")]]
