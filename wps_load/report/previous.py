"""The comparison of a run with the last good one with the same settings: `previous` of its summary."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from wps_load.errors import WpsLoadError
from wps_load.report import tables
from wps_load.report.compare import Comparison, compare
from wps_load.report.document import Previous, Standing, Summary
from wps_load.report.entry import Entry
from wps_load.report.figures import Difference
from wps_load.report.history import read_history
from wps_load.report.run_folder import PastRun, load_log, load_run, load_summary
from wps_load.report.tables import millis, number


def find_previous(runs: tuple[Entry, ...], summary: Summary, folder: str) -> Entry | None:
    """The last good run before this one with its settings; `runs`: newest first."""
    run = summary["run"]
    started = datetime.fromisoformat(run["started_at"])
    return next(
        (
            each
            for each in runs
            if each.is_good
            and each.settings_hash == run["settings_hash"]
            and each.folder != folder
            and (each.started, each.folder) < (started, folder)
        ),
        None,
    )


LARGEST_LOG_BYTES = 1 << 20
"""The largest log that is read: a run's end must not take longer. Timelines of longer runs are compared instead."""


def previous_of(folder: Path, summary: Summary) -> Previous | None:
    """The comparison of the run in `folder`, whose log exists; None: it is the first with its settings."""
    try:
        base = find_previous(read_history(folder.parent).runs, summary, folder.name)
    except OSError:
        return None
    if base is None:
        return None
    return standing(base, summary, lambda: _both(folder.parent / base.folder, folder, summary))


def _both(base: Path, new: Path, summary: Summary) -> tuple[PastRun, PastRun]:
    """Both with their logs, or both without them. Raises BrokenRun, OSError."""
    logs = [folder / "histograms.hlog" for folder in (base, new)]
    if all(path.exists() and path.stat().st_size <= LARGEST_LOG_BYTES for path in logs):
        return load_run(base), PastRun(new.name, summary, load_log(logs[1]))
    return PastRun(base.name, load_summary(base / "summary.json")), PastRun(new.name, summary)


def standing(base: Entry, summary: Summary, load: Callable[[], tuple[PastRun, PastRun]]) -> Previous:
    """The comparison. `load()` reads the earlier run and this one, which may raise."""
    found: Previous = {
        "folder": base.folder,
        "id": base.id,
        "started_at": base.started_at,
        "verdict": None,
        "sentence": "",
    }
    where = f"the previous good run, {base.folder}" + _elsewhere(base, summary)
    if summary["verdict"] == "invalid":
        found["sentence"] = f"Not compared with {where}: the figures of this run cannot be trusted."
    elif summary["capacity"] is not None:
        found["sentence"] = _searches(base, summary, where)
    else:
        try:
            earlier, this = load()
            comparison = compare([earlier], [this])
        except WpsLoadError as error:
            found["sentence"] = f"Not compared with {where}: {str(error).rstrip('.')}."
        except Exception as error:  # a failed comparison must not cost a run its report
            found["sentence"] = f"Not compared with {where}: {type(error).__name__}."
        else:
            found["verdict"] = verdict(comparison)
            found["sentence"] = f"{_head(comparison)} {where}: {_figures(comparison)}."
    return found


def _elsewhere(base: Entry, summary: Summary) -> str:
    """Whether another target of the same kind was tested, and which."""
    same = base.target == summary["run"]["target"] or (base.on_emulator and tables.on_emulator(summary))
    return "" if same else f" (of {base.target})"


def verdict(comparison: Comparison) -> Standing:
    """The comparison in a word: `same` only if a slowdown would have been seen."""
    if comparison.regressed:
        return "worse"
    if not comparison.would_have_seen:
        return "unclear"
    return "better" if any(each.verdict == "better" for each in comparison.differences) else "same"


_HEADS = {
    "worse": "Worse than",
    "better": "Better than",
    "same": "No worse than",
    "unclear": "Too short or too noisy to compare with",
}


def _head(comparison: Comparison) -> str:
    return _HEADS[verdict(comparison)]


def _figures(comparison: Comparison) -> str:
    """The figures that changed, the worst first; else the smallest slowdown that would have been seen, or a latency."""
    told = [each for each in comparison.differences if each.verdict == "worse"]
    told += [each for each in comparison.differences if each.verdict == "better"]
    if told:
        return ", ".join(_change(each) for each in told[:3]) + (" and more" if len(told) > 3 else "")
    if seen := comparison.would_have_seen:
        return ", ".join(f"{_change(each)}, seen from {each.detectable or 0:+.0%}" for each in seen[-1:])
    main = [each for each in comparison.differences if each.name.split()[0] == comparison.main_metric]
    return ", ".join(map(_change, main[-1:])) or "no figure could be compared"


def _change(each: Difference) -> str:
    if each.base is None or each.new is None:
        return f"{each.name} is not known for both"
    if each.unit == "share":
        return f"{each.name} {each.base:.3%} → {each.new:.3%}"
    if each.unit == "ms":
        figures = f"{each.name} {millis(each.base)} → {millis(each.new)} ms"
    else:
        figures = f"{each.name} {number(each.base)} → {number(each.new)} {each.unit}"
    change = each.new / each.base - 1 if each.change is None and each.base else each.change
    return figures if change is None else f"{figures} ({change:+.1%})"


def _searches(base: Entry, summary: Summary, where: str) -> str:
    found = summary["capacity"]
    assert found is not None, "only of searches"
    if found["value"] is None:
        return f"Nothing held; {where}, held {number(base.held)}."
    change = "" if not base.held else f" ({found['value'] / base.held - 1:+.0%})"
    return f"Held {number(found['value'])}; {where}, held {number(base.held)}{change}."
