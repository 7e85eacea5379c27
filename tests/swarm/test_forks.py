"""Where a master with --processes meets its forks, and how they end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from argparse import Namespace
from typing import Any

import pytest
import zmq

from wps_load.swarm.forks import meeting_place, reserved_port

LOCUSTS = {"master_bind_host": "*", "master_bind_port": 5557, "master_host": "127.0.0.1", "master_port": 5557}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ("127.0.0.1", 4242, "127.0.0.1", 4242)),
        ({"master_bind_port": 6000}, ("127.0.0.1", 6000, "127.0.0.1", 6000)),
        ({"master_port": 6000}, ("127.0.0.1", 6000, "127.0.0.1", 6000)),
        ({"master_bind_port": 6000, "master_port": 6001}, ("127.0.0.1", 6000, "127.0.0.1", 6001)),
        # other hosts are to join
        ({"master_bind_host": "*"}, ("*", 4242, "127.0.0.1", 4242)),
        ({"master_bind_host": "10.0.0.4"}, ("10.0.0.4", 4242, "10.0.0.4", 4242)),
        ({"master_bind_host": "10.0.0.4", "master_host": "localhost"}, ("10.0.0.4", 4242, "localhost", 4242)),
    ],
)
def test_where_they_meet(given: dict[str, Any], found: tuple[str, int, str, int]) -> None:
    place = meeting_place(Namespace(**{**LOCUSTS, **given}), given, lambda host: 4242)
    names = ("master_bind_host", "master_bind_port", "master_host", "master_port")
    assert tuple(place[name] for name in names) == found


def test_a_reserved_port_is_for_a_zeromq_socket_of_ours_only() -> None:
    port = reserved_port("127.0.0.1")
    assert reserved_port("127.0.0.1") == port
    with zmq.Context() as context, context.socket(zmq.ROUTER) as sock:
        sock.bind(f"tcp://127.0.0.1:{port}")


PARENT = """
import os, sys
from wps_load.swarm import forks

if sys.argv[1] == "poll":
    sys.platform = "other"
forks.end_forks_with_us()
if os.fork():
    sys.stdin.read()  # until it is killed
forks.forks_are_made()
print(os.getpid(), flush=True)
import time
time.sleep(60)
"""


@pytest.mark.parametrize("way", ["kernel", "poll"])
@pytest.mark.program
def test_a_fork_ends_when_its_parent_is_killed(way: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    fork = int(parent.stdout.readline())
    os.kill(fork, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert parent.stdout.read() == "", "the end of its output is the end of the fork, which holds it open"
