"""Client tokens that the service makes: few calls for any number of callers, and never a storm."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import jwt
import pytest
from gevent.event import Event

from tests.client.loopback import PATIENCE_S
from wps_load.client import token_store
from wps_load.client.generate_token import Wanted
from wps_load.client.token_store import Made, Pace, TokenStore
from wps_load.clock import NS_PER_S
from wps_load.errors import ConnectFailure

SHARED = Wanted("bench", None, ("webpubsub.sendToGroup",), (), 3600)


class Clock:
    """A clock that advances only in sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ns = 10 * NS_PER_S
        self.slept: list[float] = []
        monkeypatch.setattr(token_store, "now_ns", lambda: self.ns)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ns += int(seconds * NS_PER_S)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Service:
    """Makes numbered tokens; answers `failures` first."""

    def __init__(self, *failures: ConnectFailure) -> None:
        self.asked: list[Wanted] = []
        self.failures = list(failures)
        self.lives_s = 3600
        self.gate: Event | None = None

    def make(self, wanted: Wanted) -> Made:
        self.asked.append(wanted)
        if self.gate is not None:
            self.gate.wait(PATIENCE_S)
        if self.failures:
            raise self.failures.pop(0)
        claims = {"n": len(self.asked), "iat": 1_000, "exp": 1_000 + self.lives_s}
        return Made(jwt.encode(claims, "k" * 32, algorithm="HS256"), (5_000_000,))


def refused(label: str, permanent: bool = True, retry_after_s: float | None = None) -> ConnectFailure:
    return ConnectFailure(label, "no", "do", permanent=permanent, retry_after_s=retry_after_s)


def store(service: Service, clock: Clock, per_s: float = 1000, **options: object) -> TokenStore:
    made: Callable[..., TokenStore] = TokenStore
    return made(service.make, Pace(per_s, clock.sleep), sleep=clock.sleep, **{"renews": False, **options})


def test_all_who_want_the_same_get_the_same(clock: Clock) -> None:
    service = Service()
    tokens = store(service, clock)
    assert len({tokens.get(SHARED) for _ in range(1000)}) == 1
    assert tokens.get(SHARED._replace(hub="other")) != tokens.get(SHARED)
    assert len(service.asked) == 2


def test_a_crowd_that_comes_together_waits_for_one_call(clock: Clock) -> None:
    service = Service()
    service.gate = Event()
    tokens = store(service, clock)
    crowd = [gevent.spawn(tokens.get, SHARED) for _ in range(500)]
    gevent.sleep(0)
    service.gate.set()
    assert len({each.get(timeout=PATIENCE_S) for each in crowd}) == 1
    assert len(service.asked) == 1


def test_it_is_renewed_at_half_its_life_beside_those_who_use_it(clock: Clock) -> None:
    service = Service()
    tokens = store(service, clock)
    first = tokens.get(SHARED)
    clock.ns += 1799 * NS_PER_S
    assert tokens.get(SHARED) == first
    assert len(service.asked) == 1
    clock.ns += 2 * NS_PER_S
    assert tokens.get(SHARED) == first  # nobody waits
    gevent.sleep(0)
    gevent.sleep(0)
    assert len(service.asked) == 2
    assert tokens.get(SHARED) != first


def test_it_is_renewed_although_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    service, again = Service(), Event()
    service.lives_s = 1
    tokens = TokenStore(service.make, Pace(1000), renews=True)
    first = tokens.get(SHARED)

    def make(wanted: Wanted) -> Made:
        again.set()
        return Service.make(service, wanted)

    monkeypatch.setattr(tokens, "_make", make)
    assert again.wait(PATIENCE_S)
    gevent.sleep(0)
    assert tokens.get(SHARED) != first


def test_a_renewal_that_fails_leaves_the_token_and_is_not_asked_by_each(clock: Clock) -> None:
    service = Service()
    tokens = store(service, clock)
    first = tokens.get(SHARED)
    service.failures = [refused("token_http_403")] * 100
    clock.ns += 2000 * NS_PER_S
    for _ in range(50):
        assert tokens.get(SHARED) == first
        gevent.sleep(0)
    assert len(service.asked) == 2


