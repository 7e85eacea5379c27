from __future__ import annotations

import base64
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from wps_load.errors import ConfigError, Fault
from wps_load.settings.load import REDACTED, load
from wps_load.settings.options import BY_FLAG, OPTIONS
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Level
from wps_load.settings.target import AZURE_VARIABLE, TargetKind
from wps_load.workload.chaos import CutPlan

KEY = base64.b64encode(b"a very secret key").decode()
CONNECTION = f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
TOKEN = "eyJhbGciOi.eyJhdWQiOi.c2VjcmV0"
CLIENT_URL = f"wss://demo.webpubsub.azure.com/client/hubs/chat?access_token={TOKEN}"
NEGOTIATE = "https://app.example/negotiate?code=hidden"


def read(
    users: int | None = 100,
    spawn_rate: float | None = 50,
    environ: dict[str, str] | None = None,
    run_time_s: float | None = None,
    sources: dict[str, Level] | None = None,
    **options: Any,
) -> RunConfig:
    values = {f"wps_{name}": value for name, value in options.items()}
    return load(
        values,
        users=users,
        spawn_rate=spawn_rate,
        environ=environ or {},
        run_time_s=run_time_s,
        sources=sources,
    )


def faults(**options: Any) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as caught:
        read(**options)
    for secret in (KEY, TOKEN, "hidden"):
        assert secret not in str(caught.value)
    return caught.value.faults


def refused(**options: Any) -> Fault:
    (fault,) = faults(**options)
    return fault


# -- the table ---------------------------------------------------------------------------------------------


def test_nothing_given_is_the_echo_scenario_against_the_embedded_emulator() -> None:
    config = read()
    assert config.target.kind is TargetKind.EMULATOR
    population = config.population
    assert (population.scenario, population.protocol) == ("echo", "json")
    assert (population.hub, population.auth) == ("bench", "query")
    assert config.population.rate == 1
    assert config.population.payload[0].size_bytes == 2048
    assert config.token_lifetime_ns == 3600 * 10**9
    assert (config.connect_timeout_ns, config.settle_ns, config.warmup_ns, config.drain_ns) == (
        15 * 10**9,
        30 * 10**9,
        0,
        5 * 10**9,
    )
    assert config.population.slo == "rtt p99 < 1s, loss = 0, misdelivered = 0, connected >= 99%"
    assert config.report_dir == "reports"
    assert config.population.roles == ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


def test_the_web_form_turns_unset_into_empty_texts() -> None:
    emptied = {option.dest: "" for option in OPTIONS}
    config = load(emptied, users=100, spawn_rate=50, environ={})
    assert config.report_dir is None  # the one whose empty text says something: no files
    assert config.comparable() == read().comparable()


def test_each_option_has_a_flag_a_key_and_a_variable() -> None:
    option = BY_FLAG["--wps-connection-string"]
    assert (option.dest, option.key, option.env_var) == (
        "wps_connection_string",
        "wps-connection-string",
        "LOCUST_WPS_CONNECTION_STRING",
    )
    assert option.secret
    assert len({option.dest for option in OPTIONS}) == len(OPTIONS)
    assert len({option.field for option in OPTIONS}) == len(OPTIONS)
    assert all(option.argparse_help % {} == option.help for option in OPTIONS)


@pytest.mark.parametrize("option", [option for option in OPTIONS if not option.is_switch and option.default])
def test_every_default_is_allowed(option: Any) -> None:
    option.read(option.default)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("connection_string", "Endpoint=https://demo"),
        ("client_url", "https://demo/client/hubs/h?access_token=x"),
        ("client_url", "wss://demo/client/hubs/h"),
        ("client_url", "wss://demo/client/hubs/h?access_token=x\ny"),
        ("client_url", "wss://demo/client/hubs/h?access_token=x y"),
        ("client_url", "wss://demo/client/hubs/h?access_token="),
        ("client_url", "wss://demo:99999/client/hubs/h?access_token=x"),
        ("negotiate_url", "app.example/negotiate"),
        ("hub", "1hub"),
        ("keepalive_interval", "5ms"),
        ("hub", "a" * 129),
        ("auth", "cookie"),
        ("roles", "webpubsub.joinleavegroup"),
        ("token_lifetime", "0.5s"),
        ("protocol", "mqtt3"),
        ("scenario", "nothing"),
        ("rate", "fast"),
        ("rate", "0"),
        ("total_rate", "max"),
        ("arrival", "random"),
        ("payload", "63B"),
        ("payload_file", "/nowhere/at/all"),
        ("data_type", "xml"),
        ("ack", "perhaps"),
        ("groups", "0"),
        ("group_size", "x"),
        ("publishers", "0%"),
        ("connect_timeout", "0s"),
        ("settle", "30"),
        ("warmup", "-1s"),
        ("drain", "later"),
        ("slo", "rtt p99 < 250"),
        ("slo", "rtt p42 < 250ms"),
        ("stages", "100"),
        ("capacity", "rate:9..1"),
        ("units", "0"),
        ("tier", "gold"),
        ("seed", "-1"),
        ("seed", str(2**63)),
        ("emulator_faults", "drop=1"),
        ("ca_file", "/nowhere/at/all"),
        ("prometheus_port", "65536"),
        ("prometheus_host", "localhost:9464"),
    ],
)
def test_a_wrong_value_is_refused_by_name_value_and_what_is_allowed(option: str, value: str) -> None:
    fault = refused(**{option: value})
    flag = f"--wps-{option.replace('_', '-')}"
    assert fault.option == flag
    assert fault.value == (None if BY_FLAG[flag].secret else value)
    assert fault.allowed
    assert "\n" not in str(fault)


