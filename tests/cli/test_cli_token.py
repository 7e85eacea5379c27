"""`wps-load token`: claims, where the target comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.cli.cli_program import Run
from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.client.generate_token import Wanted
from wps_load.clock import unix_time_s
from wps_load.errors import ConnectFailure
from wps_load.protocol.traits import MQTTS

KEY = "K" * 44
CONNECTION = f"Endpoint=https://x.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"


def claims(url: str, key: str = KEY) -> dict[str, Any]:
    token = parse_qs(urlsplit(url.strip()).query)["access_token"][0]
    return jwt.decode(token, key, algorithms=["HS256"], options={"verify_aud": False})


def test_all_options_become_claims(run: Run) -> None:
    result = run(
        "token", "--wps-connection-string", CONNECTION, "--hub", "chat", "--user", "alice",
        "--role", "webpubsub.joinLeaveGroup", "--role", "webpubsub.sendToGroup.lobby",
        "--group", "lobby", "--group", "hall", "--expires", "90s",
    )  # fmt: skip
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("wss://x.webpubsub.azure.com/client/hubs/chat?access_token=")
    assert len(result.out.splitlines()) == 1
    found = claims(result.out)
    assert found["aud"] == "https://x.webpubsub.azure.com/client/hubs/chat"
    assert found["sub"] == "alice"
    assert found["role"] == ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup.lobby"]
    assert found["webpubsub.group"] == ["lobby", "hall"]
    assert found["exp"] - found["iat"] == 90
    assert abs(found["iat"] - unix_time_s()) <= 5


@pytest.mark.parametrize("protocol", MQTTS)
def test_mqtt_clients_have_an_endpoint_of_their_own(run: Run, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("token", "--wps-connection-string", CONNECTION, "--hub", "chat", "--wps-protocol", protocol)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("wss://x.webpubsub.azure.com/clients/mqtt/hubs/chat?access_token=")
    assert claims(result.out)["aud"] == "https://x.webpubsub.azure.com/clients/mqtt/hubs/chat"
    store = Store()
    monkeypatch.setattr("wps_load.commands.token.token_store", lambda config, network: store)
    result = run("token", *ENTRA, "--wps-protocol", protocol)
    assert result.out == "wss://x.webpubsub.azure.com/clients/mqtt/hubs/bench?access_token=made\n"
    assert [wanted.client_type for wanted in store.asked] == ["MQTT"]


def test_without_a_target_it_is_for_the_emulator(run: Run) -> None:
    result = run("token")
    assert result.out.startswith("ws://127.0.0.1:8080/client/hubs/bench?")
    assert "sub" not in claims(result.out, DEFAULT_EMULATOR_KEY)


def test_roles_and_lifetime_are_a_runs_where_not_given(run: Run) -> None:
    found = claims(run("token", "--wps-token-lifetime", "2m").out, DEFAULT_EMULATOR_KEY)
    assert found["role"] == ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]
    assert found["exp"] - found["iat"] == 120
    assert "role" not in claims(run("token", "--wps-scenario", "idle").out, DEFAULT_EMULATOR_KEY)
    assert "role" not in claims(run("token", "--wps-roles", "none").out, DEFAULT_EMULATOR_KEY)


class TestWhereTheTargetComesFrom:
    def test_azures_variable(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WebPubSubConnectionString", CONNECTION)
        assert run("token").out.startswith("wss://x.webpubsub.azure.com/")

    def test_a_locust_variable_before_azures(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WebPubSubConnectionString", CONNECTION)
        monkeypatch.setenv("LOCUST_WPS_CONNECTION_STRING", CONNECTION.replace("//x.", "//y."))
        assert run("token").out.startswith("wss://y.webpubsub.azure.com/")

    def test_a_flag_before_a_file_in_which_locusts_own_keys_are_ignored(self, run: Run, tmp_path: Path) -> None:
        config = tmp_path / "run.conf"
        config.write_text(f"headless = true\nwps-hub = filed\nwps-connection-string = {CONNECTION}\n")
        assert run("token", "--config", config).out.startswith("wss://x.webpubsub.azure.com/client/hubs/filed?")
        other = CONNECTION.replace("//x.", "//y.")
        assert run("token", "--config", config, "--wps-connection-string", other).out.startswith("wss://y.")

    def test_a_flag_of_another_kind_overrides_the_file(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "run.conf").write_text("wps-client-url = wss://h/client/hubs/a?access_token=t\n")
        result = run("token", "--config", "run.conf", "--wps-connection-string", CONNECTION)
        assert result.code == 0

    @pytest.mark.parametrize(
        ("name", "text"),
        [("locust.conf", "wps-hub = local\n"), ("pyproject.toml", '[tool.locust]\nwps-hub = "local"\n')],
    )
    def test_locusts_default_files(self, run: Run, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        assert "/client/hubs/local?" in run("token").out


class TestRefused:
    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            (["--wps-client-url", "wss://h/client/hubs/a?access_token=t0ps3cret"], "--wps-client-url: it has no key"),
            (["--wps-negotiate-url", "http://h/negotiate?code=t0ps3cret"], "--wps-negotiate-url: it has no key"),
            (["--wps-connection-string", "Endpoint=https://h;t0ps3cret"], "part 2 of the connection string"),
            (["--hub", "1"], "--hub '1': a letter"),
            (["--expires", "soon"], "--expires 'soon': a duration"),
            (["--role", "webpubsub.everything"], "--role 'webpubsub.everything': "),
            (["--group", "g" * 2000], "--group: it has 2,000 characters; allowed are 1,024"),
            (["--user", " "], "--user: it is ' '"),
            (["--role", "webpubsub.sendToGroup." + "g" * 2000], "at most 1,024 characters"),
            (["--wps-rate", "fast"], "--wps-rate 'fast': "),
            (["--users", "0"], "--users '0': a whole number"),
            (["--run-time", "long"], "--run-time 'long': a duration"),
            (["--spawn-rate", "0"], "--spawn-rate '0': a number above zero"),
            (["--config", "missing.conf"], "missing.conf"),
        ],
    )
    def test_in_one_sentence(self, run: Run, argv: list[str], said: str) -> None:
        result = run("token", *argv)
        assert (result.code, result.out) == (2, "")
        assert len(result.err.splitlines()) == 1
        assert said in result.err
        assert "t0ps3cret" not in result.err

    def test_all_faults_at_once(self, run: Run) -> None:
        result = run("token", "--users", "x", "--wps-rate", "y")
        assert len(result.err.splitlines()) == 2

    def test_a_misspelled_key_of_a_file(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "run.conf").write_text("wps-raet = 5\n")
        result = run("token", "--config", "run.conf")
        assert result.code == 2
        assert "unknown key wps-raet" in result.err


class Store:
    """A fake service: records the requests, and answers."""

    def __init__(self, failure: ConnectFailure | None = None) -> None:
        self.asked: list[Wanted] = []
        self.failure = failure

    def get(self, wanted: Wanted) -> str:
        self.asked.append(wanted)
        if self.failure is not None:
            raise self.failure
        return "made"


ENTRA = ("--wps-endpoint", "https://x.webpubsub.azure.com", "--wps-credential", "cli")


def test_without_a_key_the_service_makes_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    monkeypatch.setattr("wps_load.commands.token.token_store", lambda config, network: store)
    result = run("token", *ENTRA, "--user", "alice", "--group", "lobby", "--expires", "90s", "--role", "mine")
    assert (result.code, result.out) == (0, "wss://x.webpubsub.azure.com/client/hubs/bench?access_token=made\n")
    assert store.asked == [Wanted("bench", "alice", ("mine",), ("lobby",), 90)]


def test_a_service_that_makes_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(ConnectFailure("token_http_403_role", "a role is missing", "give it"))
    monkeypatch.setattr("wps_load.commands.token.token_store", lambda config, network: store)
    result = run("token", *ENTRA)
    assert (result.code, result.out) == (2, "")
    assert "a role is missing; give it" in result.err
