"""A mix's file and the command line together: the run's populations, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from wps_load.errors import ConfigError
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.workload.scenarios import LISTENER

HOSTS = """
[[population]]
name = "hosts"
users = 2
scenario = "big-group"
protocol = "protobuf"
groups = 1
publishers = "100%"
rate = 5
"""
VIEWERS = """
[[population]]
name = "viewers"
users = "60%"
protocol = "simple"
listens-to = "hosts"
slo = "delivery p99 < 250ms"
"""
APP = """
[[population]]
name = "app"
users = 0
scenario = "broadcast"
total-rate = 3
"""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return tmp_path / "chat.toml"


def read(
    file: Path, content: str, users: int | None = 20, run_time_s: float | None = 20.0, **options: str
) -> RunConfig:
    file.write_text(content)
    values = {"wps_mix": str(file), **{f"wps_{name}": value for name, value in options.items()}}
    return load(values, users=users, spawn_rate=20.0, environ={}, run_time_s=run_time_s)


def refusals(
    file: Path, content: str, users: int | None = 20, run_time_s: float | None = 20.0, **options: str
) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read(file, content, users, run_time_s, **options)
    return [str(fault) for fault in refused.value.faults]


def test_each_population_has_the_command_lines_options_unless_its_table_says_otherwise(made: Path) -> None:
    config = read(made, HOSTS + VIEWERS + APP, payload="512B", rate="2", protocol="json", scenario="idle")
    hosts, viewers, app = config.populations
    assert (config.mix, config.names) == ("chat", ("hosts", "viewers", "app"))
    assert (hosts.scenario, hosts.protocol, hosts.rate) == ("big-group", "protobuf", Fraction(5))
    assert (viewers.scenario, viewers.protocol, viewers.rate) == (LISTENER, "simple", Fraction(2))
    assert {each.payload[0].size_bytes for each in config.populations} == {512}
    assert (app.protocol, app.total_rate) == ("json", Fraction(3))
    assert config.protocols == "protobuf, simple, json"
    assert config.mixture(20).counts == (2, 12, 0)


def test_demands_name_their_population_and_each_has_its_scenarios_own(made: Path) -> None:
    config = read(made, HOSTS + VIEWERS + APP, slo="loss = 0, hosts.rtt p99 < 1s")
    assert [slo.expression for slo in config.slos] == [
        "loss = 0",
        "hosts.delivery p99 < 1s", "hosts.loss = 0", "hosts.misdelivered = 0", "hosts.connected >= 99%",
        "hosts.rtt p99 < 1s",
        "viewers.delivery p99 < 250ms",
        "app.rest_publish fail_ratio < 1%",
    ]  # fmt: skip
    assert [slo.population for slo in config.slos] == ["", *["hosts"] * 5, "viewers", "app"]


def test_mqtts_acks_may_be_demanded_in_a_mix(made: Path) -> None:
    devices = HOSTS.replace("protobuf", "mqtt5") + 'qos = 1\nslo = "publish_ack p99 < 1s"\n'
    assert read(made, devices).slos[0].expression == "hosts.publish_ack p99 < 1s"


def test_what_holds_for_the_whole_run_is_refused_once_and_not_of_a_population(made: Path) -> None:
    found = refusals(made, HOSTS + VIEWERS, keepalive_interval="60s", keepalive_timeout="10s", units="5", tier="free")
    assert [each.partition(" ")[0] for each in found] == ["--wps-keepalive-timeout", "--wps-units"]


@pytest.mark.parametrize(
    ("option", "value", "names"),
    [("total_rate", "100", "two, three"), ("publishers", "3", "one, two, three"), ("groups", "4", "one, two, three")],
)
def test_a_number_of_the_whole_load_is_refused_where_several_populations_would_have_it(
    made: Path, option: str, value: str, names: str
) -> None:
    tables = [
        f'[[population]]\nname = "{name}"\nusers = "30%"\nscenario = "small-group"\n{more}\n'
        for name, more in (("one", "rate = 2"), ("two", ""), ("three", ""))
    ]
    key = option.replace("_", "-")
    given: dict[str, Any] = {option: value}
    assert refusals(made, "".join(tables), **given) == [
        f"--wps-{key} {value!r}: {names} would each have all of it: set {key} in their tables"
    ]
    config = read(made, tables[0] + tables[1], total_rate="100", publishers="20%")
    rates = [(each.rate, each.total_rate) for each in config.populations]
    assert rates == [(Fraction(2), None), (Fraction(1), Fraction(100))]
    assert "no population uses it" in refusals(made, tables[0], total_rate="100")[0]


def test_a_total_rate_may_be_searched_and_staged(made: Path) -> None:
    read(made, HOSTS + VIEWERS, slo="delivery p99 < 1s", capacity="rate:10..100")
    read(made, HOSTS + VIEWERS, stages="rate:10:5s,rate:20:5s")


@pytest.mark.parametrize(
    ("start", "run_time_s", "stages", "end"),
    [("20s", 20.0, "", "20"), ("19.5s", 20.0, "", "20"), ("1m", None, "10:5s,20:5s", "10")],
)
def test_a_population_that_begins_after_the_run_is_refused(
    made: Path, start: str, run_time_s: float | None, stages: str, end: str
) -> None:
    mix = HOSTS + VIEWERS + f"start = '{start}'\n"
    options: dict[str, Any] = {"stages": stages} if stages else {}
    (found,) = refusals(made, mix, None if stages else 20, run_time_s, **options)
    assert found.startswith("chat.toml, population viewers, start '")
    assert f"the end of the run, which is at {end}s" in found


def test_a_population_may_begin_in_the_last_seconds(made: Path) -> None:
    read(made, HOSTS + VIEWERS + "start = '19s'\n")
    read(made, HOSTS + VIEWERS + "start = '1h'\n", run_time_s=None)


def test_a_search_keeps_demands_of_the_whole_run(made: Path) -> None:
    found = refusals(made, HOSTS, capacity="users:10..100")
    assert any(each.startswith("--wps-capacity: a search of a mix keeps") for each in found)
    config = read(made, HOSTS + VIEWERS, slo="delivery p99 < 1s", capacity="users:10..100")
    assert [slo.expression for slo in config.slos] == ["delivery p99 < 1s"]


def test_listeners_join_groups_and_publish_only_if_they_are_told_to(made: Path) -> None:
    listener = VIEWERS.replace("simple", "json")
    (_, quiet) = read(made, HOSTS + listener + 'scenario = "big-group"').populations
    assert (quiet.scenario, quiet.roles) == (LISTENER, ("webpubsub.joinLeaveGroup",))
    (_, loud) = read(made, HOSTS + listener + 'scenario = "big-group"\npublishers = "10%"').populations
    assert (loud.scenario, loud.publishers.fraction if loud.publishers else None) == ("big-group", Fraction(1, 10))
    (_, come_and_go) = read(made, HOSTS + listener + 'scenario = "churn"\nlifetime = "5s"').populations
    assert (come_and_go.scenario, come_and_go.lifetime_ns) == ("churn", 5_000_000_000)


def test_users_default_to_the_sum_of_numbers(made: Path) -> None:
    assert read(made, HOSTS + VIEWERS.replace('"60%"', "5"), users=None).users == 7
    assert read(made, HOSTS + VIEWERS, users=None).users is None


def test_a_mix_of_shares_is_not_run_with_one_user(made: Path) -> None:
    def unset(content: str, **options: str) -> RunConfig:
        made.write_text(content)
        values = {"wps_mix": str(made), **options}
        return load(values, users=None, users_if_unset=1, spawn_rate=20.0, environ={}, run_time_s=20.0)

    with pytest.raises(ConfigError, match=r"^--users: a number of users: the populations of chat.toml are"):
        unset(HOSTS + VIEWERS)
    assert unset(HOSTS + VIEWERS.replace('"60%"', "5")).users == 7
    assert unset(HOSTS + VIEWERS, wps_stages="20:10s,40:10s").peak_users == 40


def test_runs_of_another_mix_are_not_compared(made: Path) -> None:
    one = read(made, HOSTS + VIEWERS)
    assert one.settings_hash == read(made.with_name("other.toml"), HOSTS + VIEWERS).settings_hash
    assert one.settings_hash != read(made, HOSTS + VIEWERS.replace("60%", "50%")).settings_hash
    assert one.settings_hash != read(made, HOSTS.replace("rate = 5", "rate = 6") + VIEWERS).settings_hash


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (HOSTS.replace("= 5", "= 'fast'"), {}, "chat.toml, population hosts, rate 'fast': messages per second"),
        (HOSTS.replace("protobuf", "simple"), {}, "chat.toml, population hosts, protocol 'simple': big-group needs"),
        (HOSTS + VIEWERS.replace("p99", "p98"), {}, "chat.toml, population viewers, slo"),
        (HOSTS + VIEWERS.replace("delivery", "publish_ack"), {}, "chat.toml, population viewers, slo"),
        (HOSTS, {"slo": "nobody.loss = 0"}, "--wps-slo 'nobody.loss = 0': no population is called nobody: hosts"),
        (HOSTS.replace("= 2", "= 0"), {}, "chat.toml, population hosts, users '0': big-group needs users"),
        (APP.replace("broadcast", "send-to-user"), {}, "chat.toml, population app, users '0': it sends to single"),
        (
            HOSTS.replace("big-group", "upstream").replace("groups = 1\n", "") + VIEWERS,
            {},
            "chat.toml, population viewers, listens-to 'hosts': a population with groups; upstream has none",
        ),
        (HOSTS + VIEWERS + 'hub = "other"', {}, "chat.toml, population viewers, listens-to 'hosts': a population of"),
        (HOSTS + "lifetime = '5s'", {}, "chat.toml, population hosts, lifetime: big-group has no use for it"),
        (
            HOSTS + VIEWERS,
            {"client_url": "wss://x.webpubsub.azure.com/client/hubs/h?access_token=a"},
            "chat.toml, population viewers, listens-to 'hosts': simple clients get their groups from their token",
        ),
        (APP + HOSTS, {"client_url": "wss://x.webpubsub.azure.com/client/hubs/h?access_token=a"}, "chat.toml, "),
    ],
)
def test_what_a_population_cannot_be_is_refused_by_its_name(
    made: Path, content: str, options: dict[str, Any], said: str
) -> None:
    assert any(each.startswith(said) for each in refusals(made, content, 20, **options))


def test_a_load_that_cannot_come_about_is_refused(made: Path) -> None:
    assert any("connecting 500 users" in each for each in refusals(made, HOSTS + VIEWERS, users=500))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--wps-mix 'gone.toml': a readable file"):
        load({"wps_mix": "gone.toml"}, users=1, spawn_rate=1.0, environ={})


def test_what_a_mix_asks_makes_its_fingerprint_and_the_file_s_name_does_not(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.write_text(f"{'one' * 30}\n")
    tables = [f'[[population]]\nname = "{name}"\nusers = 5\n' for name in "ab"]
    table = f'{tables[0]}{tables[1]}payload-file = "{samples}"\n'

    def fingerprint(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return load({"wps_mix": str(tmp_path / name)}, users=10, spawn_rate=5.0, environ={}).settings_hash

    one = fingerprint("one.toml", table)
    assert fingerprint("two.toml", f"# a comment\n{table}") == one
    assert fingerprint("one.toml", table.replace('name = "b"', 'name = "b"\nrate = 2')) != one
    assert fingerprint("one.toml", table.replace('name = "b"', 'name = "c"')) != one
    samples.write_text(f"{'two' * 30}\n")
    assert fingerprint("one.toml", table) != one, "the second population's messages are others"