def test_text_that_utf8_cannot_hold_is_refused() -> None:
    assert str(refused(roles="webpubsub.sendToGroup.\udcff")) == "--wps-roles: text in UTF-8"


def test_all_faults_come_at_once_and_a_slip_gives_one() -> None:
    found = faults(rate="x", payload="1B", scenario="nothing", protocol="simple", cut="1/s reset")
    assert [fault.option for fault in found] == ["--wps-scenario", "--wps-rate", "--wps-payload"]


# -- targets -----------------------------------------------------------------------------------------------


def test_targets() -> None:
    by_key = read(connection_string=CONNECTION).target
    assert by_key.kind is TargetKind.CONNECTION_STRING
    assert by_key.connection is not None
    assert by_key.connection.access_key == KEY
    assert by_key.has_key
    assert by_key.describe() == "https://demo.webpubsub.azure.com"
    by_url = read(client_url=CLIENT_URL).target
    assert (by_url.kind, by_url.url, by_url.has_key) == (TargetKind.CLIENT_URL, CLIENT_URL, False)
    assert by_url.describe() == "wss://demo.webpubsub.azure.com/client/hubs/chat"
    negotiated = read(negotiate_url=NEGOTIATE).target
    assert negotiated.kind is TargetKind.NEGOTIATE
    assert negotiated.describe() == "https://app.example/negotiate (negotiated)"


def test_azures_variable_is_read_only_without_a_target() -> None:
    environ = {AZURE_VARIABLE: CONNECTION}
    assert read(environ=environ).target.kind is TargetKind.CONNECTION_STRING
    assert read(environ=environ, client_url=CLIENT_URL).target.kind is TargetKind.CLIENT_URL
    assert refused(environ={AZURE_VARIABLE: f"AccessKey={KEY}"}).option == AZURE_VARIABLE


def test_two_targets_at_one_level_are_refused() -> None:
    fault = refused(client_url=CLIENT_URL, negotiate_url=NEGOTIATE)
    assert fault.option == "--wps-client-url and --wps-negotiate-url"


def test_a_target_by_flag_outdoes_one_in_a_file() -> None:
    sources = {
        "wps_client_url": Level.FILE,
        "wps_negotiate_url": Level.FLAG,
        "wps_connection_string": Level.VARIABLE,
    }
    config = read(client_url=CLIENT_URL, negotiate_url=NEGOTIATE, connection_string=CONNECTION, sources=sources)
    assert config.target.kind is TargetKind.NEGOTIATE


def test_the_emulator_gets_its_endpoint_once_it_runs() -> None:
    config = read().with_emulator(f"Endpoint=http://127.0.0.1:4711;AccessKey={KEY};Version=1.0;")
    assert config.target.is_emulator
    assert config.target.connection is not None
    assert config.target.describe() == "embedded emulator at http://127.0.0.1:4711"


def test_the_emulator_keeps_to_what_was_bought() -> None:
    assert read().emulator_units is None
    assert read(units="2").emulator_units == "2"
    assert read(tier="free").emulator_units == read(tier="Free_F1", units="1").emulator_units == "free"
    assert read(tier="standard").emulator_units is None


def test_no_secret_is_shown() -> None:
    for config in (
        read(connection_string=CONNECTION),
        read(client_url=CLIENT_URL),
        read(negotiate_url=NEGOTIATE),
        read().with_emulator(CONNECTION),
    ):
        shown = repr(config) + repr(config.settings()) + repr(config.comparable()) + config.target.describe()
        for secret in (KEY, TOKEN, "hidden"):
            assert secret not in shown
    settings = read(connection_string=CONNECTION, negotiate_url="").settings()
    assert settings["wps-connection-string"] == REDACTED
    assert settings["wps-client-url"] is None


