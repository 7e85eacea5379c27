"""User classes with tasks of their own: what they say instead of the options, and what of it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.errors import ConfigError
from wps_load.settings.classes import TaskClass
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile
from wps_load.workload.scenarios import JOIN_AND_PUBLISH, LOCUSTFILE

KEY = "give a connection string, whose key signs"
CLIENT_URL = "wss://x.webpubsub.azure.com/client/hubs/chat?access_token=abc"


def read(*classes: TaskClass, plays_scenario: bool = False, **options: Any) -> RunConfig:
    values = {f"wps_{name}": text for name, text in options.items()}
    locustfile = Locustfile(plays_scenario=plays_scenario, classes=classes)
    return load(values, users=2, spawn_rate=1.0, environ={}, locustfile=locustfile)


def refused(*classes: TaskClass, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read(*classes, **options)
    return [str(fault) for fault in error.value.faults]


def test_several_classes_have_names_and_one_alone_has_none() -> None:
    assert read(TaskClass("ChatUser")).names == ()
    assert read(TaskClass("ChatUser"), TaskClass("Server", rest=True)).names == ("chat-user", "server")
    assert read(TaskClass("ChatUser"), plays_scenario=True, scenario="idle").names == ("idle", "chat-user")


@pytest.mark.parametrize(
    ("slo", "why"),
    [
        ("chatuser.rtt p99 < 1s", "no population is called chatuser: there are chat-user, fast"),
        ("chat-user.recover p99 < 1s", "recover is not measured by this scenario"),
    ],
)
def test_an_slo_may_be_about_a_class(slo: str, why: str) -> None:
    classes = TaskClass("ChatUser"), TaskClass("Fast", protocol="json-reliable")
    (fault,) = refused(*classes, slo=slo)
    assert why in fault
    asked = "fast.recover p99 < 1s, chat-user.loss = 0, fast.connected >= 99%, rtt p99 < 1s"
    assert [one.population for one in read(*classes, slo=asked).population.slos] == ["fast", "chat-user", "fast", ""]


def test_an_slo_of_a_class_where_there_is_one_only() -> None:
    (fault,) = refused(TaskClass("ChatUser"), slo="chat-user.rtt p99 < 1s")
    assert "the run has one only, which has no name" in fault


def test_each_class_has_a_population_of_its_own() -> None:
    listener = TaskClass("Listener", protocol="protobuf", hub="other", roles=(), auth="header")
    config = read(TaskClass("ChatUser"), listener, hub="chat", auth="query")
    found = [(one.user_class, one.protocol, one.hub, one.roles, one.auth) for one in config.populations]
    assert found == [
        ("ChatUser", "json", "chat", JOIN_AND_PUBLISH, "query"),
        ("Listener", "protobuf", "other", (), "header"),
    ]
    assert {one.scenario for one in config.populations} == {LOCUSTFILE}


def test_beside_users_of_a_scenario_they_come_after_them() -> None:
    config = read(TaskClass("ChatUser"), plays_scenario=True, scenario="idle")
    assert [(one.user_class, one.scenario) for one in config.populations] == [("", "idle"), ("ChatUser", LOCUSTFILE)]
    assert [one.roles for one in config.populations] == [(), JOIN_AND_PUBLISH], "a scenario's roles are not a task's"


def test_roles_of_the_options_hold_for_classes_that_say_nothing() -> None:
    config = read(TaskClass("A"), TaskClass("B", roles=JOIN_AND_PUBLISH), roles="none")
    assert [one.roles for one in config.populations] == [(), JOIN_AND_PUBLISH]


def test_tasks_have_no_default_slo_and_may_have_one_on_all_that_they_can_measure() -> None:
    assert read(TaskClass("A")).population.slos == ()
    asked = (
        "rtt p99 < 1s, delivery p99 < 1s, publish_ack p99 < 1s, rest_publish p99 < 1s, join_group p99 < 1s, loss = 0"
    )
    assert len(read(TaskClass("A"), slo=asked).population.slos) == 6
    (fault,) = refused(TaskClass("A"), slo="recover p99 < 1s")
    assert "recover" in fault
    assert read(TaskClass("A"), TaskClass("B", protocol="json-reliable"), slo="recover p99 < 1s").population.slos


@pytest.mark.parametrize(
    ("each", "sentence"),
    [
        (TaskClass("A", hub="x"),
         f"A.hub: a URL's token names its hub already: {KEY} tokens, or leave it out"),
        (TaskClass("A", roles=()),
         f"A.roles: a URL's token has its roles already: {KEY} tokens, or leave it out"),
        (TaskClass("A", protocol="simple", groups=("g",)),
         f"A.groups: a simple client is put into groups by its token: {KEY} tokens"),
        (TaskClass("A", rest=True),
         f"A: it sends by REST: {KEY} the calls, not a URL"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", [{"client_url": CLIENT_URL}, {"negotiate_url": "http://localhost:1/negotiate"}])
def test_what_only_a_key_can_give_is_refused_with_a_url(each: TaskClass, sentence: str, target: dict[str, Any]) -> None:
    assert refused(each, **target) == [sentence]
    assert read(each)
    assert read(TaskClass("A", protocol="protobuf", auth="header", groups=("g",)), **target)


def test_all_faults_of_all_classes_at_once() -> None:
    assert (
        len(refused(TaskClass("A", hub="x", roles=()), TaskClass("B", rest=True), rate="0", client_url=CLIENT_URL)) == 4
    )


@pytest.mark.parametrize(
    ("name", "population"),
    [
        ("ChatUser", "chat-user"), ("Chat", "chat"), ("HTTPThing2Go", "http-thing2-go"), ("Chat_User", "chat-user"),
        ("_Private", "private"), ("user2", "user2"), ("A", "a"), ("ÜberUser", "ber-user"), ("用户", ""), ("_2B", "b"),
    ],
)  # fmt: skip
def test_a_population_is_called_after_its_class(name: str, population: str) -> None:
    assert TaskClass(name).population == population


def test_two_classes_of_one_name_and_names_that_give_none_are_refused() -> None:
    assert refused(TaskClass("ChatUser"), TaskClass("Chat_User"), TaskClass("用户")) == [
        "ChatUser and Chat_User: both would be called chat-user: rename one of them",
        "用户: a class is a population named after it: give it a name with Latin letters",
    ]


def test_options_that_tasks_have_no_use_for() -> None:
    (fault,) = refused(TaskClass("A"), lifetime="5s")
    assert fault == "--wps-lifetime: locustfile has no use for it; it is for churn"


def test_acks_may_be_requested() -> None:
    values: dict[str, Any] = {"wps_ack": True}
    assert load(
        values, users=1, spawn_rate=1.0, environ={}, locustfile=Locustfile(False, classes=(TaskClass("A"),))
    ).population.ack
