"""How an established connection ended: its sentence and label, whoever ended it."""

from __future__ import annotations

import errno
import os
import ssl

import pytest

from wps_load.client.ends import broken_by, ended_by_peer, ended_by_us
from wps_load.errors import EndedBy, RemoteProtocolError


def test_what_a_peer_says_is_its_own_text_and_cannot_write_to_a_terminal() -> None:
    lost = ended_by_peer(1008, "no\x1b[2Jtoken")
    assert (lost.code, lost.ended_by) == (1008, EndedBy.SERVICE)
    assert lost.reason.isprintable()


@pytest.mark.parametrize(
    ("cause", "ended_by", "said"),
    [
        (RemoteProtocolError(1002, "a reserved bit"), EndedBy.PROTOCOL, "a reserved bit"),
        (KeyError("a secret"), EndedBy.BUG, "internal error"),
    ],
)
def test_what_breaks_the_protocol_is_told_from_what_our_own_code_fails_at(
    cause: Exception, ended_by: EndedBy, said: str
) -> None:
    lost = ended_by_us(1002, cause)
    assert (lost.ended_by, lost.__cause__) == (ended_by, cause)
    assert said in lost.reason
    assert "secret" not in lost.reason


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ssl.SSLError(1, "bad record mac"), "TLS was broken off"),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), "reset by the peer or by a device on the way"),
        (OSError(errno.EPIPE, os.strerror(errno.EPIPE)), "Broken pipe"),
        (OSError(), "TCP broke"),
    ],
)
def test_what_ended_tcp_in_words(error: OSError, said: str) -> None:
    assert broken_by(error) == said
