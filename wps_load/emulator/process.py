"""Starts and ends the embedded emulator as a child process. Standard library only: its caller may be gevent-patched."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import urllib.request
from types import TracebackType
from typing import IO, Any

_PREFIX = "Connection string: "


class EmulatorFailed(Exception):
    """The emulator did not start; the text is one sentence."""


class EmulatorProcess:
    """A running emulator. It ends with `stop`, and also when this process ends, however that happens.

    Its standard input is a pipe from wps-load: when that closes, it exits. It has a session of its own, so that a
    terminal's Ctrl-C does not reach it before the run has drained.
    """

    def __init__(self, process: subprocess.Popen[str], connection_string: str) -> None:
        self._process = process
        self._owner_pid = os.getpid()
        self.connection_string = connection_string

    @classmethod
    def start(
        cls,
        *,
        faults: str | None = None,
        units: int | str | None = None,
        event_handler: str | None = None,
        system_events: str | None = None,
        port: int = 0,
        timeout_s: float = 10,
    ) -> EmulatorProcess:
        """Starts one and waits until it accepts connections. Raises EmulatorFailed."""
        command = [sys.executable, "-m", "wps_load.emulator", "--exit-with-stdin", "--port", str(port)]
        options = {
            "--faults": faults,
            "--units": units,
            "--event-handler": event_handler,
            "--system-events": system_events,
        }
        for option, value in options.items():
            if value is not None:
                command += [option, str(value)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if sys.stderr is not None else subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        line = _read_line(process.stdout, timeout_s)
        if line is None:
            _end(process)
            raise EmulatorFailed(f"the emulator did not start within {timeout_s:g} s")
        if not line.startswith(_PREFIX):
            raise EmulatorFailed(
                f"the emulator ended at once with exit code {_end(process, terminate=False)}; see above"
            )
        return cls(process, line.removeprefix(_PREFIX).strip())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def endpoint(self) -> str:
        return self.connection_string.split(";", 1)[0].removeprefix("Endpoint=")

    def stats(self) -> dict[str, Any]:
        """What it did so far: `GET /emulator/stats`, never through a proxy."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.endpoint}/emulator/stats", timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """Ends it and returns its exit code.

        A second call does nothing more; nor does one in a fork of the process that started it.
        """
        return _end(self._process) if os.getpid() == self._owner_pid else 0

    def __enter__(self) -> EmulatorProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _read_line(stream: IO[str], timeout_s: float) -> str | None:
    """A line; empty at the end of the stream; None if the time is up. A helper thread could be a greenlet here."""
    readable, _, _ = select.select([stream], [], [], timeout_s)
    return stream.readline() if readable else None


def _end(process: subprocess.Popen[str], *, terminate: bool = True) -> int:
    """Waits for a process to end. `terminate` for a running one: forks of this process may hold its lifeline open.

    The signal goes first: after the end of its lifeline an exiting process no longer catches it.
    """
    if terminate:
        process.terminate()
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()
    try:
        code = process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return code
