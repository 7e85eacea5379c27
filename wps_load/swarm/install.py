"""Installs wps-load in a Locust process: connects its lifecycle, signals, events and web page."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any, NoReturn

import gevent
from locust.env import Environment

from wps_load import output
from wps_load.auth import accept_short_keys
from wps_load.errors import ConfigError, ExitCode, worst
from wps_load.posix import raise_open_files
from wps_load.swarm import forks, locust_options, locust_seam
from wps_load.swarm.agent import Agent
from wps_load.swarm.buckets import bucket_response_time
from wps_load.swarm.guard import Trouble, guarded, trouble, watch_loop
from wps_load.swarm.lifecycle import Lifecycle
from wps_load.swarm.preflight import look_first
from wps_load.swarm.quiet import keep_quiet
from wps_load.swarm.web import extend

_LIFECYCLE = "wps_lifecycle"
"""The attribute of Locust's environment that holds the process's lifecycle."""


@cache
def install(events: Any) -> None:
    """Must be called before Locust parses its options; a second call for the same events does nothing."""
    output.make_tolerant()

    def on_init(environment: Environment, runner: Any, web_ui: Any, **_: Any) -> None:
        forks.forks_are_made()
        try:
            _compose(environment, runner, web_ui)
        except ConfigError as error:
            _leave(*(Trouble(str(fault), ExitCode.USAGE) for fault in error.faults))
        except Exception as error:  # Locust would end with 1 and a traceback
            _leave(trouble("the start", error))

    locust_seam.watch_bind(_cannot_listen)
    events.init_command_line_parser.add_listener(locust_options.add_arguments)
    events.init_command_line_parser.add_listener(forks.keep_together)
    events.init.add_listener(on_init)


def agent_of(environment: Environment) -> Agent | None:
    """The process's agent while a run is on, else None."""
    found = getattr(environment, _LIFECYCLE, None)
    assert isinstance(found, Lifecycle), "wps_load is not installed in this environment"
    return found.agent


def _compose(environment: Environment, runner: Any, web_ui: Any) -> None:
    """Raises ConfigError for wrong options: the process ends before anything connects."""
    lifecycle = Lifecycle(environment, runner)
    setattr(environment, _LIFECYCLE, lifecycle)
    lifecycle.take_signals()
    raise_open_files()
    accept_short_keys()
    locust_seam.bucket_by(bucket_response_time)
    for event, handler in lifecycle.handlers().items():
        getattr(environment.events, event).add_listener(guarded(handler, lifecycle.break_off))
    watch_loop(lifecycle.break_off)
    if lifecycle.conducts:
        locust_seam.let_users_stay(environment)
        if lifecycle.gate is not None:
            locust_seam.dismiss_strangers(runner)
        keep_quiet(environment)
        if web_ui is not None:
            extend(web_ui, lifecycle)
        if web_ui is not None and not lifecycle.parsed.get("autostart"):
            lifecycle.await_page()
        else:
            lifecycle.prepare()
            look_first(lifecycle)
    else:
        locust_seam.remember_defaults()
    locust_seam.be_patient()
    locust_seam.prepare_stop()
    lifecycle.prepared()
    # Locust starts the timer of -t next; update the loop's time, from which it counts
    gevent.get_hub().loop.update_now()


def _cannot_listen(host: str, port: int, reason: str) -> NoReturn:
    _leave(Trouble(
        f"--master-bind-host {host} --master-bind-port {port}: the master cannot listen there "
        f"({reason[:1].lower()}{reason[1:]}): an address of this machine and a free port are needed",
        ExitCode.USAGE,
    ))  # fmt: skip


def _leave(*troubles: Trouble) -> NoReturn:
    """Ends the process before anything connects."""
    for each in troubles:
        sys.stderr.write(f"wps-load: {each.sentence}\n")
    sys.exit(int(worst([each.code for each in troubles])))
