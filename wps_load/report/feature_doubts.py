"""Doubts about features that not every service has: what is never answered is not there, and nothing was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wps_load.report.evidence import Doubt, Evidence
from wps_load.report.model import RunState

_FEATURES: Final[Mapping[str, tuple[str, str, str]]] = {
    "invoke": ("invocations", "was an invocation answered", ", or the event handler never answers"),
    "stream_start": ("streams", "was the start of a stream answered", ""),
}
"""By the metric that times its answers: the feature, what never happened, and what else it may be."""
_SILENCE: Final = ("timeout", "connection_lost")
"""Ends of the labels of what was not answered at all."""


def not_available(seen: Evidence) -> Doubt | None:
    """Not one answer came, be it an error: the service does not know the feature, or nobody is there to answer."""
    facts = seen.facts
    if facts.state is RunState.RUNNING:
        return None
    for metric, (feature, event, otherwise) in _FEATURES.items():
        answered = facts.snapshot.histograms.get(metric)
        failures = {label: n for (of, label), n in facts.snapshot.failures.items() if of == metric and n}
        if metric not in facts.latencies or (answered is not None and answered.count) or not failures:
            continue
        if all(label in {f"{metric}_{end}" for end in _SILENCE} for label in failures):
            labels = ", ".join(f"{label} {n:,}x" for label, n in sorted(failures.items()))
            return Doubt(
                "not_available",
                "error",
                f"Not available here: not once {event} ({labels}).",
                f"The service may not have {feature}, which are a preview, at all or in this resource{otherwise}. "
                "That is no verdict on its speed: try a resource that has them.",
            )
    return None
