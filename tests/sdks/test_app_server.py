"""The whole program by way of `wps-load upstream`: Client URLs from its negotiate endpoint, echoes from its handler."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.integration.program import run
from tests.ports import free_port
from tests.sdks.node_scripts import running
from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import ExitCode


def test_negotiated_users_hear_the_app_servers_echo(tmp_path: Path) -> None:
    port = free_port()
    service = f"Endpoint=http://127.0.0.1:{port};AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;"
    upstream = (sys.executable, "-m", "wps_load.cli", "upstream", "--port", "0", "--connection-string", service)
    with running(*upstream) as app_server:
        negotiate = app_server.hear_line().removeprefix("Negotiate: ")
        handler = app_server.hear_line().removeprefix("Event handler: ")
        with EmulatorProcess.start(port=port, event_handler=handler) as emulator:
            load = ("-u", "4", "-r", "4", "-t", "2s", "--wps-rate", "20", "--wps-slo", "loss = 0")
            way = ("--wps-scenario", "upstream", "--wps-negotiate-url", f"{negotiate}?hub=h")
            done = run(tmp_path / "reports", *load, *way)
            stats = emulator.stats()

    assert done.code in (ExitCode.PASSED, ExitCode.INVALID), done.output  # invalid: this machine was busy
    messages = done.summary["messages"]
    assert messages["published"] == messages["delivered"] == stats["upstream_calls"] > 0
    assert messages["lost"] == messages["duplicated"] == 0
    assert done.summary["connections"]["opened"] == 4
