"""One process has the credential, and its forks get their tokens from it over a socket that no other process may use.

An abstract Unix socket leaves no file behind. Both sides check the other end (SO_PEERCRED): the server answers only its
own children of its own user, and the client asks only its parent. So a token is never in an option, a message of
Locust's, an environment or a file. One line of JSON each way, one request per connection. Linux only: elsewhere each
process uses the credential itself.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import gevent
import gevent.socket
import gevent.timeout
import orjson

from wps_load.client.entra_tokens import EntraToken
from wps_load.client.generate_token import Wanted
from wps_load.client.token_store import Made
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure

_CREDENTIALS: Final = struct.Struct("3i")
_MAX_BYTES: Final = 1 << 20
_BACKLOG: Final = 1024


class Served(NamedTuple):
    """What the process with the credential serves. `client(wanted)`: a token and the instant until which it is used.

    `entra()`: the identity's own token. `calls()`: how long calls took since the last request, in ns.
    """

    client: Callable[[Wanted], tuple[str, int]]
    entra: Callable[[], EntraToken]
    calls: Callable[[], list[int]]


class TokenServer:
    """`served()` is called for each request, so that a new run's settings apply."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self._sock = gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.bind(_address(os.getpid()))
        self._sock.listen(_BACKLOG)
        self._loop = gevent.spawn(self._accept)

    def close(self) -> None:
        self._loop.kill()
        self._sock.close()

    def _accept(self) -> None:
        while True:
            sock, _ = self._sock.accept()
            gevent.spawn(self._answer, sock)

    def _answer(self, sock: Any) -> None:
        with contextlib.closing(sock), contextlib.suppress(OSError):
            pid, uid = peer_of(sock)
            if uid != os.geteuid() or parent_of(pid) != os.getpid():
                return
            sock.sendall(orjson.dumps(self._reply(_read_line(sock))) + b"\n")

    def _reply(self, question: Any) -> dict[str, Any]:
        try:
            if question is None:
                token = self.served.entra()
                return {"token": token.text, "expires_s": token.expires_s, "refresh_s": token.refresh_s}
            hub, user_id, roles, groups, lifetime_s, client_type = question
            wanted = Wanted(hub, user_id, tuple(roles), tuple(groups), lifetime_s, client_type)
            text, until_ns = self.served.client(wanted)
            return {"token": text, "left_ns": until_ns - now_ns(), "calls": self.served.calls()}
        except ConnectFailure as failure:
            return {
                "label": failure.label, "message": failure.message, "advice": failure.advice,
                "permanent": failure.permanent, "retry_after_s": failure.retry_after_s,
            }  # fmt: skip


class TokenClient:
    """A fork's side. `parent`: the process with the credential."""

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def make(self, wanted: Wanted) -> Made:
        """A client token from the parent's store. Raises ConnectFailure."""
        found = self._ask(list(wanted))
        return Made(found["token"], tuple(found["calls"]), found["left_ns"] / NS_PER_S)

    def entra(self) -> EntraToken:
        """The identity's own token. Raises ConnectFailure."""
        found = self._ask(None)
        return EntraToken(found["token"], found["expires_s"], found["refresh_s"])

    def _ask(self, question: Any) -> Any:
        sock = gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(_address(self._parent))
            if peer_of(sock) != (self._parent, os.geteuid()):
                raise OSError("somebody else answers")
            sock.sendall(orjson.dumps(question) + b"\n")
            found = _read_line(sock)
        except (OSError, ValueError) as error:
            raise ConnectFailure(
                "token_master_lost", f"the process with the credential gives no token ({error})", "see its log"
            ) from None
        finally:
            sock.close()
        if "label" in found:
            raise ConnectFailure(
                found["label"], found["message"], found["advice"],
                permanent=found["permanent"], retry_after_s=found["retry_after_s"],
            )  # fmt: skip
        return found


def available() -> bool:
    """Whether this system reports the other end of a Unix socket, and has names for sockets outside of files."""
    return hasattr(socket, "SO_PEERCRED")


def _address(pid: int) -> str:
    return f"\0wps-load-tokens-{pid}"


def peer_of(sock: Any) -> tuple[int, int]:
    """The process and the user at the other end."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return pid, uid


def parent_of(pid: int) -> int | None:
    """The parent of a process; None: it has gone. Its name, in parentheses, may contain spaces."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _read_line(sock: Any) -> Any:
    data = b""
    while not data.endswith(b"\n"):
        chunk = sock.recv(65536)
        if not chunk or len(data) > _MAX_BYTES:
            raise OSError("it hung up")
        data += chunk
    return orjson.loads(data)
