"""Doubts about features that not every service has: if nothing ever answers, nothing was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wps_load.measure.thresholds import Slo
from wps_load.report.evidence import Doubt, Evidence
from wps_load.report.model import RunFacts, RunState

_FEATURES: Final[Mapping[str, tuple[str, str, str]]] = {
    "invoke": ("invocations", "was an invocation answered", ", or the event handler never answers"),
    "stream_start": ("streams", "was the start of a stream answered", ""),
}
"""By the metric of its answers: the feature, what never happened, and what else the reason may be."""
_SILENCE: Final = ("timeout", "connection_lost")
"""Label endings of attempts that were not answered at all."""


def not_available(seen: Evidence) -> Doubt | None:
    """Not one answer came, not even an error: the service does not know the feature, or nobody answers."""
    metric = missing(seen.facts)
    if metric is None:
        return None
    feature, event, otherwise = _FEATURES[metric]
    failures = {label: n for (of, label), n in seen.facts.snapshot.failures.items() if of == metric and n}
    labels = ", ".join(f"{label} {n:,}x" for label, n in sorted(failures.items()))
    return Doubt(
        "not_available",
        "error",
        f"Not available here: not once {event} ({labels}).",
        f"The service may not have {feature}, which are a preview, at all or in this resource{otherwise}. "
        "That says nothing about its speed: try a resource that has them.",
    )


def missing(facts: RunFacts) -> str | None:
    """The metric of a feature that was requested and never answered; None: there is none, as far as is known."""
    if facts.state is RunState.RUNNING:
        return None
    for metric in _FEATURES:
        answered = facts.snapshot.histograms.get(metric)
        labels = {label for (of, label), n in facts.snapshot.failures.items() if of == metric and n}
        if (answered is not None and answered.count) or not labels:
            continue
        if labels <= {f"{metric}_{end}" for end in _SILENCE}:
            return metric
    return None


def says_nothing(slo: Slo, facts: RunFacts) -> bool:
    """Whether an SLO is about a missing feature, or about messages of one: then it has not failed.

    `populations` of a mix may have carried others.
    """
    metric = missing(facts)
    if metric is None:
        return False
    return slo.subject == metric or (slo.kind == "messages" and not facts.populations)
