"""Client tokens that are reused: the service makes each by a REST call, which competes with the load itself.

A token is not for a single use, and its expiry matters only when a connection is made. So equal requests get the same
token; it is renewed in the background at half its life; and simultaneous requests wait for one call. A storm of
reconnects makes no call at all.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import gevent

from wps_load.client.generate_token import Wanted
from wps_load.client.token_time import read_claims
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure

MARGIN_S: Final = 30
"""A token is used until this long before its end."""
ROLE_POLL_S: Final = 5.0
"""How often a missing role is tried again."""
REFUSED_S: Final = 5
"""A lasting refusal is everybody's answer for this long: a thousand users who connect do not make a thousand calls."""
_TRIES: Final = 4
_KEPT_CALLS: Final = 10_000


class Made(NamedTuple):
    """A token, how long the calls for it took in ns, and how long it is used from now on; None: as its claims say."""

    text: str
    took_ns: tuple[int, ...]
    left_s: float | None = None


Make = Callable[[Wanted], Made]


class Pace:
    """Lets this many through per second, evenly; infinitely many: all."""

    def __init__(self, per_s: float, sleep: Callable[[float], None] = gevent.sleep) -> None:
        self._gap_ns = int(NS_PER_S / per_s)
        self._next_ns = 0
        self._sleep = sleep

    def wait(self) -> None:
        now = now_ns()
        at_ns = max(now, self._next_ns)
        self._next_ns = at_ns + self._gap_ns
        if at_ns > now:
            self._sleep((at_ns - now) / NS_PER_S)


@dataclass(slots=True)
class Kept:
    """A token: `until_ns` is when it is used last, `half_ns` when it is renewed."""

    text: str = field(repr=False)
    half_ns: int
    until_ns: int


class Calls:
    """The results of calls, kept until they are counted."""

    def __init__(self) -> None:
        self._pending: deque[int | ConnectFailure] = deque(maxlen=_KEPT_CALLS)
        self._count: Callable[[int | ConnectFailure], None] = self._pending.append

    def done(self, result: int | ConnectFailure) -> None:
        """A call took this many ns, or failed."""
        self._count(result)

    def take(self) -> list[int]:
        """The durations of uncounted calls, which are then removed."""
        taken = [each for each in self._pending if isinstance(each, int)]
        self._pending.clear()
        return taken

    def count(self, count: Callable[[int | ConnectFailure], None]) -> None:
        """From now on `count` gets each result, and at once those that are not counted yet."""
        self._count = count
        while self._pending:
            count(self._pending.popleft())


