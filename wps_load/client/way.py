"""The checks of `doctor` that use the network, in the order in which a connection meets them.

A check whose precondition failed (no name, no TCP) is skipped and says so: one cause, one failure.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlsplit

from wps_load.auth import client_url_with_token, mint_client_token
from wps_load.client import checks, place_checks
from wps_load.client.access import TOKEN_PARAMETER, UrlAccess
from wps_load.client.addresses import shown
from wps_load.client.checks import Check, Level, failed, skipped
from wps_load.client.conversation import Conversation
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.entra_access import entra_access
from wps_load.client.http1 import HttpClient
from wps_load.client.negotiate import Negotiator
from wps_load.client.rest_access import rest_access
from wps_load.client.rest_sender import RestSender
from wps_load.client.stream import Network, Timings, canonical_name, open_stream, time_limit
from wps_load.client.tcp import unreachable
from wps_load.client.token_time import clock_offset_s, key_id, read_claims
from wps_load.clock import NS_PER_S, now_ns, unix_time_s
from wps_load.errors import Finding
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import DataType
from wps_load.settings.run_config import Population, RunConfig
from wps_load.settings.target import TargetKind
from wps_load.urls import Url

CLIENT_URL = "client URL"
OF_A_CLIENT = (CLIENT_URL, "token", "upgrade", "echo", "REST")
"""The checks that differ between two ways to the same place."""
_ADDRESS_LIMIT_S = 2.0
_HANDSHAKES = 3
"""The number of TCP connections, the quickest of which shows the distance: this machine may have been busy in one."""
_GROUNDS = frozenset({CLIENT_URL, "name", "TCP", "TLS", "upgrade"})
"""Preconditions of the later checks."""


@dataclass(slots=True)
class Way:
    """The path to the target of `config`, checked step by step. `run_s`: how long the run will last.

    `say(kind, sentence)`: reports long waits, once of their kind.
    """

    config: RunConfig
    network: Network
    run_s: float | None
    _url: str = field(default="", repr=False)
    _user: str = field(default_factory=lambda: f"doctor-{secrets.token_hex(4)}")
    _number: int = field(default_factory=lambda: secrets.randbits(32))
    _talk: Conversation | None = None
    _date: str | None = None
    addresses: int = 1
    say: Callable[[str, str], None] = lambda kind, sentence: None

    @property
    def _limit_s(self) -> float:
        return self.config.connect_timeout_ns / NS_PER_S

    def quick(self) -> Iterator[Check]:
        """One connection with its token, with which a run begins. A message would be in the service's own counts."""
        yield from self.checks((CLIENT_URL, "upgrade"))

    def checks(self, only: Collection[str] = ()) -> Iterator[Check]:
        """Yields each check as soon as it is known; `only`: these, not all."""
        steps: tuple[tuple[str, Callable[[], Check]], ...] = (
            (CLIENT_URL, self._client_url),
            ("token", self._token),
            ("name", self._name),
            ("TCP", self._tcp),
            ("TLS", self._tls),
            ("health", self._health),
            ("clock", self._clock),
            ("upgrade", self._upgrade),
            ("echo", self._echo),
            ("REST", self._rest),
        )
        broken = ""
        try:
            for name, step in steps:
                if only and name not in only:
                    continue
                if broken:
                    yield skipped(name, f"{broken} failed")
                    continue
                check = _judged(name, step)
                yield check
                if check.level is Level.FAIL and name in _GROUNDS:
                    broken = name
        finally:
            if self._talk is not None:
                self._talk.close()

    # -- the Client URL ------------------------------------------------------------------------------------------

    def _client_url(self) -> Check:
        """The source of the Client URL: minted, given, or negotiated."""
        target = self.config.target
        if target.kind is TargetKind.CLIENT_URL:
            self._url = target.url
            return Check(CLIENT_URL, Level.PASS, "given, one for all connections")
        if target.kind is TargetKind.NEGOTIATE:
            negotiator = Negotiator(target.url, self.network.straight, timeout_s=self._limit_s)
            try:
                began_ns = now_ns()
                self._url = negotiator.client_url()
            finally:
                negotiator.close()
            took_ms = (now_ns() - began_ns) / 1e6
            return Check(CLIENT_URL, Level.PASS, f"negotiated in {took_ms:.1f} ms")
        source, config = target.connection, self.config
        if target.identity is not None:
            return self._made_by_service()
        assert source is not None, "the emulator is running by now"
        lifetime_s, path = config.token_lifetime_ns // NS_PER_S, config.population.traits.client_path
        minted = mint_client_token(
            source, config.population.hub, self._user, config.population.roles, (), lifetime_s, unix_time_s(), path
        )
        self._url = client_url_with_token(source, config.population.hub, minted, path)
        return Check(CLIENT_URL, Level.PASS, "signed with the access key, one for each connection")

    def _made_by_service(self) -> Check:
        """With Entra ID: the first client token, which the run can then use."""
        config = self.config
        access = entra_access(config, config.population, self.network)
        access.store.say = self.say
        grant = access.grant(self._user, ())
        token = dict(grant.headers).get("Authorization", "").removeprefix("Bearer ")
        self._url = f"{grant.url}?access_token={token}" if token else grant.url
        assert config.target.identity is not None
        who = f"Entra ID, credential {config.target.identity.credential}"
        took = f" in {grant.waited_ns / 1e6:.1f} ms" if grant.waited_ns > NS_PER_S // 1000 else ""
        return Check(CLIENT_URL, Level.PASS, f"made by the service{took} ({who}), tokens: {config.client_tokens}")

    def _token(self) -> Check:
        parts = urlsplit(self._url)
        token = next((value for name, value in parse_qsl(parts.query) if name == TOKEN_PARAMETER), "")
        claims, config = read_claims(token), self.config
        first = checks.token(
            claims,
            path=parts.path,
            scenario=config.population.scenario,
            protocol=config.population.protocol,
            now_s=unix_time_s(),
            run_s=self.run_s,
            minted=config.target.makes_tokens,
        )
        if claims is not None:
            first = replace(first, found=f"{first.found}; {place_checks.token_kind(key_id(token), claims)}")
        if first.level is Level.FAIL:
            return first
        for other in config.populations:
            roles = other.roles if config.target.makes_tokens else checks.roles_of(claims or {})
            lacking = checks.lacking_roles(
                roles, other.scenario, other.protocol,
                minted=config.target.makes_tokens, listens=other.listens_to is not None,
            )  # fmt: skip
            if lacking is not None:
                return replace(lacking, found=f"{other.name or other.scenario} over {other.protocol}: {lacking.found}")
        return first

    # -- down the layers -----------------------------------------------------------------------------------------

    @property
    def _host(self) -> tuple[str, int, bool]:
        parts = urlsplit(self._url)
        secure = parts.scheme == "wss"
        return parts.hostname or "", parts.port or (443 if secure else 80), secure

    @property
    def _asked(self) -> tuple[str, int, bool]:
        """Whose name is resolved, and whether it is a proxy's."""
        host, port, secure = self._host
        host, port = self.network.place(host, port)
        proxy = self.network.proxies.choose(host, port, tls=secure)
        return (host, port, False) if proxy is None else (proxy.host, proxy.port, True)

    def _name(self) -> Check:
        host, port, is_proxy = self._asked
        began_ns = now_ns()
        with time_limit(self._limit_s, Timings(), host):
            found = self.network.resolver.resolve(host, port)
        took_ms = (now_ns() - began_ns) / 1e6
        self.addresses = len(found)
        addresses = [str(address[0]) for _, address in found.order(now_ns())]
        return place_checks.name(host, addresses, canonical_name(host), took_ms, is_proxy=is_proxy)

    def _tcp(self) -> Check:
        host, port, secure = self._host
        network, took_ns = self.network, []
        if secure:  # the way of an encrypted connection, without the encryption
            network = replace(network, proxies=replace(network.proxies, plain=network.proxies.secure))
        for _ in range(_HANDSHAKES):
            timings = Timings()
            with time_limit(self._limit_s, timings, host):
                open_stream(host, port, tls=False, network=network, timings=timings).close()
            took_ns.append(timings.tcp_ns or 0)
        real, real_port = network.place(host, port)
        place = f"{real}:{real_port}" + (f" (for {host})" if real != host else "")
        check = place_checks.distance(place, min(took_ns) / 1e6, is_proxy=self._asked[2])
        found = check.found
        addresses = self.network.resolver.resolve(*self._asked[:2]).order(now_ns())
        if len(addresses) > 1:
            limit_s = min(self._limit_s, _ADDRESS_LIMIT_S)
            dead = [
                f"{shown(address)} {why}"
                for address, why in unreachable(addresses, limit_s, self.network.sources).items()
            ]
            if dead:
                self.addresses -= len(dead)
                said = f"{found}, but of {len(addresses)} addresses {', '.join(dead)}"
                return Check("TCP", Level.WARN, said, "check routes and the firewall; a run uses the other addresses")
        return check

    def _tls(self) -> Check:
        host, port, secure = self._host
        if not secure:
            return skipped("TLS", "the target is http://, without encryption")
        timings = Timings()
        with time_limit(self._limit_s, timings, host):
            sock = open_stream(host, port, tls=True, network=self.network, timings=timings)
        try:
            protocol, shown = str(sock.version()), sock.getpeercert() or {}
        finally:
            sock.close()
        expires = ssl.cert_time_to_seconds(shown["notAfter"]) if "notAfter" in shown else None
        check = checks.certificate(expires, unix_time_s(), protocol, verified=not self.config.insecure)
        return replace(check, found=f"{check.found}; handshake in {(timings.tls_ns or 0) / 1e6:.1f} ms")

    def _health(self) -> Check:
        """The health endpoint, which needs no token. Other checks judge whether it can be reached at all."""
        host, port, secure = self._host
        origin = Url("https" if secure else "http", host, port, "/")
        client = HttpClient(origin, self.network, prefix="health", timeout_s=self._limit_s)
        began_ns = now_ns()
        try:
            answer = client.request("GET", "/api/health", {"User-Agent": "wps-load"})
        except Finding as finding:
            return Check("health", Level.WARN, f"{finding.message} [{finding.label}]", finding.advice)
        finally:
            client.close()
        self._date = answer.header("date")
        took_ms = (now_ns() - began_ns) / 1e6
        return place_checks.health(answer.status_code, answer.header("server"), answer.header("via"), took_ms)

    def _clock(self) -> Check:
        """By the Date of the health endpoint's answer."""
        return checks.clock(clock_offset_s(self._date, unix_time_s()))

    # -- as a client ---------------------------------------------------------------------------------------------

    def _upgrade(self) -> Check:
        """Upgrade and `connected`: usable as a run's connections are. Later checks use the connection."""
        grant = UrlAccess(self._url, self.config.population.auth == "header").grant(self._user, ())
        subprotocol = CODECS[self.config.population.protocol].subprotocol
        dialed = dial(ConnectSpec(grant.url, grant.headers, subprotocol, self._limit_s), self.network)
        self._talk = Conversation(self.config, self.network, grant, dialed, number=self._number, limit_s=self._limit_s)
        self._talk.connected()
        took_ms = (dialed.timings.upgrade_ns or 0) / 1e6
        return Check("upgrade", Level.PASS, f"{subprotocol or 'no subprotocol'}, in {took_ms:.1f} ms")

    def _echo(self) -> Check:
        config, talk = self.config, self._talk
        assert talk is not None, "after the upgrade"
        if not config.population.scenario_row.users_publish:
            return skipped("echo", f"no user publishes in {_called(config.populations)}")
        if config.population.scenario_row.invokes:
            return Check("echo", Level.PASS, f"an invocation was answered in {talk.echo_by_invocation():.1f} ms")
        if config.population.scenario_row.calls_handler(config.population.protocol):
            return Check("echo", Level.PASS, f"the event handler answered in {talk.echo_by_handler():.1f} ms")
        took_ms = talk.echo_in_group(f"{self._user}-group")
        return Check("echo", Level.PASS, f"through a group in {took_ms:.1f} ms")

    def _rest(self) -> Check:
        """One send to our connection, and its delivery; a send to all would disturb others in the hub."""
        config, talk = self.config, self._talk
        access = rest_access(config.target)
        sender_of = next((each for each in config.populations if each.scenario_row.needs_key), None)
        if sender_of is None or access is None:
            return skipped("REST", f"{_called(config.populations)} {_verb(config.populations)} not use it")
        assert talk is not None, "after the upgrade"
        tokens = config.client_tokens
        named = config.target.has_key or tokens.each
        if talk.connection_id is None and not named:
            return skipped("REST", f"a simple client with a {tokens} token has no user id to send to")
        data, sent_ns = talk.rest_data()
        sender = RestSender(access, sender_of.hub, self.network, timeout_s=self._limit_s)
        try:
            if talk.connection_id is not None:
                sender.send_to_connection(talk.connection_id, data, DataType(config.population.data_type))
            else:
                sender.send_to_user(self._user, data, DataType(config.population.data_type))
        finally:
            sender.close()
        took_ms = talk.came_by_rest(sent_ns)
        whom = "user" if talk.connection_id is None else "connection"
        return Check("REST", Level.PASS, f"sent to one {whom}, delivered in {took_ms:.1f} ms")


def _called(populations: Sequence[Population]) -> str:
    """The populations that use this way."""
    return ", ".join(each.name or each.scenario for each in populations)


def _verb(populations: Sequence[Population]) -> str:
    return "does" if len(populations) == 1 else "do"


def _judged(name: str, step: Callable[[], Check]) -> Check:
    try:
        return step()
    except Finding as finding:
        return failed(name, finding)
