"""A program that the zygote forks does what one does that is started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.integration.program import LIMIT_S, clean_environment, command, until
from tests.zygote import ForkedProgram, zygote

pytestmark = pytest.mark.program

TELLING = '''
"""Says what a program can see of how it came to be."""
import atexit, os, random, resource, signal, sys, threading
from wps_load import ScenarioUser

class Load(ScenarioUser):
    abstract = False

loop = ("anon_inode:[eventpoll]", "anon_inode:[eventfd]")  # of gevent, by who uses it first
links = [f"/proc/self/fd/{number}" for number in range(100)]
files = [link for link in links if os.path.exists(link) and os.readlink(link) not in loop]
handlers = [signal.getsignal(number) for number in (1, 2, 13, 15, 17)]
streams = (sys.stdin, sys.stdout, sys.stderr)
print("arguments", sys.argv, sys.modules["__main__"].__spec__.name, sys.path, os.getcwd())
print("environment", sorted(os.environ.items()))
print("signals", [getattr(each, "__name__", each) for each in handlers], signal.pthread_sigmask(0, []))
print("session", os.getsid(0) == os.getpgrp() == os.getpid(), threading.enumerate() == [threading.main_thread()])
print("files", files, resource.getrlimit(resource.RLIMIT_NOFILE), os.umask(0o22))
print("streams", [(each.line_buffering, each.encoding, each.errors, each.isatty()) for each in streams])
print("on the error stream", file=sys.stderr)
atexit.register(print, "its last words, not flushed", end="")
'''
SLEEPING = """
import os, time
os.write(1, b"sleeps")
time.sleep(60)
"""
WRONG = """
print("no end of line, not flushed", end="")
raise RuntimeError("a locustfile that cannot be loaded")
"""
CHANCE = """
import random, uuid, numpy
print(random.random(), uuid.uuid4(), numpy.random.random())
raise SystemExit(3)
"""


def fork(folder: Path, output: Path, *options: str) -> ForkedProgram:
    with output.open("w") as file:
        return zygote().start("locust", *options, output=file, environment=surroundings(folder), cwd=folder)


def begin(folder: Path, output: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command(locustfile=Path("own.py"))[:3], *options], start_new_session=True, cwd=folder,
        stdin=subprocess.DEVNULL, stdout=output.open("w"), stderr=subprocess.STDOUT, env=surroundings(folder),
    )  # fmt: skip


def surroundings(folder: Path) -> dict[str, str]:
    return {**clean_environment(), "LOCUST_WPS_RATE": "3", "HOME": str(folder)}


OF_THE_WAY = re.compile(
    r'  File "(?:<frozen runpy>|<string>|.*/tests/zygote.py)", line .*\n(?:    .*\n)?|^\[20.*?\] ', re.M
)
"""The uppermost frames of a traceback; the time of a line of the log."""


@pytest.mark.parametrize(
    ("locustfile", "options", "code", "says"),
    [
        (TELLING, ("--list",), 0, "Load"),
        (TELLING, ("--headless", "--wps-rate", "fast"), 2, "--wps-rate 'fast'"),
        (WRONG, ("--list",), 1, "RuntimeError: a locustfile that cannot be loaded"),
        (SLEEPING, ("--list",), -signal.SIGTERM, "sleeps"),
    ],
    ids=["all that it sees", "a wrong option", "a traceback", "a signal"],
)
def test_both_ways_say_and_return_the_same(
    tmp_path: Path, locustfile: str, options: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "own.py").write_text(locustfile)
    found = []
    for way in (fork, begin):
        output = tmp_path / f"{way.__name__}.txt"
        program = way(tmp_path, output, "-f", "own.py", *options)
        if code < 0:
            until(lambda output=output: says in output.read_text(), says)  # type: ignore[misc]
            program.send_signal(signal.Signals(-code))
        found.append((program.wait(LIMIT_S), OF_THE_WAY.sub("", output.read_text())))
    forked, started = found
    assert forked == started
    assert forked[0] == code
    assert says in forked[1]


def test_what_is_random_is_another_one_in_each(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(CHANCE)
    for number in (1, 2):
        assert fork(tmp_path, tmp_path / f"{number}.txt", "-f", "own.py").wait(LIMIT_S) == 3
    first, second = ((tmp_path / f"{number}.txt").read_text().split() for number in (1, 2))
    assert len({*first, *second}) == 6


def test_a_killed_program_is_told_of_while_another_one_runs(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(SLEEPING)
    first, second = (fork(tmp_path, tmp_path / f"{number}.txt", "-f", "own.py") for number in (1, 2))
    assert os.getsid(second.pid) == second.pid
    first.kill()
    assert first.wait(LIMIT_S) == -signal.SIGKILL
    assert second.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(0.001)
    second.kill()
    assert second.wait(LIMIT_S) == second.poll() == -signal.SIGKILL
    assert not psutil.pid_exists(second.pid), "nobody is left to be waited for"


def test_what_the_interpreter_reads_at_its_start_is_not_for_forks(tmp_path: Path) -> None:
    with (tmp_path / "own.txt").open("w") as output, pytest.raises(AssertionError, match="must be started"):
        zygote().start("locust", output=output, environment={**clean_environment(), "PYTHONUTF8": "0"})
