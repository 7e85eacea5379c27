"""What a task's client may get: by its groups, and by what it knows of them when a measured message arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.client.contexts import population_context
from wps_load.client.access import UrlAccess
from wps_load.client.context import PopulationContext, RunContext
from wps_load.client.epochs import Epoch
from wps_load.client.stream import Network
from wps_load.client.task_accounts import Account, TaskPublisher
from wps_load.clock import now_ns
from wps_load.measure.causes import Cause
from wps_load.measure.ledger import Running
from wps_load.measure.task_envelope import Opened, unseal
from wps_load.settings.load import load
from wps_load.workload.pacer import ScheduleCounter

NEVER_NS = 1 << 62


def measure(context: PopulationContext) -> PopulationContext:
    """The first measured epoch is on."""
    context.epochs.announce(Epoch(1, 0, NEVER_NS))
    context.epochs.enter(1)
    return context


@pytest.fixture
def context() -> Iterator[PopulationContext]:
    with population_context() as found:
        yield measure(found)


@pytest.fixture
def account(context: PopulationContext) -> Account:
    made = Account(context)
    made.connected("u", "c", ())
    return made


def sent(publisher: TaskPublisher, kind: str = "group", name: str = "g", data: Any = "text", **options: Any) -> Opened:
    """A message as it comes out of its envelope again."""
    opened = unseal(publisher.sealed(data, publisher.due(kind, name, **options)))
    assert opened is not None
    assert opened.data == data
    return opened


def counts(context: PopulationContext) -> Running:
    return context.run.ledger.running()


def come(account: Account, opened: Opened, group: str | None = "g") -> None:
    account.arrived(opened, group, now_ns())


def member(account: Account) -> None:
    account.joined("g", now_ns())


def leaves(account: Account) -> None:
    member(account)
    account.leaving("g")


def refused(account: Account) -> None:
    account.joining("g")
    account.refused("g")


@pytest.mark.parametrize(
    ("before", "delivered"),
    [
        (lambda account: None, False),
        (member, True),
        (lambda account: account.joining("g"), True),
        (leaves, True),
        (refused, False),
        (lambda account: account.joined("another", now_ns()), False),
    ],
    ids=["never joined", "member", "its join is under way", "its leave is under way", "was refused", "of another"],
)
def test_a_group_is_heard_by_its_members_and_by_those_of_whom_it_is_not_clear(
    context: PopulationContext, account: Account, before: Callable[[Account], None], delivered: bool
) -> None:
    before(account)
    come(account, sent(TaskPublisher(context, None)))
    assert (counts(context).delivered, counts(context).misdelivered) == (int(delivered), int(not delivered))
    assert len(context.deliveries[0]) == int(delivered)


def test_after_a_leave_that_was_confirmed_only_what_was_due_before_may_come(
    context: PopulationContext, account: Account
) -> None:
    publisher = TaskPublisher(context, None)
    member(account)
    before = sent(publisher)
    account.leaving("g")
    account.left("g", now_ns())
    come(account, before)
    come(account, sent(publisher))
    assert (counts(context).delivered, counts(context).misdelivered) == (1, 1)


def test_an_envelope_of_another_group_than_the_stamp_says_is_a_misdelivery(
    context: PopulationContext, account: Account
) -> None:
    member(account)
    account.joined("another", now_ns())
    come(account, sent(TaskPublisher(context, None)), group="another")
    assert counts(context).misdelivered == 1


def test_what_comes_back_is_round_trips_unless_it_was_not_to_come_back(
    context: PopulationContext, account: Account
) -> None:
    member(account)
    come(account, sent(account.publisher))
    assert [len(times) for times in (context.rtt, context.rtt_service, context.deliveries[0])] == [1, 1, 0]
    assert context.rtt_service[0] <= context.rtt[0]
    come(account, sent(account.publisher, no_echo=True))
    assert (counts(context).delivered, counts(context).misdelivered) == (1, 1)


def test_a_copy_is_a_duplicate_and_has_no_time(context: PopulationContext, account: Account) -> None:
    member(account)
    once = sent(TaskPublisher(context, None))
    for _ in range(2):
        come(account, once)
    assert (counts(context).delivered, counts(context).duplicated, len(context.deliveries[0])) == (1, 1, 1)


def test_damaged_content_is_neither_delivered_nor_misdelivered(context: PopulationContext, account: Account) -> None:
    come(account, sent(TaskPublisher(context, None))._replace(intact=False))
    assert (counts(context).corrupted, counts(context).delivered, counts(context).misdelivered) == (1, 0, 0)


def test_what_is_due_outside_of_measured_epochs_counts_nowhere() -> None:
    with population_context() as context:
        account, publisher = Account(context), TaskPublisher(context, None)
        account.connected("u", "c", ("g",))
        come(account, sent(publisher))
        assert counts(context) == Running(0, 0, 0, 0, 0, 0, 0)
        sending = publisher.due("group", "g")
        publisher.not_sent(sending, "closed_1006")
        publisher.unanswered(sending)
        assert counts(context).send_failed == 0


def test_a_message_of_the_next_epoch_is_followed_and_of_the_last_one_outdated(
    context: PopulationContext, account: Account
) -> None:
    member(account)
    publisher = TaskPublisher(context, None)
    of_first = sent(publisher)
    stamp = of_first.stamp._replace(mark=of_first.stamp.mark + (1 << 32))
    come(account, of_first._replace(stamp=stamp))
    assert (context.epochs.number, counts(context).delivered) == (2, 1)
    come(account, of_first)
    assert context.recorder.peek().counters["messages_outdated"] == 1


def test_a_client_hears_its_user_its_connection_and_all_and_after_it_came_again_no_older_connection(
    context: PopulationContext, account: Account
) -> None:
    publisher = TaskPublisher(context, None)
    for kind, name in (("user", "u"), ("connection", "c"), ("all", "")):
        come(account, sent(publisher, kind, name), group=None)
    assert (counts(context).delivered, counts(context).misdelivered) == (3, 0)
    come(account, sent(publisher, "user", "somebody else"), group=None)
    assert counts(context).misdelivered == 1
    account.lost(now_ns())
    account.connected("u", "d", ())
    come(account, sent(publisher, "connection", "d"), group=None)
    assert counts(context).delivered == 4


def test_what_goes_to_a_connection_that_another_has_replaced_is_not_waited_for(
    context: PopulationContext, account: Account
) -> None:
    publisher, run = TaskPublisher(context, None), context.run
    account.connected("u", "d", ())
    for connection in ("c", "d"):
        sent(publisher, "connection", connection)
    run.ledger.settle(
        run.ledger.finals(), lambda final, at: ScheduleCounter(run.task_streams.schedules()[final.stream]).before(at), 0
    )
    assert run.ledger.outstanding() == 1


def test_answers_are_heard_by_whom_they_are_for(context: PopulationContext, account: Account) -> None:
    other = Account(context)
    other.connected("v", "e", ())
    to = account.await_answers()
    assert account.await_answers() is to
    answer = sent(account.publisher, to.kind, to.name)
    come(other, answer, group=None)
    assert counts(context).misdelivered == 1
    come(account, answer, group=None)
    assert (counts(context).delivered, len(context.rtt)) == (1, 1)


def test_what_was_not_sent_has_a_cause_and_what_was_not_answered_counts_as_published(
    context: PopulationContext,
) -> None:
    publisher = TaskPublisher(context, None)
    publisher.not_sent(publisher.due("all", ""), "connect_ports_exhausted")
    publisher.not_sent(publisher.due("all", ""), "closed_1006")
    left = publisher.due("all", "")
    publisher.sealed("x", left)
    publisher.unanswered(left)
    (final,) = context.run.ledger.finals()
    assert (final.count, final.failed) == (3, (0, 3))
    (stream,) = publisher.numbers
    assert context.run.ledger.open_stream(stream, final.audience, None, False).failed_by == {
        Cause.GENERATOR: 1,
        Cause.SERVICE: 1,
    }
    assert (counts(context).published, counts(context).send_failed) == (1, 2)


def test_where_others_add_members_a_strange_group_is_not_a_misdelivery() -> None:
    """The creator of the Client URL may have put its client into groups."""
    config = load(
        {"wps_client_url": "ws://127.0.0.1:9/client/hubs/h?access_token=T"}, users=1, spawn_rate=1.0, environ={}
    )
    run = RunContext.create(
        config, run_id="r", number=7, users=1, network=Network.create(), warn=lambda kind, sentence: None
    )
    context = measure(PopulationContext.create(run, config.population, UrlAccess("", in_header=False)))
    account, publisher = Account(context), TaskPublisher(context, None)
    account.connected(None, None, ())
    come(account, sent(publisher))
    member(account)
    account.leaving("g")
    account.left("g", now_ns())
    come(account, sent(publisher))
    run.scheduler.close()
    assert (counts(context).delivered, counts(context).misdelivered) == (2, 0)
