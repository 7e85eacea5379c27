"""Node's side of the tests: installs the packages of the lock file once, runs scripts that report JSON lines."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
INSTALL_LIMIT_S = 100
CHECKS_LIMIT_S = 60
NODE_AT_LEAST = 20
"""What the packages ask for."""


def require_packages() -> None:
    """The packages of package-lock.json in node_modules, or a skipped test that says why not."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node or npm is missing")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.match(r"v(\d+)", version)[1]) < NODE_AT_LEAST:  # type: ignore[index]
        pytest.skip(f"Node {version.strip()} is older than {NODE_AT_LEAST}")
    with (FOLDER / ".gitignore").open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # test processes that run side by side install once
        _install()


def _install() -> None:
    lock = (FOLDER / "package-lock.json").read_bytes()
    stamp = FOLDER / "node_modules" / ".installed-from"
    if stamp.exists() and stamp.read_bytes() == lock:
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm could not install the packages within {INSTALL_LIMIT_S} s")
    if done.returncode:
        pytest.skip(f"npm could not install the packages: {done.stderr.strip()[:300]}")
    stamp.write_bytes(lock)


class Script:
    """A running script. It ends when its standard input does."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._buffer = b""

    def order(self, **message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self, limit_s: float = CHECKS_LIMIT_S) -> Any:
        """The next line that it writes, which is JSON."""
        return json.loads(self.hear_line(limit_s))

    def hear_line(self, limit_s: float = CHECKS_LIMIT_S) -> str:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._buffer:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, f"nothing from the script for {limit_s:g} s"
            data = os.read(descriptor, 65536)
            assert data, "the script has ended"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def checks(self) -> dict[str, str | None]:
        """All checks to the last: None, or what went wrong."""
        results: dict[str, str | None] = {}
        while "over" not in (heard := self.hear()):
            results[heard["check"]] = heard["failure"]
        return results


@contextmanager
def running(*command: str, **variables: str) -> Iterator[Script]:
    """`command` in this folder, killed with the block. `variables`: added to its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    process = subprocess.Popen(
        command, cwd=FOLDER, env=environment | variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    try:
        yield Script(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def assert_passed(results: dict[str, str | None], expected: set[str]) -> None:
    """All of the checks ran, and none failed; else what each says, unabridged."""
    failed = [f"{name}: {failure}" for name, failure in results.items() if failure is not None]
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)
    assert results.keys() == expected
