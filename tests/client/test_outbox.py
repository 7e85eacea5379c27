"""The sending half of a connection, on a kernel that takes what the test says: what is kept, refused, dropped, last."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator

import gevent
import pytest

from tests.client.engine_runs import until
from wps_load.client.outbox import Outbox

BOUND = 100
ALL = 1 << 20
Takes = int | OSError


class Kernel:
    """`takes`: for each write, how many bytes it takes, or what it raises; when they are used up, everything."""

    def __init__(self) -> None:
        self.takes: list[Takes] = []
        self.written = b""
        self.errors = 0
        self.drained = 0

    def write(self, data: bytes | memoryview) -> int:
        found = self.takes.pop(0) if self.takes else ALL
        if isinstance(found, OSError):
            raise found
        taken = bytes(data[:found])
        self.written += taken
        return len(taken)

    def broke(self) -> None:
        self.errors += 1

    def emptied(self) -> None:
        self.drained += 1


Made = Callable[..., tuple[Outbox, Kernel]]


@pytest.fixture
def make() -> Iterator[Made]:
    """An outbox whose socket is always writable: what does not leave, the kernel of the test has not taken."""
    ours, theirs = socket.socketpair()
    made: list[Outbox] = []

    def outbox(*takes: Takes) -> tuple[Outbox, Kernel]:
        kernel = Kernel()
        kernel.takes += takes
        loop = gevent.get_hub().loop
        made.append(Outbox(loop, ours.fileno(), kernel.write, kernel.broke, kernel.emptied, BOUND))
        return made[-1], kernel

    with ours, theirs:
        yield outbox
        for each in made:
            each.stop()


def test_what_the_kernel_takes_is_gone(make: Made) -> None:
    outbox, kernel = make()
    assert outbox.send(b"one")
    outbox.send_control(b"ping")
    assert (kernel.written, outbox.bytes_sent) == (b"oneping", 7)
    assert (outbox.writable, outbox.unsent_frames, outbox.stalls, outbox.stalled_ns) == (True, 0, 0, 0)


@pytest.mark.parametrize("first", [2, 0, BlockingIOError(), ssl.SSLWantWriteError()])
def test_the_rest_of_a_frame_and_what_comes_behind_it_leave_in_order(make: Made, first: Takes) -> None:
    outbox, kernel = make(first, 1, BlockingIOError(), 2)
    assert outbox.send(b"abcd")
    assert (outbox.writable, outbox.stalls, outbox.unsent_frames) == (False, 1, 1)
    assert outbox.send(b"efgh"), "it is kept"
    outbox.send_control(b"ping")
    assert outbox.unsent_frames == 2, "a control frame is no message"
    until(lambda: kernel.drained, "everything left")
    assert kernel.written == b"abcdefghping"
    assert (outbox.writable, outbox.unsent_frames, outbox.kept_bytes, outbox.bytes_sent) == (True, 0, 0, 12)
    assert outbox.stalled_ns > 0
    assert outbox.stalled_ns == outbox.stalled_ns, "it does not go on"
    assert kernel.drained == 1


def test_no_more_than_the_bound_is_kept_and_a_pong_too_many_is_dropped(make: Made) -> None:
    outbox, _ = make(0)
    assert outbox.send(b"x" * 60)
    assert outbox.send(b"y" * 40)
    assert not outbox.send(b"z")
    outbox.send_control(b"pong")
    assert (outbox.kept_bytes, outbox.unsent_frames) == (BOUND, 2)


def test_one_frame_may_be_longer_than_the_bound(make: Made) -> None:
    outbox, kernel = make(10)
    assert outbox.send(b"x" * 3 * BOUND)
    until(lambda: kernel.drained, "it left")
    assert len(kernel.written) == 3 * BOUND


@pytest.mark.parametrize(
    ("began", "left", "unsent"), [(2, b"abcdCLOSE", 1), (0, b"CLOSE", 2)], ids=["in part", "not at all"]
)
def test_a_close_frame_takes_the_place_of_all_but_a_frame_that_has_begun(
    make: Made, began: int, left: bytes, unsent: int
) -> None:
    outbox, kernel = make(began)
    assert outbox.send(b"abcd")
    assert outbox.send(b"efgh")
    outbox.finish(b"CLOSE", drop=True)
    until(lambda: kernel.written.endswith(b"CLOSE"), "the close frame left")
    assert (kernel.written, outbox.unsent_frames) == (left, unsent)
    assert not outbox.writable
    assert kernel.drained == 0, "nothing follows a close frame"
    assert not outbox.send(b"more")


def test_a_close_frame_waits_its_turn_behind_what_is_kept(make: Made) -> None:
    outbox, kernel = make(0)
    assert outbox.send(b"abcd")
    outbox.finish(b"CLOSE", drop=False)
    until(lambda: kernel.written.endswith(b"CLOSE"), "the close frame left")
    assert kernel.written == b"abcdCLOSE"


def test_a_broken_socket_is_reported_once_and_not_in_the_middle_of_a_send(make: Made) -> None:
    outbox, kernel = make(BrokenPipeError(), BrokenPipeError())
    assert not outbox.send(b"abcd")
    outbox.send_control(b"ping")
    assert kernel.errors == 0
    until(lambda: kernel.errors, "the end was told")
    assert not outbox.send(b"efgh")
    outbox.finish(b"CLOSE", drop=False)
    gevent.sleep(0)
    assert (kernel.errors, kernel.written) == (1, b"")


@pytest.mark.parametrize("takes", [(2, BrokenPipeError()), (0, BrokenPipeError())])
def test_a_socket_that_breaks_in_a_stall_leaves_the_frame_unsent(make: Made, takes: tuple[Takes, ...]) -> None:
    outbox, kernel = make(*takes)
    assert outbox.send(b"abcd")
    until(lambda: kernel.errors, "the end was told")
    assert (outbox.unsent_frames, outbox.writable, kernel.drained) == (1, False, 0)
    assert outbox.stalled_ns == outbox.stalled_ns > 0, "the stall is over"


def test_a_control_frame_may_be_the_first_that_stalls_or_breaks(make: Made) -> None:
    outbox, kernel = make(1)
    outbox.send_control(b"ping")
    assert (outbox.stalls, outbox.unsent_frames, outbox.kept_bytes) == (1, 0, 3)
    until(lambda: kernel.drained, "it left")
    assert kernel.written == b"ping"
    kernel.takes += [BrokenPipeError()]
    outbox.send_control(b"pong")
    until(lambda: kernel.errors, "the end was told")
    assert kernel.written == b"ping"