def test_a_storm_of_reconnects_makes_no_call(clock: Clock) -> None:
    service = Service()
    tokens = store(service, clock)
    users = [SHARED._replace(user_id=f"u{number}") for number in range(100)]
    for _ in range(5):
        for user in users:
            tokens.get(user)
    assert len(service.asked) == 100


def test_calls_keep_to_their_pace(clock: Clock) -> None:
    service = Service()
    tokens = store(service, clock, per_s=10)
    began_ns = clock.ns
    for number in range(21):
        tokens.get(SHARED._replace(user_id=f"u{number}"))
    assert clock.ns - began_ns == 2 * NS_PER_S


def test_a_missing_role_is_waited_for_with_a_sentence(clock: Clock) -> None:
    service = Service(*[refused("token_http_403_role")] * 3)
    said: list[str] = []
    tokens = store(service, clock, role_wait_ns=60 * NS_PER_S, say=lambda kind, sentence: said.append(sentence))
    assert tokens.get(SHARED)
    assert len(service.asked) == 4
    assert "--wps-role-wait" in said[0]


def test_a_role_that_never_comes_ends_the_wait(clock: Clock) -> None:
    service = Service(*[refused("token_http_403_role")] * 1000)
    tokens = store(service, clock, role_wait_ns=12 * NS_PER_S)
    with pytest.raises(ConnectFailure) as caught:
        tokens.get(SHARED)
    assert caught.value.label == "token_http_403_role"
    assert clock.slept == [5, 5, 2]


def test_a_role_that_is_taken_away_later_is_not_waited_for(clock: Clock) -> None:
    service = Service()
    tokens = store(service, clock, role_wait_ns=60 * NS_PER_S)
    tokens.get(SHARED)
    service.failures = [refused("token_http_403_role")]
    with pytest.raises(ConnectFailure):
        tokens.get(SHARED._replace(hub="other"))
    assert len(service.asked) == 2


def test_a_lasting_refusal_is_everybodys_answer_for_a_while(clock: Clock) -> None:
    service = Service(*[refused("token_http_401")] * 1000)
    tokens = store(service, clock)
    for number in range(100):
        with pytest.raises(ConnectFailure):
            tokens.get(SHARED._replace(user_id=f"u{number}"))
    assert len(service.asked) == 1
    clock.ns += 6 * NS_PER_S
    with pytest.raises(ConnectFailure):
        tokens.get(SHARED)
    assert len(service.asked) == 2


def test_a_busy_service_is_asked_again_when_it_says(clock: Clock) -> None:
    service = Service(refused("token_http_429", permanent=False, retry_after_s=7), refused("token_reset", False))
    assert store(service, clock).get(SHARED)
    assert clock.slept == [7, 2]


def test_a_token_that_the_service_has_refused_is_replaced(clock: Clock) -> None:
    service = Service()
    tokens = store(service, clock)
    first = tokens.get(SHARED)
    tokens.forget(SHARED, "another")
    assert tokens.get(SHARED) == first
    tokens.forget(SHARED, first)
    assert tokens.get(SHARED) != first


def test_calls_before_a_run_are_counted_by_it(clock: Clock) -> None:
    service = Service(refused("token_http_401"))
    seen: list[int | ConnectFailure] = []
    tokens = store(service, clock)
    with pytest.raises(ConnectFailure):
        tokens.get(SHARED)
    clock.ns += 6 * NS_PER_S
    tokens.get(SHARED)
    tokens.calls.count(seen.append)
    tokens.get(SHARED._replace(user_id="u"))
    assert [each if isinstance(each, int) else each.label for each in seen] == ["token_http_401", 5_000_000, 5_000_000]


def test_the_contents_of_the_request() -> None:
    wanted = Wanted("my hub", "a/b", ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"), ("g 1", "h"), 61)
    assert wanted.target == (
        "/api/hubs/my%20hub/:generateToken?userId=a%2Fb&role=webpubsub.joinLeaveGroup&role=webpubsub.sendToGroup"
        "&group=g+1&group=h&minutesToExpire=2&api-version=2024-12-01"
    )
    assert "userId" not in SHARED.target
