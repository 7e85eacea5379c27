"""Counts of preview features beside messages: a part of `document`."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from wps_load.report.document_phases import Count


class InvocationCounts(TypedDict):
    """Calls of the event handler with answers of their own; their times are the metric `invoke`."""

    pending_max: Annotated[Count, Meta(description="The most that one connection had pending at once.")]
    cancelled: Annotated[Count, Meta(description="By wps-load: they had no answer in time.")]
    unknown_responses: Annotated[
        Count, Meta(description="For an unknown invocation, or for one that had failed already.")
    ]


class StreamCounts(TypedDict):
    """Streams of fragments; `stream_start`, `first_fragment`, `fragment_gap` and `stream_end` are their times."""

    started: Count
    ended: Annotated[Count, Meta(description="As their publisher wanted.")]
    failed: Annotated[
        Count, Meta(description="Refused, closed with an error, never answered, or gone with their connection.")
    ]
    heard_whole: Annotated[Count, Meta(description="Over all subscribers: heard to their end.")]
    cut_off: Annotated[Count, Meta(description="Over all subscribers: ended with an error, or never.")]
    nacks: Count
    fragments_replayed: Annotated[Count, Meta(description="Sent again, for a nack or after a recovery.")]
    keepalives: Count
    unknown_answers: Annotated[Count, Meta(description="About an unknown stream, or one that was over.")]
