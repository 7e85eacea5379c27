"""What the process's exit code will be, and everything that makes it not zero, in sentences."""

from __future__ import annotations

from wps_load.errors import ExitCode, worst
from wps_load.report.document import Exit, Reason, Summary
from wps_load.report.model import Outside


def exit_block(summary: Summary, outside: Outside) -> Exit:
    """`{"code", "reasons": [{"code", "message", "judged"}]}`: the worst reason first. No reason: 0.

    `judged`: verdict and SLOs say it already.

    `summary`: with `verdict`, `doubts`, `slo` and `capacity`.
    """
    found: dict[ExitCode, str] = {}
    if outside.misused is not None:
        found[ExitCode.USAGE] = outside.misused
    if summary["verdict"] == "invalid":
        names = ", ".join(doubt["name"].replace("_", " ") for doubt in summary["doubts"] if doubt["level"] == "error")
        found[ExitCode.INVALID] = f"the run is invalid: {names}"
    unmet = [slo["expression"] for slo in summary["slo"] if slo["verdict"] != "pass"]
    if summary["verdict"] == "fail" or unmet:
        found[ExitCode.SLO_FAILED] = f"not met: {', '.join(unmet)}" if unmet else "no step of the search held"
    if outside.stopped_by is not None:
        found[ExitCode.STOPPED] = f"stopped before its time by {outside.stopped_by}"
    # the failing steps of a search provoke failures: that is how it finds the limit
    if (outside.failed or outside.exceptions) and outside.exit_code_on_error and summary["capacity"] is None:
        found[ExitCode.REQUEST_FAILURES] = _failures(outside)
    reasons: list[Reason] = []
    for _ in list(found):
        code = worst(list(found))
        number = outside.exit_code_on_error if code is ExitCode.REQUEST_FAILURES else int(code)
        judged = code in (ExitCode.INVALID, ExitCode.SLO_FAILED)
        reasons.append({"code": number, "message": found.pop(code), "judged": judged})
    return {"code": reasons[0]["code"] if reasons else 0, "reasons": reasons}


_SHOWN = 5


def _failures(outside: Outside) -> str:
    """Locust's own rule. It counts the requests of every class, an HttpUser's too."""
    parts = []
    if outside.failed:
        shown = ", ".join(outside.failures[:_SHOWN]) + (", ..." if len(outside.failures) > _SHOWN else "")
        parts.append(f"{outside.failed:,} failed request{'s' if outside.failed > 1 else ''} ({shown})")
    if outside.exceptions:
        parts.append(f"{outside.exceptions:,} exception{'s' if outside.exceptions > 1 else ''} in tasks")
    return f"{' and '.join(parts)} in Locust's table; --exit-code-on-error 0 leaves them out"