def test_a_wrong_negotiate_url_is_shown_without_its_query() -> None:
    assert refused(negotiate_url="app.example/negotiate?code=hidden").value == "app.example/negotiate"


# -- what belongs together ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "flag", "says"),
    [
        ({"scenario": "recovery"}, "--wps-protocol", "json-reliable, protobuf-reliable"),
        ({"scenario": "big-group", "protocol": "simple"}, "--wps-protocol", "cannot publish to a group"),
        ({"scenario": "broadcast", "client_url": CLIENT_URL}, "--wps-scenario", "connection string"),
        ({"scenario": "send-to-user", "negotiate_url": NEGOTIATE}, "--wps-scenario", "connection string"),
        (
            {"client_url": CLIENT_URL, "roles": "webpubsub.sendToGroup"},
            "--wps-roles",
            "has its roles already",
        ),
        ({"cut": "1/s reset"}, "--wps-cut", "it is for idle, recovery"),
        ({"slow": "10% 1KiB/s"}, "--wps-slow", "it is for slow-consumer"),
        ({"lifetime": "5s"}, "--wps-lifetime", "it is for churn"),
        ({"groups": "3"}, "--wps-groups", "small-group"),
        ({"scenario": "idle", "publishers": "10%"}, "--wps-publishers", "publishes nothing"),
        ({"scenario": "broadcast", "publishers": "10%"}, "--wps-publishers", "a number of REST senders"),
        ({"publishers": "101"}, "--wps-publishers", "100"),
        ({"scenario": "small-group", "users": 1}, "--users", "at least 2"),
        ({"scenario": "small-group", "groups": "101"}, "--wps-groups", "100"),
        ({"scenario": "small-group", "group_size": "101"}, "--wps-group-size", "100"),
        ({"no_echo": True}, "--wps-no-echo", "only for group scenarios"),
        ({"ack": True, "protocol": "simple"}, "--wps-ack", "no acks"),
        ({"ack": True, "scenario": "broadcast"}, "--wps-ack", "no user publishes"),
        ({"rate": "max", "total_rate": "5"}, "--wps-rate", "closed loop"),
        ({"rate": "max", "arrival": "poisson"}, "--wps-arrival", "no arrivals"),
        ({"rate": "max", "no_echo": True, "scenario": "small-group", "slo": "none"}, "--wps-no-echo", "own copy"),
        ({"scenario": "slow-consumer", "publishers": "100%"}, "--wps-publishers", "do not read slowly"),
        ({"rate": "max", "stages": "rate:5:5s"}, "--wps-rate", "closed loop"),
        ({"stages": "5:5s", "capacity": "users:5..9"}, "--wps-stages and --wps-capacity", "only one"),
        ({"capacity": "rate:5..9", "total_rate": "5"}, "--wps-capacity", "--wps-total-rate"),
        ({"capacity": "rate:5..9", "slo": "none"}, "--wps-capacity", "an SLO"),
        ({"scenario": "idle", "stages": "rate:5:5s"}, "--wps-stages", "publishes nothing"),
        ({"emulator_faults": "drop=1/9", "client_url": CLIENT_URL}, "--wps-emulator-faults", "emulator"),
        ({"payload": "1MiB"}, "--wps-payload", "1MiB on the wire"),
        ({"payload": "800KiB", "data_type": "binary"}, "--wps-payload", "base64"),
        ({"slo": "viewers.rtt p99 < 1s"}, "--wps-slo", "no population is called viewers"),
        ({"slo": "delivery p99 < 1s"}, "--wps-slo", "not measured"),
        ({"scenario": "idle", "slo": "loss = 0"}, "--wps-slo", "no messages"),
        ({"scenario": "small-group", "no_echo": True, "slo": "rtt p99 < 1s"}, "--wps-slo", "not measured"),
        ({"keepalive_interval": "30s", "keepalive_timeout": "30s"}, "--wps-keepalive-timeout", "answered in time"),
        ({"units": "2", "tier": "free"}, "--wps-units", "Free_F1 has at most 1"),
    ],
)
def test_bad_combinations_are_refused_in_one_sentence(options: dict[str, Any], flag: str, says: str) -> None:
    fault = refused(**options)
    assert fault.option == flag
    assert says in fault.allowed


