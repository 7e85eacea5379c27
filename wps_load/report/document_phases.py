"""The phases in the summary document, and the numbers that all of it is made of: a part of `document`."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

Whole = Annotated[int, Meta(ge=0)]
Number = Annotated[float, Meta(ge=0)]
Count = Whole | None
Amount = Number | None


class PhasePart(TypedDict):
    """What one population had in a phase."""

    name: str
    connections: Annotated[Amount, Meta(description="Open, in the mean.")]
    offered_per_s: Amount
    published_per_s: Amount
    delivered_per_s: Amount
    lost: Annotated[Count, Meta(description="Missing so far at its end, of what was due in it.")]


class PhaseRow(TypedDict):
    """A phase of the run.

    Where the number of users changed, the measure phase is told again by these numbers: a row for each that was held,
    and one for each ramp between, with what came in its whole seconds.
    """

    name: str
    started_s: float
    duration_s: Number
    users: NotRequired[Annotated[Count, Meta(description="The number that was held; null: a ramp.")]]
    connections: NotRequired[Annotated[Amount, Meta(description="Open, in the mean.")]]
    offered: NotRequired[Count]
    published: NotRequired[Count]
    delivered: NotRequired[Count]
    lost: NotRequired[Annotated[Count, Meta(description="Missing so far at its end, of what was due in it.")]]
    offered_per_s: NotRequired[Amount]
    delivered_per_s: NotRequired[Amount]
    metric: NotRequired[Annotated[str, Meta(description="The latency of p50 and p99.")]]
    p50: NotRequired[Amount]
    p99: NotRequired[Amount]
    samples: NotRequired[Count]
    few_samples: NotRequired[Annotated[bool, Meta(description="Too few for p50 or p99.")]]
    populations: NotRequired[Annotated[list[PhasePart], Meta(description="Of a run of several.")]]
