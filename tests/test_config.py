"""Texts to one RunConfig: values, targets, and what comes out."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.config_texts import CLIENT_URL, CONNECTION, KEY, NEGOTIATE, TOKEN, faults, read, refused
from wps_load.protocol.traits import INVOKING, MQTTS
from wps_load.settings.load import REDACTED, load
from wps_load.settings.options import BY_FLAG, OPTIONS
from wps_load.settings.sources import SourceLevel
from wps_load.settings.target import AZURE_VARIABLE, TargetKind
from wps_load.workload.chaos import CutPlan

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


def test_a_target_by_flag_overrides_one_in_a_file() -> None:
    sources = {
        "wps_client_url": SourceLevel.FILE,
        "wps_negotiate_url": SourceLevel.FLAG,
        "wps_connection_string": SourceLevel.VARIABLE,
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


# -- what comes out ----------------------------------------------------------------------------------------


def test_the_scenarios_own_options_have_its_defaults() -> None:
    recovery = read(scenario="recovery", protocol="json-reliable")
    assert recovery.population.cut == CutPlan("reset", per_s=Fraction(1))
    assert recovery.settings()["wps-cut"] == "1/s reset"
    assert read(scenario="churn").population.lifetime_ns == 10 * 10**9
    assert read(scenario="slow-consumer").population.slow is not None
    assert read().population.cut is None


@pytest.mark.parametrize("protocol", MQTTS)
def test_mqtt_sessions_that_are_to_keep_messages_have_a_quality_of_service(protocol: str) -> None:
    recovery = read(scenario="recovery", protocol=protocol)
    assert (recovery.population.qos, recovery.settings()["wps-qos"]) == (1, "1")
    assert read(scenario="recovery", protocol=protocol, qos="0").population.qos == 0
    assert read(scenario="echo", protocol=protocol).population.qos == 0
    assert read(scenario="recovery", protocol="json-reliable").population.qos == 0
    assert read().settings()["wps-qos"] is None, "only MQTT has one"


def test_streams_have_sizes_of_their_own_unless_they_are_given() -> None:
    found = read(scenario="stream")
    population = found.population
    assert (population.rate, population.payload[0].size_bytes) == (Fraction(20), 64)
    assert population.stream_length_ns == 10 * 10**9
    assert population.no_echo, "a publisher does not read its own stream"
    shown = found.settings()
    assert (shown["wps-rate"], shown["wps-payload"], shown["wps-stream-length"]) == ("20", "64B", "10s")
    assert population.streams == 1
    assert read(scenario="stream", streams="40").population.streams == 40
    given = read(scenario="stream", rate="5", payload="1KiB", stream_length="2s").population
    assert (given.rate, given.payload[0].size_bytes, given.stream_length_ns) == (Fraction(5), 1024, 2 * 10**9)
    assert read(scenario="stream", rate="1").population.rate == 1, "what others have, but given"
    assert read().population.rate == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"protocol": "simple"}, "a simple client has no streams, and nor has MQTT"),
        ({"protocol": "mqtt5"}, "a simple client has no streams, and nor has MQTT"),
        ({"rate": "max"}, "a stream's publisher gets no copies"),
        ({"ack": True}, "fragments have acks of their own"),
        ({"streams": "0"}, "a whole number from 1 to 1,000"),
        ({"streams": "-2"}, "a whole number from 1 to 1,000"),
        ({"stream_length": "-1s"}, "duration"),
        ({"scenario": "echo", "streams": "2"}, "echo has no use for it; it is for stream"),
    ],
)
def test_what_streams_do_not_go_together_with(options: dict[str, Any], sentence: str) -> None:
    (fault,) = faults(**{"scenario": "stream", **options})
    assert sentence in fault.allowed


@pytest.mark.parametrize("protocol", ["protobuf", "simple", "mqtt5"])
def test_an_invocation_where_there_is_none_is_refused_with_one_sentence(protocol: str) -> None:
    (fault,) = faults(scenario="invoke", protocol=protocol)
    assert (fault.option, fault.value) == ("--wps-protocol", protocol)
    assert f"only {' and '.join(INVOKING)} can invoke" in fault.allowed


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
    assert config.settings()["wps-payload"] is None, "what was sent is said by the file alone"
    assert config.population.samples == (b"x" * 100, b"y" * 200)
    assert config.population.payload_plan(envelope=True).choose(0, 0).size_bytes in (100, 200)
    assert refused(payload_file=str(good), payload="1KiB").option == "--wps-payload and --wps-payload-file"
    bad = tmp_path / "bad.txt"
    bad.write_text("short\n")
    assert "line 1 has 5 bytes" in refused(payload_file=str(bad)).allowed
    assert read(payload_file=str(good)).settings_hash != read().settings_hash
