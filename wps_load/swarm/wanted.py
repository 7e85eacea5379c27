"""How many users are requested from Locust, by kind: they play the scenario, connect, or are other people's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wps_load.swarm import locust_seam
from wps_load.swarm.kinds import connects, plays
from wps_load.swarm.run_plan import Expected


class LocustCrowd:
    """The conductor's view of the requested users (Crowd). `default_rate()`: users a second if Locust does not say."""

    def __init__(self, runner: Any, default_rate: Callable[[], float]) -> None:
        self._runner = runner
        self._default_rate = default_rate

    def spawn_rate(self) -> float:
        return float(locust_seam.spawn_rate(self._runner) or self._default_rate())

    def expected(self) -> Expected:
        return expected_users(self._runner)

    def requested(self) -> int:
        return requested_users(self._runner, plays)

    def connections(self) -> int:
        """How many of the requested users are to connect, whether Locust ever starts them or not."""
        return requested_users(self._runner, connects)


def expected_users(runner: Any) -> Expected:
    """The users that Locust has started, or is about to start, by kind."""
    return Expected(*(_started(runner, kind) for kind in (plays, connects, _is_any)))


def requested_users(runner: Any, kind: Callable[[Any], bool]) -> int:
    """The requested users of a kind, whether Locust ever starts them or not; several classes share by weight."""
    asked = int(runner.target_user_count or 0)
    if sum((runner.target_user_classes_count or {}).values()) == asked:
        return _started(runner, kind)
    ours = [cls for cls in runner.user_classes if kind(cls)]
    if len(ours) == len(runner.user_classes):
        return asked
    fixed, weight = _shares(runner.user_classes)
    ours_fixed, ours_weight = _shares(ours)
    if asked <= fixed or not weight:
        return min(asked, ours_fixed)
    return ours_fixed + round((asked - fixed) * ours_weight / weight)


def _shares(classes: Iterable[Any]) -> tuple[int, float]:
    """Users of a fixed number, and the weight of the others."""
    found = list(classes)
    return sum(cls.fixed_count for cls in found), sum(cls.weight for cls in found if not cls.fixed_count)


def _is_any(_: Any) -> bool:
    return True


def _started(runner: Any, kind: Callable[[Any], bool]) -> int:
    counts: dict[str, int] = runner.target_user_classes_count or {}
    ours = {cls.__name__ for cls in runner.user_classes if kind(cls)}
    return sum(count for name, count in counts.items() if name in ours)
