"""The options in the order in which people need them: for `wps-load options`, docs/options.md and the web form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wps_load.settings.options import BY_FLAG, OPTIONS, Option


@dataclass(frozen=True, slots=True)
class Group:
    """Options that belong together. `names`: their flags without `--wps-`."""

    title: str
    about: str
    names: str

    @property
    def options(self) -> list[Option]:
        return [BY_FLAG[flag] for name in self.names.split() if (flag := f"--wps-{name}") in BY_FLAG]


GROUPS = (
    Group(
        "Target",
        "what is tested; none given: the embedded emulator",
        "target connection-string client-url negotiate-url endpoint credential client-tokens token-rate "
        "role-wait authority token-scope azure-resource hub",
    ),
    Group(
        "Load",
        "what the users do, and how much; -u, -r and -t are Locust's own",
        "scenario mix protocol rate total-rate arrival payload payload-file data-type qos ack no-echo publishers "
        "groups group-size lifetime stream-length streams cut slow",
    ),
    Group("Demands", "what decides between passed and failed", "slo slo-abort"),
    Group("Search and steps", "loads that change during the run", "capacity stages units tier"),
    Group("Phases", "how the time of a run is divided", "settle warmup drain"),
    Group(
        "Connections",
        "how a client gets in, and how long it waits",
        "auth roles token-lifetime connect-timeout keepalive-interval keepalive-timeout answer-timeout connect-host "
        "bind ca-file insecure",
    ),
    Group(
        "Output",
        "what a run leaves behind",
        "report-dir table prometheus-port prometheus-host prometheus-linger prometheus-push otel-spans",
    ),
)
FIRST = ("--wps-target", "--wps-scenario", "--wps-mix", "--wps-protocol", "--wps-rate", "--wps-slo")
"""The options in which most runs differ: the form shows these first, and groups below them."""
_REST = Group("Others", "chance, faults, the web page", "")


def grouped() -> Iterator[tuple[Group, list[Option]]]:
    """Every option once; an option that no group names goes into the last one."""
    named = {option.flag for group in GROUPS for option in group.options}
    for group in GROUPS:
        yield group, group.options
    yield _REST, [option for option in OPTIONS if option.flag not in named]


def on_form() -> tuple[list[Option], list[tuple[Group, list[Option]]]]:
    """The options that the form shows at once, and those that it folds away by groups."""
    first = [BY_FLAG[flag] for flag in FIRST if flag in BY_FLAG]
    groups = [(group, [option for option in options if option not in first]) for group, options in grouped()]
    return first, groups
