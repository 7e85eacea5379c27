from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.workload.chaos import SlowPlan
from wps_load.workload.layout import layout, publisher_count
from wps_load.workload.population import (
    EVERYBODY,
    USER_BASE,
    Hosts,
    Listened,
    Role,
    Standing,
    phase,
    rest_streams,
    role,
)  # fmt: skip
from wps_load.workload.scenarios import SCENARIOS, Topology
from wps_load.workload.values import Share


@dataclass(frozen=True)
class Plan:
    scenario: str = "small-group"
    protocol: str = "json"
    groups: int | None = None
    group_size: int | None = None
    publishers: Share | None = None
    no_echo: bool = False
    slow: SlowPlan | None = None
    seed: int = 1


def everyone(plan: Plan, users: int) -> list[Role]:
    return [role(plan, "run", index, users) for index in range(users)]


def publishers(roles: list[Role]) -> list[int]:
    return [one.publication.ordinal for one in roles if one.publication is not None]


PLANS = st.builds(
    Plan,
    scenario=st.sampled_from(["echo", "small-group", "big-group", "upstream", "recovery", "slow-consumer"]),
    groups=st.none() | st.integers(1, 12),
    group_size=st.none() | st.integers(1, 12),
    publishers=st.none() | st.builds(Share, count=st.integers(1, 60)) | st.just(Share.parse("25%")),
    slow=st.none() | st.just(SlowPlan.parse("20% 1KiB/s")),
    seed=st.integers(0, 2**63 - 1),
)


@given(PLANS, st.integers(1, 60))
def test_exactly_that_many_publish_each_with_an_ordinal_of_its_own(plan: Plan, users: int) -> None:
    roles = everyone(plan, users)
    assert sorted(publishers(roles)) == list(range(publisher_count(plan, users)))
    for one in roles:
        if one.publication is not None:
            assert one.publication.audience in one.audiences
            assert one.publication.stream == one.index
            assert not one.slow


@given(PLANS, st.integers(1, 60), st.integers(1, 60))
def test_users_who_are_added_publish_as_those_before_them(plan: Plan, users: int, added: int) -> None:
    roles = [role(plan, "run", index, users) for index in range(users + added)]
    assert roles[:users] == everyone(plan, users)
    ordinals = publishers(roles)
    assert sorted(ordinals) == list(range(len(ordinals)))
    share = plan.publishers or SCENARIOS[plan.scenario].publishers
    assert share is not None
    grouped = SCENARIOS[plan.scenario].topology is Topology.GROUPS
    if plan.groups is not None and plan.group_size is not None and grouped:
        return  # there are so many seats
    if share.count is not None:
        assert len(ordinals) == min(share.count, users + added)
        assert all(one.stays for one in roles if one.publication is not None)
        return
    assert share.fraction is not None
    for count in range(users, users + added + 1):
        publish = sum(one.publication is not None for one in roles[:count])
        assert abs(publish - share.fraction * count) < 1
    assert not any(one.stays for one in roles)


