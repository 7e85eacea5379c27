"""What to do after a run, as commands, the most useful first. Pure."""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import NamedTuple

from wps_load.measure.thresholds import parse
from wps_load.report import tables
from wps_load.report.command import again, ready_mix
from wps_load.report.document import Capacity, Summary
from wps_load.report.evidence import headline, slos_of, thin_percentiles
from wps_load.report.lookup import metric_row
from wps_load.workload.scenarios import SCENARIOS


class NextStep(NamedTuple):
    """`why`: the reason, in a few words."""

    command: str
    why: str


_OWN_LIMITS = frozenset({"rate_missed", "send_lag", "loop_lag", "client_bound", "local_limit", "worker_lost"})
"""Doubts about the generator's machine."""
_TOO_SHORT = frozenset({"interrupted", "stopped_early", "few_samples", "not_measured", "nothing_cut", "no_messages"})
_SEARCH_WIDTH = 20
"""A search for the highest load begins at this fraction of the load that failed."""
_SEARCH_TIME_S = 600


def next_steps(summary: Summary, folder: str | None) -> list[NextStep]:
    """`folder`: the run's; None if there are no files."""
    previous, compared = summary.get("previous"), []
    if previous is not None and folder is not None:
        before = PurePath(folder).parent / previous["folder"]
        compared = [NextStep(f"wps-load compare {before} {folder}", "every figure compared with the previous good run")]
    if summary["run"]["scenario"] == "locustfile":
        return []
    if summary["verdict"] == "invalid":
        return _after_invalid(summary)
    found = summary["capacity"]
    if found is not None:
        return _after_search(summary, found, folder)
    steps = _after_failure(summary) if summary["verdict"] == "fail" else []
    steps += compared
    steps += _to_be_surer(summary)
    if summary["verdict"] == "pass":
        steps += _after_pass(summary, None if compared else folder)
    return steps


def _after_invalid(summary: Summary) -> list[NextStep]:
    errors = {doubt["name"] for doubt in summary["doubts"] if doubt["level"] == "error"}
    steps = []
    if errors & _OWN_LIMITS:
        steps.append(NextStep("wps-load doctor --machine", "what this machine can hold"))
    if errors - _OWN_LIMITS - _TOO_SHORT or (not steps and not errors & _TOO_SHORT):
        steps.append(NextStep(_doctor(summary), "the path to the target, step by step"))
    return [*steps, *_longer(summary, errors)]


def _longer(summary: Summary, doubts: set[str]) -> list[NextStep]:
    if not doubts & _TOO_SHORT:
        return []
    if doubts & {"interrupted", "stopped_early"}:
        return _lasting(summary, 1, "the same for its full time")
    return _lasting(summary, 3, "the same for longer")


def _lasting(summary: Summary, times: int, why: str) -> list[NextStep]:
    time_s = summary["run"]["settings"].get("run-time")
    if not isinstance(time_s, (int, float)):
        return []
    return [NextStep(again(summary, {"run-time": times * time_s}), why)]


def _after_search(summary: Summary, found: Capacity, folder: str | None) -> list[NextStep]:
    variable, value, high = found["variable"], found["value"], found["high"]
    if value is None:
        tried = min((step["load"] for step in found["steps"]), default=None)
        if tried is None or tried < 2:
            return [NextStep(_doctor(summary), "the path to the target, step by step")]
        wanted = {"wps-capacity": f"{variable}:{max(1, int(tried / _SEARCH_WIDTH))}..{int(tried)}"}
        return [NextStep(again(summary, wanted), "nothing held: the same search with a lower range")]
    steps = [] if folder is None else [NextStep(f"wps-load report {folder} --growth 2,5,10", "units for more load")]
    if found["bound_by"] == "generator":
        steps.insert(0, NextStep("wps-load doctor --machine", "what this machine can hold"))
    if found["bound_by"] == "range":
        wanted = {"wps-capacity": f"{variable}:{int(value)}..{int(max(value, high or 0) * 10)}"}
        steps.append(NextStep(again(summary, wanted), "the range ended first: the same search with a higher range"))
    return steps


def _after_failure(summary: Summary) -> list[NextStep]:
    unmet = [parse(slo["expression"])[0] for slo in summary["slo"] if slo["verdict"] == "fail"]
    steps = []
    connects = summary["connections"]["failed"] or summary["connections"]["dropped"]
    if not unmet and not connects:  # what was to come, such as a population that begins later, never came
        return _lasting(summary, 3, "for longer, so that each SLO has data")
    if connects or any(slo.subject.startswith("connect") for slo in unmet):
        steps.append(NextStep(_doctor(summary), "the path to the target, step by step"))
    if all(slo.subject.startswith("connect") for slo in unmet):
        return steps
    search = _search(summary)
    return steps if search is None else [*steps, NextStep(search, "the highest load that holds")]


def _doctor(summary: Summary) -> str:
    """The doctor command; for a mix it checks each way."""
    settings = summary["run"]["settings"]
    mix, ready = settings.get("wps-mix"), ready_mix(settings)
    named = [ready] if ready is not None else ["--wps-mix", str(mix)] if mix else []
    return shlex.join(["wps-load", "doctor", *named])


def _search(summary: Summary) -> str | None:
    """The same run as a search for the rate that it can sustain."""
    run, offered = summary["run"], summary["rates"]["offered_per_s"]
    scenario = SCENARIOS.get(run["scenario"])
    if scenario is None or not scenario.publishes or summary.get("stages") or not offered or offered < 2:
        return None
    span = f"rate:{max(1, int(offered / _SEARCH_WIDTH))}..{max(2, round(offered))}"
    return again(summary, {"wps-capacity": span, "run-time": _SEARCH_TIME_S, "wps-rate": None, "wps-total-rate": None})


def _to_be_surer(summary: Summary) -> list[NextStep]:
    doubts = {doubt["name"] for doubt in summary["doubts"]}
    if not _time_gives_samples(summary):
        doubts.discard("few_samples")
    steps = _longer(summary, doubts)
    if "drift" in doubts:
        steps.append(NextStep(again(summary, {"wps-warmup": "10s"}), "with a longer warm-up"))
    return steps


def _time_gives_samples(summary: Summary) -> bool:
    """Whether a named percentile has too few messages: for connects, a longer run has no more."""
    named = {(slo.subject, str(slo.aggregate).replace(".", "_")) for slo in slos_of(summary) if slo.kind == "time"}
    named |= {(headline(summary), "p50"), (headline(summary), "p99")}
    scenario = SCENARIOS.get(summary["run"]["scenario"])
    grows = scenario is not None and bool(scenario.lifetime)
    return any(
        percentile in thin_percentiles(metric_row(summary, metric))
        for metric, percentile in named
        if grows or not metric.startswith("connect")
    )


def _after_pass(summary: Summary, folder: str | None) -> list[NextStep]:
    if tables.on_emulator(summary):
        command = f"WebPubSubConnectionString='Endpoint=...' {_doctor(summary)}"
        return [NextStep(command, "then the same against a service")]
    if folder is None:
        return []
    return [NextStep(f"wps-load compare --last 5 {PurePath(folder).parent}", "compared with the runs before it")]