@pytest.mark.parametrize(
    "options",
    [
        {"client_url": CLIENT_URL, "users": 50},
        {"scenario": "broadcast", "connection_string": CONNECTION, "protocol": "simple"},
        {"scenario": "recovery", "protocol": "protobuf-reliable", "cut": "all@10s"},
        {"payload": "800KiB", "data_type": "binary", "protocol": "protobuf"},
        {"scenario": "small-group", "users": None},
        {"scenario": "idle", "run_time_s": 4},
        {"rate": "1", "total_rate": "50", "arrival": "poisson"},
        {"slo": "rtt p99 < 250ms, loss = 0, connect p95 <= 2s, connected >= 99.9%"},
        {"roles": "none"},
        {"units": "100", "tier": "Premium_P2"},
        {"scenario": "big-group", "users": 10},
        {"groups": "", "cut": None},
        {"keepalive_interval": "0", "keepalive_timeout": "1s"},
        {"keepalive_interval": "1s", "keepalive_timeout": "0"},
    ],
)
def test_good_combinations_are_not(options: dict[str, Any]) -> None:
    read(**options)


# -- what comes out ----------------------------------------------------------------------------------------


def test_the_scenarios_own_options_have_its_defaults() -> None:
    recovery = read(scenario="recovery", protocol="json-reliable")
    assert recovery.population.cut == CutPlan("reset", per_s=Fraction(1))
    assert recovery.settings()["wps-cut"] == "1/s reset"
    assert read(scenario="churn").population.lifetime_ns == 10 * 10**9
    assert read(scenario="slow-consumer").population.slow is not None
    assert read().population.cut is None


def test_rates_of_each_publisher() -> None:
    assert read(rate="0.1").population.publisher_rate(30) == Fraction(1, 10)
    assert read(total_rate="100").population.publisher_rate(30) == Fraction(100, 30)
    closed = read(rate="max")
    assert closed.population.publisher_rate(30) is None
    assert closed.population.closed_loop
    assert not read(total_rate="100").population.closed_loop


def test_roles_are_dealt_out_for_the_most_users_that_come() -> None:
    assert read().peak_users == 100
    assert read(stages="10:5s,200:5s").peak_users == 200
    assert read(stages="rate:10:5s").peak_users == 100
    assert read(capacity="users:10..500").peak_users == 500


def test_slos_in_force_are_text_and_parsed() -> None:
    config = read(slo="rtt p99 < 250ms, loss = 0")
    assert [slo.subject for slo in config.population.slos] == ["rtt", "loss"]
    assert read(slo="none").population.slos == ()
    assert read(slo="none").settings()["wps-slo"] == "none"


def test_a_seed_is_drawn_and_recorded() -> None:
    config, again = read(), read()
    assert config.seed != again.seed
    assert config.settings()["wps-seed"] == str(config.seed)
    assert read(seed="7").seed == 7


def test_settings_do_the_run_again() -> None:
    config = read(scenario="recovery", protocol="json-reliable", rate="5", no_echo=True, seed="3", publishers="20%")
    settings = config.settings()
    again = load(
        {key.replace("-", "_"): value for key, value in settings.items() if value is not None},
        users=settings["users"],  # type: ignore[arg-type]
        spawn_rate=settings["spawn-rate"],  # type: ignore[arg-type]
        environ={},
    )
    assert again == config


def test_runs_compare_when_the_load_is_the_same() -> None:
    base = read()
    for same in (
        read(seed="9"),
        read(payload="2048B"),
        read(report_dir=""),
        read(slo="none"),
        read(drain="9s"),
        read(units="1", tier="standard"),
    ):
        assert same.settings_hash == base.settings_hash
    for other in (
        read(rate="2"),
        read(payload="1KiB"),
        read(users=101),
        read(protocol="protobuf"),
        read(connection_string=CONNECTION),
        read(emulator_faults="delay=5ms"),
    ):
        assert other.settings_hash != base.settings_hash
    assert re.fullmatch("[0-9a-f]{16}", base.settings_hash)


def test_a_payload_file_is_read_and_judged(tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_text("x" * 100 + "\n" + "y" * 200 + "\n")
    config = read(payload_file=str(good))
    assert config.population.samples == (b"x" * 100, b"y" * 200)
    assert config.population.payload_plan(envelope=True).choose(0, 0).size_bytes in (100, 200)
    assert refused(payload_file=str(good), payload="1KiB").option == "--wps-payload and --wps-payload-file"
    bad = tmp_path / "bad.txt"
    bad.write_text("short\n")
    assert "line 1 has 5 bytes" in refused(payload_file=str(bad)).allowed
    assert read(payload_file=str(good)).settings_hash != read().settings_hash