@pytest.mark.parametrize("part", ["50%", "25%", "10%", "5%"])
@pytest.mark.parametrize("groups", [1, 4, 10])
def test_a_share_of_publishers_meets_all_groups_that_are_dealt_out_in_turn(part: str, groups: int) -> None:
    plan = Plan("big-group", groups=groups, publishers=Share.parse(part))
    roles = [role(plan, "run", index, 20) for index in range(1000)]
    members = Counter(number for one in roles for number in one.audiences)
    assert set(members.values()) == {1000 // groups}
    heard = Counter(one.publication.audience for one in roles if one.publication is not None)
    fair = Share.parse(part).of(1000) / groups
    assert all(abs(heard[number] - fair) <= 0.35 * fair + 1 for number in range(groups))


def test_groups_fill_one_after_the_other_and_big_ones_grow() -> None:
    small = [role(Plan("small-group"), "run", index, 15).audiences for index in range(40)]
    assert small == [(index // 10,) for index in range(40)]
    for begun in (3, 20, 100):
        big = [role(Plan("big-group"), "run", index, begun).audiences for index in range(200)]
        for count in (20, 110, 200):
            sizes = Counter(number for audiences in big[:count] for number in audiences)
            assert set(sizes) == set(range(10))
            assert max(sizes.values()) - min(sizes.values()) <= 1


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 12), st.integers(1, 60))
def test_seats_that_are_left_over_are_shared(users: int, groups: int, size: int, added: int) -> None:
    plan = Plan(groups=groups, group_size=size)
    for index in range(users, users + added):
        new = role(plan, "run", index, users)
        if groups * min(size, users) > users:
            assert new.audiences == role(plan, "run", index % users, users).audiences
        else:
            assert (new.audiences, new.publication) == ((), None)


@pytest.mark.parametrize("part", ["20%", "5%"])
def test_slow_readers_stay_a_share(part: str) -> None:
    plan = Plan("slow-consumer", slow=SlowPlan.parse(f"{part} 1KiB/s"))
    roles = [role(plan, "run", index, 40) for index in range(400)]
    for count in (40, 80, 200, 400):
        assert abs(sum(one.slow for one in roles[:count]) - Share.parse(part).of(count)) <= 2


@given(PLANS, st.integers(1, 60))
def test_a_role_joins_what_it_hears(plan: Plan, users: int) -> None:
    for one in everyone(plan, users):
        assert one.user_id == f"run-u{one.index}"
        assert len(set(one.audiences)) == len(one.audiences)
        if one.groups:
            assert one.groups == tuple(f"run-g{number}" for number in one.audiences)


@given(
    PLANS, st.integers(1, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 40), st.none() | st.integers(1, 5)
)
def test_listeners_join_groups_that_come_later_and_nothing_else_of_their_part_changes(
    plan: Plan, hosts: int, then: int, more: int, local: int, groups: int | None
) -> None:
    listens = Standing(1, "viewers", Listened(plan, hosts, 0, "hosts"))
    listener = replace(plan, scenario="big-group", groups=groups, group_size=None)
    came, most = hosts + then, hosts + then + more
    before, after = (
        role(listener, "run", local, 40, index=100 + local, standing=listens, hosts=Hosts(came, count))
        for count in (came, most)
    )
    assert after.audiences[: len(before.audiences)] == before.audiences
    assert after.groups[: len(before.groups)] == before.groups
    assert replace(after, groups=before.groups, audiences=before.audiences) == before
    published = {
        one.publication.audience
        for one in (role(plan, "run", index, hosts, standing=Standing(0, "hosts")) for index in range(most))
        if one.publication is not None and one.publication.kind == "group"
    }
    if groups is None:
        assert published <= set(after.audiences), "it hears every group that somebody publishes to"
    else:
        assert len(after.groups) <= groups


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 2**32))
def test_publishers_are_spread_over_the_groups(users: int, count: int, seed: int) -> None:
    plan = Plan("big-group", groups=10, publishers=Share(count=count), seed=seed)
    if users < 10:
        return
    heard = Counter(one.publication.audience for one in everyone(plan, users) if one.publication is not None)
    per_group = [heard[number] for number in range(10)]
    sizes = [users // 10 + (number < users % 10) for number in range(10)]
    chosen = min(count, users)
    for number, size in zip(per_group, sizes, strict=True):
        assert abs(number - Fraction(chosen * size, users)) < 1


def test_big_groups_are_those_of_the_performance_guide() -> None:
    roles = everyone(Plan("big-group"), 1000)
    assert Counter(number for one in roles for number in one.audiences) == {number: 100 for number in range(10)}
    assert len(publishers(roles)) == 30
    assert Counter(one.publication.audience for one in roles if one.publication) == {n: 3 for n in range(10)}


@pytest.mark.parametrize(
    ("users", "groups", "published"), [(2, 1, 2), (5, 3, 5), (19, 10, 19), (20, 10, 20), (50, 10, 30)]
)
def test_few_users_make_fewer_big_groups_so_that_somebody_hears(users: int, groups: int, published: int) -> None:
    plan = layout(Plan("big-group"), users)
    assert (plan.occupied, plan.publishers) == (groups, published)
    heard = Counter(number for one in everyone(Plan("big-group"), users) for number in one.audiences)
    assert len(heard) == groups
    assert sum(members == 1 for members in heard.values()) <= users % 2


def test_small_groups_have_ten_members_and_fill_one_after_the_other() -> None:
    roles = everyone(Plan("small-group"), 25)
    assert [one.audiences for one in roles] == [(index // 10,) for index in range(25)]
    assert len(publishers(roles)) == 25


@pytest.mark.parametrize(
    ("groups", "size", "users", "expected"), [(None, None, 50, 10), (None, 4, 20, 5), (3, None, 20, 3), (6, 5, 30, 6)]
)
@pytest.mark.parametrize("seed", range(5))
def test_a_stream_has_one_publisher_to_a_few_subscribers(
    groups: int | None, size: int | None, users: int, expected: int, seed: int
) -> None:
    roles = everyone(Plan("stream", groups=groups, group_size=size, no_echo=True, seed=seed), users)
    published = [each.publication for each in roles if each.publication is not None]
    assert Counter(each.audience for each in published) == Counter(range(expected))
    assert {(each.kind, each.no_echo) for each in published} == {("stream", True)}
    assert Counter(each.audiences for each in roles).keys() == {(number,) for number in range(expected)}


def test_groups_times_size_beyond_the_users_puts_them_into_several_groups() -> None:
    roles = everyone(Plan(groups=5, group_size=4), 10)
    assert Counter(number for one in roles for number in one.audiences) == {number: 4 for number in range(5)}
    assert {len(one.audiences) for one in roles} == {2}
    assert {one.publication.audience for one in roles if one.publication} == set(range(5))


def test_users_beyond_groups_times_size_hear_and_publish_nothing() -> None:
    roles = everyone(Plan(groups=2, group_size=3), 10)
    assert [one.audiences for one in roles[6:]] == [()] * 4
    assert len(publishers(roles)) == 6


def test_another_seed_chooses_other_publishers() -> None:
    def chosen(seed: int) -> list[int]:
        plan = Plan("big-group", publishers=Share(count=7), seed=seed)
        return [one.index for one in everyone(plan, 100) if one.publication]

    assert chosen(1) == chosen(1)
    assert len({tuple(chosen(seed)) for seed in range(10)}) > 5


def test_echo_is_a_group_of_ones_own_and_for_simple_clients_the_event_handlers_answer() -> None:
    own = role(Plan("echo"), "run", 3, 10)
    assert own.groups == ("run-g3",)
    assert own.publication is not None
    assert (own.publication.kind, own.publication.name, own.publication.audience) == ("group", "run-g3", 3)
    simple = role(Plan("echo", protocol="simple"), "run", 3, 10)
    assert simple.groups == ()
    assert simple.publication is not None
    assert (simple.publication.kind, simple.publication.audience) == ("raw", USER_BASE + 3)
    assert simple.audiences == (USER_BASE + 3,)


def test_upstream_sends_an_event_and_hears_the_answer_alone() -> None:
    one = role(Plan("upstream", no_echo=True), "run", 2, 10)
    assert one.publication is not None
    assert (one.publication.kind, one.publication.name) == ("event", "echo")
    assert not one.publication.no_echo
    assert one.audiences == (USER_BASE + 2,)


@pytest.mark.parametrize("scenario", ["idle", "churn"])
def test_silent_users_have_nothing_to_do(scenario: str) -> None:
    assert role(Plan(scenario), "run", 0, 5) == Role(0, "run-u0", (), (), None)
    assert publisher_count(Plan(scenario), 5) == 0


def test_slow_readers_are_a_share_of_all_and_publish_nothing() -> None:
    roles = everyone(Plan("slow-consumer", slow=SlowPlan.parse("20% 1KiB/s")), 100)
    assert sum(one.slow for one in roles) == 20
    assert len(publishers(roles)) == 10
    places = [one.index for one in roles if one.slow]
    assert max(later - place for place, later in pairwise(places)) <= 7


def test_one_sender_to_users_keeps_a_round_robin_at_even_distances() -> None:
    plan = Plan("send-to-user")
    streams = rest_streams(plan, "run", 0, 1, range(4))
    assert [(one.stream, one.audience, one.name) for one in streams] == [
        (USER_BASE + index, USER_BASE + index, f"run-u{index}") for index in range(4)
    ]
    assert sum(one.share for one in streams) == 1
    dues = sorted((one.phase + turn) for one in streams for turn in range(3))
    assert {round(later - due, 9) for due, later in pairwise(dues)} == {0.25}


def test_senders_divide_the_users_among_them() -> None:
    plan = Plan("send-to-user", publishers=Share(count=3))
    audiences = [one.audience for sender in range(3) for one in rest_streams(plan, "run", sender, 3, range(10))]
    assert sorted(audiences) == [USER_BASE + index for index in range(10)]
    assert publisher_count(plan, 2) == 2
    assert all(role(plan, "run", index, 10).audiences == (USER_BASE + index,) for index in range(10))


def test_a_broadcast_is_for_everybody() -> None:
    plan = Plan("broadcast", publishers=Share(count=2))
    assert [rest_streams(plan, "run", sender, 2, range(10))[0].stream for sender in range(2)] == [
        EVERYBODY,
        EVERYBODY + 1,
    ]
    assert publisher_count(plan, 1) == 2
    assert role(plan, "run", 4, 10).audiences == (EVERYBODY,)


@given(st.integers(2, 500))
def test_phases_fill_the_interval_nearly_evenly(count: int) -> None:
    phases = sorted(phase(ordinal) for ordinal in range(count))
    gaps = [later - one for one, later in pairwise([*phases, phases[0] + 1])]
    assert all(0 <= one < 1 for one in phases)
    assert max(gaps) * count < 2.7  # three-distance theorem: golden steps are at most (1 + phi) / n apart


def test_every_scenario_has_roles_for_every_protocol_of_its_row() -> None:
    for row in SCENARIOS.values():
        for protocol in row.protocols:
            roles = everyone(Plan(row.name, protocol=protocol), 20)
            assert any(one.publication for one in roles) == row.users_publish


def test_the_role_does_not_depend_on_anything_but_its_arguments() -> None:
    plan = Plan("big-group")
    assert role(plan, "run", 7, 100) == role(replace(plan), "run", 7, 100)
