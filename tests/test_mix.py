"""A mix's file: what is read, and every fault of it at once."""

from __future__ import annotations

from fractions import Fraction

import pytest

from wps_load.clock import NS_PER_S
from wps_load.settings.mix import Mix, read
from wps_load.settings.run_config import POPULATION_FIELDS
from wps_load.workload.values import Share

CHAT = """
[[population]]
name = "hosts"
users = 2
scenario = "big-group"
protocol = "protobuf"
groups = 1
rate = 0.5
ack = true
roles = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]

[[population]]
name = "viewers"
users = "80%"
protocol = "simple"
listens-to = "hosts"
start = "5s"
stop = "1m"
slo = "delivery p99 < 250ms"

[[population]]
name = "app"
users = 0
scenario = "broadcast"
total-rate = 10.0
"""


def faults(content: str) -> list[str]:
    return [str(fault) for fault in read(content, "somewhere/chat.toml", POPULATION_FIELDS)[1]]


def mix(content: str) -> Mix:
    found, wrong = read(content, "somewhere/chat.toml", POPULATION_FIELDS)
    assert wrong == []
    return found


def test_populations_have_names_users_times_and_options_as_a_command_line_would_have_them() -> None:
    found = mix(CHAT)
    assert (found.name, found.file) == ("chat", "chat.toml")
    hosts, viewers, app = found.tables
    assert (hosts.name, hosts.users, hosts.start_ns, hosts.stop_ns) == ("hosts", Share(count=2), 0, None)
    assert hosts.texts == {
        "--wps-scenario": "big-group",
        "--wps-protocol": "protobuf",
        "--wps-groups": "1",
        "--wps-rate": "0.5",
        "--wps-ack": True,
        "--wps-roles": "webpubsub.sendToGroup, webpubsub.joinLeaveGroup",
    }
    assert viewers.users == Share(fraction=Fraction(4, 5))
    assert (viewers.start_ns, viewers.stop_ns, viewers.listens_to) == (5 * NS_PER_S, 60 * NS_PER_S, "hosts")
    assert (app.users, app.texts["--wps-total-rate"]) == (Share(count=0), "10")


def one(line: str, name: str = "a") -> str:
    return f'[[population]]\nname = "{name}"\nusers = 1\n{line}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[[population]\n", "chat.toml: TOML, but this is not: "),
        ("", "chat.toml, population: at least one [[population]] table"),
        ("[population]\nname = 'a'\n", "chat.toml, population: at least one [[population]] table"),
        ("population = []", "chat.toml, population: at least one [[population]] table"),
        (f"settle = '5s'\n{one('')}", "chat.toml, settle: only [[population]] tables"),
        ("[[population]]\nusers = 1\n", "chat.toml, population number 1, name: a small Latin letter"),
        (one("", "Chat"), "chat.toml, population Chat, name 'Chat': a small Latin letter"),
        ("[[population]]\nname = 'a'\n", "chat.toml, population a, users: a number of users, or a share"),
        (one("").replace("1", "'120%'"), "chat.toml, population a, users '120%': a number of users, or a share"),
        (one("").replace("1", "-1"), "chat.toml, population a, users '-1': a number of users, or a share"),
        (one("").replace("1", "1.5"), "chat.toml, population a, users '1.5': a number of users, or a share"),
        (one("raet = 5"), "chat.toml, population a, raet: did you mean rate? A population has name, users,"),
        (one("wps-rate = 5"), "chat.toml, population a, wps-rate: in this file it is rate"),
        (one("data_type = 'json'"), "chat.toml, population a, data_type: in this file it is data-type"),
        (one("settle = '5s'"), "chat.toml, population a, settle: it applies to the whole run: give --wps-settle"),
        (one("ack = 'yes'"), "chat.toml, population a, ack 'yes': true or false"),
        (one("rate = true"), "chat.toml, population a, rate 'True': a text or a number: messages per second"),
        (one("rate = 2026-11-28"), "chat.toml, population a, rate '2026-11-28': a text or a number"),
        (one("slo = ''"), "chat.toml, population a, slo '': it is set but empty"),
        (one("start = 'soon'"), "chat.toml, population a, start 'soon': a duration such as"),
        (one("start = '5s'\nstop = '5s'"), "chat.toml, population a, stop '5s': later than its start, 5s"),
        (one("stop = '0s'"), "chat.toml, population a, stop '0s': a duration such as"),
        (one("listens-to = 3"), "chat.toml, population a, listens-to '3': the name of another population"),
        (one("listens-to = 'a'"), "chat.toml, population a, listens-to 'a': another population"),
        (one("listens-to = 'b'") + one("", "c"), "chat.toml, population a, listens-to 'b': the name of another"),
        (one("") + one(""), "chat.toml, population a, name: 2 populations have it"),
        (
            one("").replace("1", "'60%'") + one("", "b").replace("1", "'50%'"),
            "chat.toml, users: the shares add up to 110%: at most 100%",
        ),
    ],
)
def test_each_fault_is_one_sentence_that_names_file_population_key_and_value(content: str, said: str) -> None:
    (found,) = faults(content)
    assert found.startswith(said)


def test_all_faults_are_reported_at_once() -> None:
    found = faults(one("raet = 5\nack = 1\nlistens-to = 'nobody'") + one("settle = '5s'", "b"))
    assert len(found) == 4
