"""The process's exit code, and every reason why it is not zero, in sentences."""

from __future__ import annotations

from wps_load.errors import ExitCode, severity
from wps_load.plurals import counted
from wps_load.report.document import Cause, Exit, Reason, Summary
from wps_load.report.model import Outside


def exit_block(summary: Summary, outside: Outside) -> Exit:
    """`{"code", "reasons": [{"code", "cause", "message", "judged"}]}`: the worst reason first. No reason: 0.

    `judged`: verdict and SLOs say it already.

    `summary`: with `verdict`, `doubts`, `slo` and `capacity`.
    """
    found: list[tuple[ExitCode, Cause, str]] = []
    if outside.misused is not None:
        found.append((ExitCode.USAGE, "settings", outside.misused))
    if summary["verdict"] == "invalid":
        names = ", ".join(doubt["name"].replace("_", " ") for doubt in summary["doubts"] if doubt["level"] == "error")
        found.append((ExitCode.INVALID, "doubts", f"the run is invalid: {names}"))
    if outside.unwritten is not None:
        found.append((ExitCode.INVALID, "unwritten", outside.unwritten))
    unmet = [slo["expression"] for slo in summary["slo"] if slo["verdict"] != "pass"]
    if summary["verdict"] == "fail" or unmet:
        message = f"not met: {', '.join(unmet)}" if unmet else "no step of the search held"
        found.append((ExitCode.SLO_FAILED, "slo", message))
    if outside.stopped_by is not None:
        found.append((ExitCode.STOPPED, "stopped", f"stopped before its end by {outside.stopped_by}"))
    # the failing steps of a search provoke failures: that is how it finds the limit
    if (outside.failed or outside.exceptions) and outside.exit_code_on_error and summary["capacity"] is None:
        found.append((ExitCode.REQUEST_FAILURES, "requests", _failures(outside)))
    found.sort(key=lambda each: severity(each[0]))
    reasons = [_reason(*each, outside) for each in found]
    if outside.set_code is None:
        return {"code": reasons[0]["code"] if reasons else 0, "reasons": reasons}
    if outside.set_code:
        own: Reason = {
            "code": outside.set_code,
            "cause": "locustfile",
            "message": "set by the locustfile",
            "judged": False,
        }
        reasons.insert(0, own)
    return {"code": outside.set_code, "reasons": reasons}


def _reason(code: ExitCode, cause: Cause, message: str, outside: Outside) -> Reason:
    number = outside.exit_code_on_error if code is ExitCode.REQUEST_FAILURES else int(code)
    return {"code": number, "cause": cause, "message": message, "judged": cause in ("doubts", "slo")}


_SHOWN = 5


def _failures(outside: Outside) -> str:
    """Locust's own rule. It counts the requests of every class, including an HttpUser's."""
    parts = []
    if outside.failed:
        shown = ", ".join(outside.failures[:_SHOWN]) + (", ..." if len(outside.failures) > _SHOWN else "")
        parts.append(f"{counted(outside.failed, 'failed request')} ({shown})")
    if outside.exceptions:
        parts.append(f"{counted(outside.exceptions, 'exception')} in tasks")
    return f"{' and '.join(parts)} in Locust's table; --exit-code-on-error 0 leaves them out"
