"""Programs for tests, forked from a process that has imported what they import.

To start `python -m locust` costs more than a second of CPU, nearly all of it for importing Locust, gevent, Flask and
numpy. A test that is about what the program does, not about how it starts, has it forked: the *zygote*, one for each
process of pytest, imports all that once, and waits. It has no thread, no event loop and nothing random that a child
could share with another; for each request it forks a child, which takes over the given arguments, environment, folder
and standard streams, in a session of its own, and runs the module as `python -m` does. What they share stays shared: a
child's collector does not walk it, and no child takes it apart as it exits, which would cost each 0.2 s of CPU.

What the interpreter reads before it runs anything (PYTHON* variables, the locale) is the zygote's, and `/proc` has its
command line: whoever tests these starts the program itself. `tests/test_zygote.py` compares both ways.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from os import fork, waitpid  # before gevent replaces them: the zygote blocks, and has no event loop
from pathlib import Path
from select import select
from socket import AF_UNIX, SOCK_SEQPACKET, recv_fds, send_fds, socket, socketpair
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[1]
PRELOADED = (
    "locust.main",
    "wps_load.swarm.users",
    "wps_load.swarm.app_server_user",
    "wps_load.swarm.webpubsub_user",
    "gevent.fileobject",
    "gevent.threadpool",
    "numpy.ma",
)
"""What most programs of the tests import before they have read their options, or soon after."""
READ_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "LOCUST_SKIP_")
"""Variables that begin so are read before, or while, modules are imported."""
_MOST = 1 << 17


class ForkedProgram:
    """A program that the zygote has forked; of `subprocess.Popen`, what the tests need."""

    def __init__(self, pid: int, line: socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; that of a signal is negative. Raises subprocess.TimeoutExpired."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"forked program {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select([self._line], [], [], timeout)[0]:
            self.returncode = int(self._line.recv(_MOST) or b"-1")
            self._line.close()
        return self.returncode


class Zygote:
    """Of this process, which it ends with."""

    def __init__(self) -> None:
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.zygote", str(theirs.fileno())],
                stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=ROOT, start_new_session=True,
            )  # fmt: skip
        self._control = ours
        atexit.register(self.end)

    def start(
        self, module: str, *options: str, output: IO[str], environment: Mapping[str, str], cwd: Path = ROOT
    ) -> ForkedProgram:
        """`python -m MODULE OPTIONS`, with nothing to read; both streams go to the file."""
        request = {"argv": [module, *options], "environment": dict(environment), "cwd": str(cwd)}
        strange = [name for name, _ in {*environment.items()} ^ {*os.environ.items()} if name.startswith(READ_AT_START)]
        assert not strange, f"{strange}: such a program must be started, not forked"
        sys.audit("tests.zygote.start")
        line, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        with theirs:
            send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno(), output.fileno()])
        return ForkedProgram(int(line.recv(_MOST)), line)

    def end(self) -> None:
        self._control.close()
        self._process.wait()


@cache
def zygote() -> Zygote:
    """The one of this process, made by the first test that needs it."""
    return Zygote()


# -- the zygote itself ---------------------------------------------------------------------------------------


class Request(NamedTuple):
    argv: list[str]
    environment: dict[str, str]
    cwd: str


def await_request(control: socket) -> Request | None:
    """Returns in a forked child, with what it is to be; None in the zygote, when nobody can ask it any more.

    Meanwhile the zygote tells by a child's line, a socket of its own, with which code it has ended.
    """
    lines: dict[int, tuple[int, socket]] = {}
    while True:
        ended = select([control.fileno(), *lines], [], [])[0]
        for pidfd in {*ended} & {*lines}:
            pid, line = lines.pop(pidfd)
            os.close(pidfd)
            with line:
                line.send(str(os.waitstatus_to_exitcode(waitpid(pid, 0)[1])).encode())
        if control.fileno() not in ended:
            continue
        text, streams, _, _ = recv_fds(control, _MOST, 2)
        if not text:
            return None
        pid = fork()
        line, output = socket(fileno=streams[0]), streams[1]
        if pid == 0:
            os.setsid()
            os.dup2(output, 1)
            os.dup2(output, 2)
            line.send(str(os.getpid()).encode())
            for other in (control, line, *(line for _, line in lines.values())):
                other.close()
            for pidfd in (output, *lines):
                os.close(pidfd)
            return Request(**json.loads(text))
        os.close(output)
        lines[os.pidfd_open(pid)] = pid, line


def main() -> None:
    ended: list[int] = []
    atexit.register(lambda: leave(*ended))  # registered first, so called last
    import gevent

    for module in PRELOADED:
        importlib.import_module(module)
    gevent.get_hub().destroy(destroy_loop=True)  # urllib3 makes one as it is imported
    gc.collect()
    gc.freeze()  # children share its pages as long as nobody writes to them
    request = await_request(socket(fileno=int(sys.argv[1])))
    if request is None:
        return
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.path[0] = request.cwd
    sys.argv = request.argv
    try:
        runpy.run_module(request.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int):
            ended.append(end.code)
        raise


def leave(*codes: int) -> None:
    """Ends a fork that has exited, with its code. To take its modules apart would copy every page that it shares."""
    for code in codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
