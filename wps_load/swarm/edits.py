"""What may be changed during a run: the number of users and the spawn rate, if nothing else decides them.

Decisions only; `web.py` applies them to the page's Edit, `lifecycle.py` to keys, which Locust obeys by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wps_load.settings.options import OPTIONS

_NAMES = {option.dest: option.flag for option in OPTIONS} | {
    "run_time": "--run-time", "host": "Host", "user_classes": "User classes", "shape_class": "Load shape",
    "profile": "Profile",
}  # fmt: skip
CHANGEABLE = frozenset(("user_count", "spawn_rate"))


def fixed_users(*, searched: bool, stages: bool, shape: str | None) -> str | None:
    """Why nobody may change the number of users during this run; None: they may."""
    if searched:
        return "A search for capacity is running and sets the load itself (--wps-capacity): stop it and start again"
    if stages:
        return "The run's stages set its load (--wps-stages): stop it and start again"
    if shape is not None:
        return f"The locustfile's load shape, {shape}, sets the number of users: stop the run and start again"
    return None


def refused_edit(form: Mapping[str, str], present: Mapping[str, str], fixed: str | None) -> Iterator[str]:
    """A sentence for each reason to refuse the form that the page's Edit sent.

    `present`: the value of each field for this run. Text that is not a number is left to Locust, which has a sentence
    for it.
    """
    if fixed is not None:
        yield fixed
        return
    if form.get("user_count", "").strip() == "0":
        yield "Number of users: at least 1 while a run is on; Stop ends it"
    for name, text in form.items():
        if name not in CHANGEABLE and text.strip() != present.get(name, "").strip():
            what = _NAMES.get(name, name)
            yield f"{what} cannot be changed while a run is on, only the number of users and the spawn rate can: " \
                "stop it and start again"  # fmt: skip