class TokenStore:
    """`make`: makes one call.

    `role_wait_ns`: how long a 403 is tried again, before the first token. `say`: for people, once of a kind. `renews`:
    tokens are renewed before anybody asks; else when they are used after half their life.
    """

    def __init__(
        self,
        make: Make,
        pace: Pace,
        *,
        role_wait_ns: int = 0,
        renews: bool = True,
        say: Callable[[str, str], None] = lambda kind, sentence: None,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self._make = make
        self._pace = pace
        self._role_wait_ns = role_wait_ns
        self._renews = renews
        self._sleep = sleep
        self._kept: dict[Wanted, Kept] = {}
        self._asking: dict[Wanted, Any] = {}
        self._refused: tuple[int, ConnectFailure] | None = None
        self._succeeded = False
        self._deadline_ns: int | None = None
        self.say = say
        self.calls = Calls()

    def get(self, wanted: Wanted) -> str:
        """A valid token. In the caller's greenlet, which waits only if there is none. Raises ConnectFailure."""
        return self.get_until(wanted)[0]

    def get_until(self, wanted: Wanted) -> tuple[str, int]:
        """The token, and the instant (`now_ns`) until which it is used."""
        now = now_ns()
        kept = self._kept.get(wanted)
        if kept is not None and now < kept.until_ns:
            if now >= kept.half_ns and wanted not in self._asking:
                self._ask(wanted)
            return kept.text, kept.until_ns
        if self._refused is not None and now < self._refused[0] and wanted not in self._asking:
            raise self._refused[1]
        answer = (self._asking.get(wanted) or self._ask(wanted)).get()
        if isinstance(answer, ConnectFailure):
            raise answer
        return answer.text, answer.until_ns

    def forget(self, wanted: Wanted, token: str) -> None:
        """The service has refused this token: the next caller who wants it requests another."""
        kept = self._kept.get(wanted)
        if kept is not None and kept.text == token:
            del self._kept[wanted]

    # -- calls ---------------------------------------------------------------------------------------------------

    def _ask(self, wanted: Wanted) -> Any:
        asking = self._asking[wanted] = gevent.spawn(self._fetch, wanted)
        return asking

    def _fetch(self, wanted: Wanted) -> Kept | ConnectFailure:
        try:
            return self._keep(wanted, self._made(wanted))
        except ConnectFailure as failure:
            self.calls.done(failure)
            if failure.permanent:
                self._refused = now_ns() + REFUSED_S * NS_PER_S, failure
            kept = self._kept.get(wanted)
            if kept is not None:  # it is still valid: renewed later, not by each user
                kept.half_ns = now_ns() + int(MARGIN_S * NS_PER_S)
                self._renew_at(wanted, MARGIN_S)
            return failure
        finally:
            del self._asking[wanted]

    def _made(self, wanted: Wanted) -> Made:
        """One token, tried again while that may help: a role that is being assigned, a busy service."""
        tries = 0
        while True:
            self._pace.wait()
            try:
                made = self._make(wanted)
            except ConnectFailure as failure:
                tries += 1
                self._sleep(self._again_in_s(failure, tries))
                continue
            self._succeeded = True
            for took_ns in made.took_ns:
                self.calls.done(took_ns)
            return made

    def _again_in_s(self, failure: ConnectFailure, tries: int) -> float:
        """How long until another try is worthwhile. Raises the failure if it is not."""
        if failure.label == "token_http_403_role" and not self._succeeded and self._role_wait_ns:
            now = now_ns()
            if self._deadline_ns is None:
                self._deadline_ns = now + self._role_wait_ns
            left_s = (self._deadline_ns - now) / NS_PER_S
            if left_s > 0:
                self.say(
                    "token/role",
                    f"{failure.message}; {failure.advice}. Asked again for {left_s:.0f} s (--wps-role-wait)",
                )
                return min(ROLE_POLL_S, left_s)
        if failure.permanent or tries >= _TRIES:
            raise failure
        return max(failure.retry_after_s or 0.0, float(2**tries) / 2)

    def _keep(self, wanted: Wanted, made: Made) -> Kept:
        now, life_s = now_ns(), made.left_s
        margin_s = 0.0
        if life_s is None:
            life_s = _life_s(made.text, wanted.lifetime_s)
            margin_s = min(MARGIN_S, life_s / 10)
        kept = Kept(made.text, now + int(life_s / 2 * NS_PER_S), now + int((life_s - margin_s) * NS_PER_S))
        self._kept[wanted] = kept
        self._renew_at(wanted, life_s / 2)
        return kept

    def _renew_at(self, wanted: Wanted, in_s: float) -> None:
        """A timer that keeps neither this store nor the process alive."""
        if not self._renews:
            return
        store = weakref.ref(self)

        def renew() -> None:
            timer.stop()
            timer.close()
            living = store()
            if living is not None and wanted in living._kept and wanted not in living._asking:
                living._ask(wanted)

        timer = gevent.get_hub().loop.timer(in_s, ref=False)
        timer.start(renew, update=True)


def _life_s(token: str, asked_s: int) -> float:
    """The life of a fresh token, by its own claims.

    The difference of two of the service's times needs no clock of this process.
    """
    claims = read_claims(token) or {}
    begins, ends = claims.get("iat", claims.get("nbf")), claims.get("exp")
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (begins, ends))
    if begins is not None and ends is not None and numbers and ends > begins:
        return float(ends - begins)
    return float(max(60, asked_s))
