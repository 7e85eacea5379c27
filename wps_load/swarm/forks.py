"""`--processes N`: Locust forks workers of its own, which must work only for their own master.

Locust's master listens on all interfaces, on the same port in every run, and a worker whose master was killed looks for
another one: of two runs on one host, each gets workers of the other. So these masters bind to loopback and to a free
port, unless the user says otherwise, and forks end with the process that made them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from gevent import monkey

from wps_load.settings.sources import levels
from wps_load.swarm.locust_seam import settings_of

LOOPBACK = "127.0.0.1"
_FLAGS = {
    "--master-bind-host": "master_bind_host",
    "--master-bind-port": "master_bind_port",
    "--master-host": "master_host",
    "--master-port": "master_port",
}
_EVERYWHERE = ("*", "", "0.0.0.0", "::")
_PR_SET_PDEATHSIG = 1
_POLL_S = 1.0


def keep_together(parser: Any) -> None:
    """Makes Locust's parser choose a meeting place of master and forks as soon as it has read the options."""
    parse = parser.parse_args

    def parse_args(*args: Any, **kwargs: Any) -> Any:
        found = parse(*args, **kwargs)
        if getattr(found, "processes", None) and not _forking.done:  # Locust makes more parsers later, for its page
            if not found.worker:
                given = levels(settings_of(parser), sys.argv[1:], _FLAGS)
                vars(found).update(meeting_place(found, given, reserved_port))
            end_forks_with_us()
        return found

    parser.parse_args = parse_args


def meeting_place(
    options: Any, given: Collection[str], free_port: Callable[[str], int] = lambda host: 0
) -> dict[str, str | int]:
    """Where the master binds and its forks connect. `given`: which of these options the user has set, by dest.

    Options that are set remain, and the others follow them.
    """
    place: dict[str, str | int] = {name: getattr(options, name) for name in _FLAGS.values()}
    if "master_bind_host" not in given:
        place["master_bind_host"] = LOOPBACK
    elif "master_host" not in given and place["master_bind_host"] not in _EVERYWHERE:
        place["master_host"] = place["master_bind_host"]
    if "master_bind_port" in given:
        port = place["master_bind_port"]
    elif "master_port" in given:
        port = place["master_port"]
    else:
        port = free_port(str(place["master_bind_host"]))
    for name in ("master_bind_port", "master_port"):
        if name not in given:
            place[name] = port
    return place


def reserved_port(host: str) -> int:
    """A free port that no other process gets while this one, or a fork of it, lives.

    The socket is bound but does not listen, so that one with SO_REUSEADDR, as ZeroMQ's are, may still bind to it.
    """
    if not _reserved:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        reservation = socket.socket(family, socket.SOCK_STREAM)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            reservation.bind(("" if host in _EVERYWHERE else host, 0))
        except OSError:  # not an address of this host: binding to it will fail with a message
            reservation.bind(("", 0))
        _reserved.append(reservation)
    port: int = _reserved[0].getsockname()[1]
    return port


_reserved: list[socket.socket] = []


# -- forks that end with their parent ------------------------------------------------------------------------


@dataclass
class _Forking:
    """`parent`: the process whose forks end with it. `born_of`: the process that this one is a fork of."""

    parent: int | None = None
    registered: bool = False
    done: bool = False
    born_of: int | None = None


_forking = _Forking()


def end_forks_with_us() -> None:
    """Forks made from now on end with this process, until `forks_are_made`."""
    _forking.parent = os.getpid()
    if not _forking.registered:
        _forking.registered = True
        os.register_at_fork(after_in_child=_in_fork)


def forks_are_made() -> None:
    """Forks made from now on are not ours."""
    _forking.parent, _forking.done = None, True


def _in_fork() -> None:
    if _forking.parent is not None:
        _forking.born_of = _forking.parent
        end_with(_forking.parent)


def master() -> int | None:
    """The process that forked this one for `--processes`; None if this is not such a fork."""
    return _forking.born_of


def end_with(parent: int) -> None:
    """Kills this process when its parent ends, or at once if that has ended. On Linux the kernel does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    else:
        start: Callable[..., Any] = monkey.get_original("_thread", "start_new_thread")
        start(_watch, (parent, monkey.get_original("time", "sleep")))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int, sleep: Callable[[float], None]) -> None:
    while os.getppid() == parent:
        sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)
