"""An app server's calls, one by one: what each is counted as, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.client.contexts import population_context
from tests.client.loopback import Server, header
from tests.config_texts import KEY
from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString
from wps_load.client.access import UrlAccess
from wps_load.client.app_server import AppServerClient
from wps_load.client.context import PopulationContext, RunContext
from wps_load.client.epochs import Epoch
from wps_load.client.rest_access import SignedCalls
from wps_load.client.rest_sender import RestSender
from wps_load.client.stream import Network
from wps_load.errors import Finding, LocalProtocolError, WrongType, WrongValue
from wps_load.measure.causes import Cause
from wps_load.measure.task_envelope import unseal
from wps_load.settings.load import load

NEVER_NS = 1 << 62
Call = Callable[[AppServerClient], Any]


class Service:
    """Answers each request with `status`; None: it closes the connection instead."""

    def __init__(self, status: int | None = 202) -> None:
        self.status = status
        self.bodies: list[bytes] = []
        self.warnings: list[str] = []
        self._server = Server(self.serve)

    def serve(self, sock: Any, head: str) -> None:
        body = head.partition("\r\n\r\n")[2].encode("latin-1")
        while len(body) < int(header(head, "Content-Length") or 0):
            body += sock.recv(65536)
        self.bodies.append(body)
        if self.status is not None:
            sock.sendall(f"HTTP/1.1 {self.status} Text\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    @property
    def heads(self) -> list[str]:
        return self._server.heads

    @contextmanager
    def called(self, *, measured: bool = True) -> Iterator[tuple[AppServerClient, PopulationContext]]:
        """A client of this service, in an epoch that counts or in none."""
        with self._server, population_context(lambda kind, sentence: self.warnings.append(sentence)) as context:
            if measured:
                context.epochs.announce(Epoch(1, 0, NEVER_NS))
                context.epochs.enter(1)
            access = SignedCalls(ConnectionString(f"http://127.0.0.1:{self._server.port}", DEFAULT_EMULATOR_KEY))
            rest = RestSender(access, "bench", Network.create(insecure=True), timeout_s=5.0)
            yield AppServerClient(context, rest), context
            rest.close()


def count(context: PopulationContext, name: str) -> int:
    return len(context.recorder.buffer(name))


SENDS: dict[str, Call] = {
    "/:send": lambda it: it.send_to_all("text"),
    "/groups/g/:send": lambda it: it.send_to_group("g", b"\x00"),
    "/users/u/:send": lambda it: it.send_to_user("u", {"a": 1}),
    "/connections/c/:send": lambda it: it.send_to_connection("c", "text"),
}
MANAGES: dict[str, Call] = {
    "PUT /groups/g/connections/c": lambda it: it.add_connection_to_group("g", "c"),
    "DELETE /groups/g/connections/c": lambda it: it.remove_connection_from_group("g", "c"),
    "PUT /users/u/groups/g": lambda it: it.add_user_to_group("g", "u"),
    "DELETE /users/u/groups/g": lambda it: it.remove_user_from_group("g", "u"),
    "PUT /permissions/sendToGroup/connections/c": lambda it: it.grant_permission("sendToGroup", "c", "g"),
    "DELETE /permissions/sendToGroup/connections/c": lambda it: it.revoke_permission("sendToGroup", "c", "g"),
    "HEAD /permissions/sendToGroup/connections/c": lambda it: it.has_permission("sendToGroup", "c", "g"),
    "HEAD /connections/c": lambda it: it.connection_exists("c"),
    "HEAD /users/u": lambda it: it.user_exists("u"),
    "HEAD /groups/g": lambda it: it.group_exists("g"),
    "DELETE /connections/c": lambda it: it.close_connection("c"),
}


@pytest.mark.parametrize("path", SENDS)
def test_a_send_is_timed_and_counted_among_the_tasks_messages(path: str) -> None:
    service = Service()
    with service.called() as (client, context):
        SENDS[path](client)
        assert service.heads[0].startswith(f"POST /api/hubs/bench{path}?")
        assert (count(context, "rest_publish"), count(context, "rest_manage")) == (1, 0)
        assert context.recorder.peek().counters["tasks_published"] == 1


@pytest.mark.parametrize("request_line", MANAGES)
def test_any_other_call_is_timed_as_itself(request_line: str) -> None:
    service = Service(200)
    with service.called() as (client, context):
        method, path = request_line.split(" ")
        assert MANAGES[request_line](client) is (True if method == "HEAD" else None)
        assert service.heads[0].startswith(f"{method} /api/hubs/bench{path}?")
        assert (count(context, "rest_publish"), count(context, "rest_manage")) == (0, 1)


def test_before_the_measure_phase_a_send_is_made_and_counts_nowhere() -> None:
    service = Service()
    with service.called(measured=False) as (client, context):
        client.send_to_all("text")
        assert len(service.heads) == 1
        assert count(context, "rest_publish") == 0
        assert "tasks_published" not in context.recorder.peek().counters


@pytest.mark.parametrize(
    ("call", "metric"), [(SENDS["/:send"], "rest_publish"), (MANAGES["PUT /users/u/groups/g"], "rest_manage")]
)
def test_a_refusal_is_counted_by_its_label_told_once_and_raised(call: Call, metric: str) -> None:
    service = Service(403)
    with service.called() as (client, context):
        with pytest.raises(Finding) as caught:
            call(client)
        assert caught.value.label == "rest_403"
        assert context.recorder.peek().failures == {(metric, "rest_403"): 1}
        assert count(context, metric) == 0
        assert len(service.warnings) == 1


@pytest.mark.parametrize(
    ("status", "published", "failed"),
    [(202, 1, {}), (404, 0, {Cause.SERVICE: 1}), (None, 1, {})],
    ids=["accepted", "refused", "no answer"],
)
def test_a_measured_send_is_accounted_for_by_what_is_known_of_it(
    status: int | None, published: int, failed: dict[Cause, int]
) -> None:
    service = Service(status)
    with service.called() as (client, context):
        if status == 202:
            client.send_to_group("g", "text", measured=True)
        else:
            with pytest.raises(Finding):
                client.send_to_group("g", "text", measured=True)
        opened = unseal(service.bodies[0].decode())
        assert opened is not None
        assert (opened.data, opened.intact) == ("text", True)
        assert "tasks_published" not in context.recorder.peek().counters, "the ledger has it"
        (final,) = context.run.ledger.finals()
        assert (final.count, bool(final.failed)) == (1, status != 202), "what is uncertain is expected nowhere else"
        running = context.run.ledger.running()
        assert (running.published, running.send_failed) == (published, sum(failed.values()))


def test_a_measured_send_that_is_too_long_with_its_stamp_never_leaves() -> None:
    service = Service()
    with service.called() as (client, context):
        for size in range(1 << 20, 0, -16):  # the longest that may be sent without one
            try:
                client.send_to_all("x" * size)
            except WrongValue:
                continue
            break
        sent = len(service.heads)
        with pytest.raises(WrongValue):
            client.send_to_all("x" * size, measured=True)
        assert len(service.heads) == sent == 1
        running = context.run.ledger.running()
        assert (running.published, running.send_failed, running.send_failed_service) == (0, 1, 0)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda it: it.send_to_group("", "text"), WrongValue),
        (lambda it: it.send_to_user(" ", "text"), WrongValue),
        (lambda it: it.send_to_connection(7, "text"), WrongType),
        (lambda it: it.send_to_all(object()), WrongType),
        (lambda it: it.add_user_to_group("g", ""), WrongValue),
        (lambda it: it.grant_permission("everything", "c", "g"), WrongValue),
        (lambda it: it.has_permission("sendToGroup", "", "g"), WrongValue),
        (lambda it: it.close_connection("c", 7), WrongType),
        (lambda it: it.group_exists(None), WrongType),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(call: Call, error: type[Exception]) -> None:
    service = Service()
    with service.called() as (client, _):
        with pytest.raises(error):
            call(client)
        assert service.heads == []


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # the key of all tests is short
def test_a_client_url_is_signed_here_without_a_request() -> None:
    service = Service()
    with service.called() as (client, context):
        url = client.client_url("anna", roles=("webpubsub.sendToGroup",), groups=("g",), lifetime_s=90)
        token = parse_qs(urlsplit(url).query)["access_token"][0]
        claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_aud": False})
        assert (claims["sub"], claims["role"], claims["webpubsub.group"]) == ("anna", ["webpubsub.sendToGroup"], ["g"])
        assert claims["exp"] - claims["iat"] == 90
        usual = parse_qs(urlsplit(client.client_url()).query)["access_token"][0]
        claims = jwt.decode(usual, KEY, algorithms=["HS256"], options={"verify_aud": False})
        assert claims["exp"] - claims["iat"] == context.run.config.token_lifetime_ns // 1_000_000_000
        with pytest.raises(WrongValue, match=r"webpubsub\.sendToGroup"):
            client.client_url(roles=("webpubsub.everything",))
        assert service.heads == []


def test_without_a_key_no_client_url_is_signed() -> None:
    config = load(
        {"wps_client_url": "ws://127.0.0.1:9/client/hubs/h?access_token=T"}, users=1, spawn_rate=1.0, environ={}
    )
    run = RunContext.create(
        config, run_id="r", number=7, users=1, network=Network.create(), warn=lambda kind, sentence: None
    )
    context = PopulationContext.create(run, config.population, UrlAccess("", in_header=False))
    access = SignedCalls(ConnectionString("http://127.0.0.1:9", DEFAULT_EMULATOR_KEY))
    with pytest.raises(LocalProtocolError, match="give a connection string"):
        AppServerClient(context, RestSender(access, "bench", Network.create())).client_url("anna")
    run.scheduler.close()
