"""The doubts about runs in steps: searches and stages."""

from __future__ import annotations

from collections.abc import Sequence

from wps_load.report.document import Capacity, StepRow
from wps_load.report.evidence import SAMPLES_BEYOND, Doubt, Evidence
from wps_load.report.model import RunFacts

GENERATOR_TOO = "and the generator was at its limit, too: "
"""The beginning of the generator's part in the reason for a step that the service failed."""


def client_bound(seen: Evidence) -> Doubt | None:
    capacity = seen.facts.capacity
    if capacity is None:
        return None
    if capacity["bound_by"] != "generator":
        return _both(capacity)
    step = next((s for s in reversed(capacity["steps"]) if s["outcome"] == "generator"), None)
    at = "" if step is None else f" at {step['load']:,} ({'; '.join(step['reasons'])})"
    return Doubt(
        "client_bound",
        "error",
        f"The generator, not the service, was the limit{at}: the service may hold more than was found.",
        "Add workers (--processes -1) or machines (--master, --worker), and search again.",
    )


def _both(capacity: Capacity) -> Doubt | None:
    """The service had reached its limit, and in the same step the generator had reached its own."""
    reason = both_at(capacity["steps"], capacity["high"])
    if reason is None:
        return None
    return Doubt(
        "client_bound",
        "warning",
        f"At {capacity['high']:,} the service shed load, {reason}. It may hold more for a generator that has room.",
        "Add workers (--processes -1) or machines (--master, --worker), and search again.",
    )


def both_at(steps: Sequence[StepRow], load: float | None) -> str | None:
    """Evidence that the generator was at its limit at this load, which the service failed, in each try.

    None: there was a try in which it had room, and the service failed all the same.
    """
    tries = [step["reasons"] for step in steps if step["load"] == load and step["outcome"] == "failed"]
    found = [next((reason for reason in reasons if reason.startswith(GENERATOR_TOO)), None) for reasons in tries]
    return found[-1] if found and all(found) else None


def judged_steps(facts: RunFacts) -> list[StepRow] | None:
    """The steps on which a run's figures are based: all stages; for a search, both ends of its bracket."""
    capacity = facts.capacity
    stages = facts.stages
    if capacity is not None:
        return [s for s in capacity["steps"] if s["load"] in (capacity["value"], capacity["high"])]
    return None if stages is None else list(stages["steps"])


def few_samples_in(steps: Sequence[StepRow]) -> Doubt | None:
    thin = {step["load"]: step for step in steps if step["few_samples"]}
    if not thin:
        return None
    parts = [f"{step['samples']:,} of `{step['metric']}` at {load:,}" for load, step in thin.items()]
    more = f" and {len(parts) - 5} more" if len(parts) > 5 else ""
    return Doubt(
        "few_samples",
        "warning",
        f"Steps too short for their percentiles (fewer than {SAMPLES_BEYOND} samples above p50 or p99): "
        f"{', '.join(parts[:5])}{more}.",
        "They change from run to run by chance. Make the steps longer (-t of a search bounds all of them).",
    )
