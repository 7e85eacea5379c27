"""What is pushed and what stays after a run: once, with the secret where it belongs, and never in the run's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from tests.ports import free_port
from tests.swarm.runs import configured
from tests.swarm.scrapes import FedRun, counts, parsed, samples, value
from wps_load.errors import ConfigError
from wps_load.swarm.exports import Exports

Sent = list[tuple[str, str, str | None, str]]


@contextmanager
def gateway(status: str = "200 OK") -> Iterator[tuple[int, Sent]]:
    """A Pushgateway's port, and the requests that came: method, path, Authorization, body."""
    sent: Sent = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body = environ["wsgi.input"].read().decode()
        sent.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION"), body))
        start_response(status, [])
        return [b""]

    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    try:
        yield server.server_port, sent
    finally:
        server.stop()


class Told:
    def __init__(self, run: FedRun | None = None) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.exports = Exports(
            lambda: None if run is None else run.reporter,
            say=self.said.append,
            warn=lambda _, sentence: self.warned.append(sentence),
        )


def test_the_end_of_a_run_is_pushed_with_the_password_in_the_header_alone() -> None:
    run = FedRun(configured())
    run.report(totals=counts(offered=5, published=5))
    told = Told(run)
    with gateway() as (port, sent):
        told.exports.prepare(configured(prometheus_push=f"http://bench:p%40ss@127.0.0.1:{port}/gate"))
        told.exports.begin()
        told.exports.finish()
        told.exports.finish()
    ((method, path, authorization, body),) = sent
    assert method == "PUT"
    assert path.startswith("/gate/metrics/job/wps-load/instance/")
    assert authorization == "Basic YmVuY2g6cEBzcw=="
    assert value(samples(parsed(body)), "wps_messages_published_total", population="echo") == 5
    assert (told.said, told.warned) == ([], [])


def test_a_gateway_that_does_not_take_them_costs_the_run_a_sentence_without_the_password() -> None:
    told = Told()
    with gateway("401 Unauthorized") as (port, _):
        told.exports.prepare(configured(prometheus_push=f"http://bench:geheim@127.0.0.1:{port}"))
        told.exports.finish()
    told.exports.prepare(configured(prometheus_push=f"http://bench:geheim@127.0.0.1:{port}"))
    told.exports.finish()
    refused, unreachable = told.warned
    assert f"the Pushgateway http://127.0.0.1:{port} answered with status 401" in refused
    assert f"the Pushgateway http://127.0.0.1:{port} was not reached" in unreachable
    assert "geheim" not in refused + unreachable


def test_the_push_option_is_a_secret() -> None:
    config = configured(prometheus_push="https://bench:geheim@gate.example")
    assert "geheim" not in repr(config)
    assert "geheim" not in str(config.settings())


@pytest.mark.parametrize("text", ["gate.example:9091", "ftp://gate.example", "http://gate.example/?a=1"])
def test_what_is_not_a_pushgateway_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(prometheus_push=text)
    (fault,) = refused.value.faults
    assert fault.option == "--wps-prometheus-push"
    assert "a Pushgateway, http://HOST:9091" in fault.allowed


def test_what_is_served_stays_until_somebody_wants_the_process_to_end() -> None:
    port = free_port()
    told, config = Told(), configured(prometheus_port=str(port), prometheus_linger="1h")
    told.exports.prepare(config)
    asked = Event()
    asked.set()
    told.exports.linger(config, asked)
    assert told.said == []
    asked.clear()
    waits: list[float] = []
    told.exports.linger(config, _Waiting(waits))
    assert waits == [3600.0]
    (said,) = told.said
    assert f"http://127.0.0.1:{port}/metrics for 3600 s" in said


class _Waiting:
    def __init__(self, waits: list[float]) -> None:
        self._waits = waits

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> None:
        self._waits.append(seconds)


def test_nothing_stays_that_is_not_served() -> None:
    with pytest.raises(ConfigError) as refused:
        configured(prometheus_linger="10s")
    assert "give --wps-prometheus-port" in refused.value.faults[0].allowed
