"""Limits of this machine are distinguished from refusals of the service."""

from __future__ import annotations

import errno
import os

import pytest

from wps_load.client.tcp import connect_failure
from wps_load.measure.causes import is_own_limit


@pytest.mark.parametrize(
    ("code", "label"),
    [
        (errno.EMFILE, "connect_files_exhausted"),
        (errno.ENFILE, "connect_files_exhausted"),
        (errno.EADDRNOTAVAIL, "connect_ports_exhausted"),
        (errno.ENOMEM, "connect_memory_exhausted"),
        (errno.ENOBUFS, "connect_memory_exhausted"),
    ],
)
def test_limits_of_our_own(code: int, label: str) -> None:
    failure = connect_failure(OSError(code, os.strerror(code)), "example.org", 443, via_proxy=False)
    assert failure.label == label
    assert is_own_limit(failure.label)


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.ECONNRESET, errno.ENETUNREACH, errno.ETIMEDOUT])
def test_what_the_way_to_the_service_says(code: int) -> None:
    assert not is_own_limit(connect_failure(OSError(code, ""), "example.org", 443, via_proxy=False).label)
