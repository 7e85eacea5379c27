"""What is tested: never ignored, never taken for granted, and one thing only."""

from __future__ import annotations

import base64
import re
from typing import Any

import configargparse
import pytest

from wps_load.errors import ConfigError
from wps_load.settings.connect_host import ConnectHost
from wps_load.settings.entra import Identity
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile, SourceLevel, levels, repeated_keys, stranger_before
from wps_load.settings.target import AZURE_VARIABLE, HOST, TargetKind, public_host

KEY = base64.b64encode(b"a very secret key").decode()
TOKEN = "eyJhbGciOi.eyJhdWQiOi.c2VjcmV0"
CONNECTION = f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
URL = f"wss://demo.webpubsub.azure.com/client/hubs/chat?access_token={TOKEN}"
NEGOTIATE = "https://app.example/negotiate?code=hidden"
ENDPOINT = "https://demo.webpubsub.azure.com"
OTHER = "https://other.webpubsub.azure.com"
BESIDE_HTTP = Locustfile(other_users=True)


def read(
    given: dict[str, tuple[Any, SourceLevel]],
    environ: dict[str, str] | None = None,
    locustfile: Locustfile | None = None,
) -> RunConfig:
    """`given`: value and source by dest, `wps_` left out."""
    names = {name: name if name == HOST else f"wps_{name}" for name in given}
    return load(
        {names[name]: value for name, (value, _) in given.items()},
        users=1,
        spawn_rate=None,
        environ=environ or {},
        sources={names[name]: level for name, (_, level) in given.items()},
        locustfile=locustfile,
    )


FLAG, VARIABLE, FILE, PAGE = SourceLevel.FLAG, SourceLevel.VARIABLE, SourceLevel.FILE, SourceLevel.PAGE


@pytest.mark.parametrize(
    ("given", "environ", "kind"),
    [
        ({}, {}, TargetKind.EMULATOR),
        ({"target": ("emulator", FLAG)}, {AZURE_VARIABLE: CONNECTION}, TargetKind.EMULATOR),
        ({"target": ("emulator", FLAG)}, {AZURE_VARIABLE: ""}, TargetKind.EMULATOR),
        ({"target": ("emulator", FLAG), "client_url": ("nonsense", FLAG)}, {}, TargetKind.EMULATOR),
        ({"target": ("emulator", FLAG), "client_url": ("", FLAG)}, {}, TargetKind.EMULATOR),
        ({"target": ("emulator", FLAG), HOST: ("nonsense", FLAG)}, {}, TargetKind.EMULATOR),
        ({"target": ("azure", FLAG)}, {AZURE_VARIABLE: CONNECTION}, TargetKind.CONNECTION_STRING),
        ({"target": ("azure", FLAG), HOST: (URL, FLAG)}, {}, TargetKind.CLIENT_URL),
        # Locust's host
        ({HOST: (URL, FLAG)}, {}, TargetKind.CLIENT_URL),
        ({HOST: (URL, FLAG)}, {AZURE_VARIABLE: CONNECTION}, TargetKind.CLIENT_URL),
        ({HOST: (URL, PAGE), "connection_string": (CONNECTION, FLAG)}, {}, TargetKind.CLIENT_URL),
        ({HOST: (ENDPOINT, FLAG)}, {AZURE_VARIABLE: CONNECTION}, TargetKind.CONNECTION_STRING),
        ({HOST: (f"{ENDPOINT}:443/", FLAG)}, {AZURE_VARIABLE: CONNECTION}, TargetKind.CONNECTION_STRING),
        ({HOST: ("demo.webpubsub.azure.com", FLAG), "client_url": (URL, FLAG)}, {}, TargetKind.CLIENT_URL),
        ({HOST: ("https://app.example", FLAG), "negotiate_url": (NEGOTIATE, FLAG)}, {}, TargetKind.NEGOTIATE),
        # flag before variable before file before Azure's variable
        ({HOST: (OTHER, FILE), "connection_string": (CONNECTION, VARIABLE)}, {}, TargetKind.CONNECTION_STRING),
        ({"client_url": (URL, VARIABLE), "negotiate_url": (NEGOTIATE, FILE)}, {}, TargetKind.CLIENT_URL),
        ({"client_url": (URL, FLAG), "connection_string": (CONNECTION, VARIABLE)}, {}, TargetKind.CLIENT_URL),
        ({"negotiate_url": (NEGOTIATE, FILE)}, {AZURE_VARIABLE: CONNECTION}, TargetKind.NEGOTIATE),
        ({"negotiate_url": (NEGOTIATE, FILE)}, {AZURE_VARIABLE: ""}, TargetKind.NEGOTIATE),
        # Entra ID
        ({"endpoint": (ENDPOINT, FLAG), "credential": ("cli", FLAG)}, {}, TargetKind.ENTRA),
        ({"endpoint": (ENDPOINT, FLAG), "credential": ("cli", FILE)}, {AZURE_VARIABLE: CONNECTION}, TargetKind.ENTRA),
        ({HOST: (ENDPOINT, FLAG), "credential": ("cli", FLAG)}, {}, TargetKind.ENTRA),
        ({HOST: (ENDPOINT, FLAG), "credential": ("cli", FLAG)}, {AZURE_VARIABLE: CONNECTION}, TargetKind.ENTRA),
        ({"client_url": (URL, FLAG), "credential": ("cli", VARIABLE)}, {}, TargetKind.CLIENT_URL),
    ],
)
def test_one_target_is_chosen(given: dict[str, Any], environ: dict[str, str], kind: TargetKind) -> None:
    assert read(given, environ).target.kind is kind


def test_the_requests_to_entra_id() -> None:
    given = {"endpoint": ("demo.webpubsub.azure.cn/", FLAG), "credential": ("managed-identity", FLAG)}
    target = read(given).target
    assert (target.url, target.describe()) == (
        "https://demo.webpubsub.azure.cn", "https://demo.webpubsub.azure.cn (Entra ID)"
    )  # fmt: skip
    assert target.identity == Identity("managed-identity", "https://webpubsub.azure.cn/.default")
    assert target.makes_tokens
    assert not target.has_key
    more = {"authority": ("login.chinacloudapi.cn", FLAG), "token_scope": ("https://other.example", FLAG)}
    assert read({**given, **more}).target.identity == Identity(
        "managed-identity", "https://other.example/.default", "https://login.chinacloudapi.cn"
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"endpoint": (ENDPOINT, FLAG)}, "it needs --wps-credential: default, managed-identity"),
        ({"credential": ("cli", FLAG)}, "it needs --wps-endpoint"),
        ({"credential": ("password", FLAG)}, "one of default, managed-identity"),
        ({"client_url": (URL, FLAG), "credential": ("cli", FLAG)}, "it needs --wps-endpoint"),
        ({"endpoint": ("http://demo.webpubsub.azure.com", FLAG), "credential": ("cli", FLAG)}, "over https:// only"),
        ({"endpoint": (f"{ENDPOINT}/client", FLAG), "credential": ("cli", FLAG)}, "nothing after it"),
        ({"endpoint": (CONNECTION, FLAG), "credential": ("cli", FLAG)}, "goes into --wps-connection-string"),
        ({"endpoint": (ENDPOINT, FLAG), "connection_string": (CONNECTION, FLAG)}, "only one target"),
        ({"endpoint": (ENDPOINT, FLAG), "credential": ("cli", FLAG), HOST: (OTHER, FLAG)}, "names another host"),
        (
            {"endpoint": (ENDPOINT, FLAG), "credential": ("cli", FLAG), "client_tokens": ("pool:0", FLAG)},
            "whole number",
        ),
        (
            {"endpoint": (ENDPOINT, FLAG), "credential": ("cli", FLAG), "scenario": ("send-to-user", FLAG)},
            "sends to each user alone, who needs a token of his own: each",
        ),
    ],
)
def test_entra_id_needs_an_endpoint_and_a_credential(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        read(given)
    assert KEY not in str(caught.value)


def test_each_user_may_have_a_token_of_his_own() -> None:
    given = {"endpoint": (ENDPOINT, FLAG), "credential": ("cli", FLAG), "scenario": ("send-to-user", FLAG)}
    assert read({**given, "client_tokens": ("each", FLAG)}).client_tokens.each
    assert str(read({**given, "scenario": ("broadcast", FLAG), "client_tokens": ("pool:7", FLAG)}).client_tokens) == (
        "pool:7"
    )


def test_calls_for_tokens_may_have_an_slo_where_there_are_some() -> None:
    slo = {"slo": ("token_request p99 < 1s", FLAG)}
    given = {"endpoint": (ENDPOINT, FLAG), "credential": ("cli", FLAG), **slo}
    assert [each.subject for each in read(given).population.slos] == ["token_request"]
    with pytest.raises(ConfigError, match="token_request"):
        read({"client_url": (URL, FLAG), **slo})


@pytest.mark.parametrize(
    ("text", "host", "port", "name"),
    [
        ("proxy.example", "proxy.example", None, None),
        ("10.0.0.4:8443", "10.0.0.4", 8443, None),
        ("[::1]:8443", "::1", 8443, None),
        ("proxy.example,sni", "proxy.example", None, "proxy.example"),
        ("10.0.0.4:8443 , Front.example", "10.0.0.4", 8443, "front.example"),
    ],
)
def test_where_sockets_really_go(text: str, host: str, port: int | None, name: str | None) -> None:
    assert ConnectHost.parse(text) == ConnectHost(host, port, name)


@pytest.mark.parametrize("text", ["", "https://proxy.example", "proxy.example:0", "a,b:1", "a b", "proxy.example,"])
def test_where_sockets_cannot_go(text: str) -> None:
    with pytest.raises(ValueError, match="HOST or HOST:PORT"):
        ConnectHost.parse(text)


MISSING = "a secret is missing"


@pytest.mark.parametrize(
    ("given", "environ", "begins", "says"),
    [
        # set but empty is a secret that a pipeline has lost
        ({}, {AZURE_VARIABLE: ""}, AZURE_VARIABLE, MISSING),
        ({}, {AZURE_VARIABLE: " "}, AZURE_VARIABLE, MISSING),
        ({"connection_string": ("", VARIABLE)}, {}, "LOCUST_WPS_CONNECTION_STRING", MISSING),
        ({"client_url": ("", FLAG)}, {}, "--wps-client-url", MISSING),
        ({"negotiate_url": ("", FILE)}, {}, "wps-negotiate-url in a config file", MISSING),
        ({"negotiate_url": ("''", FILE)}, {}, "--wps-negotiate-url", "http"),
        ({HOST: ("", VARIABLE)}, {}, "LOCUST_HOST", MISSING),
        ({"client_url": ("", VARIABLE)}, {AZURE_VARIABLE: CONNECTION}, "LOCUST_WPS_CLIENT_URL", MISSING),
        ({"slo": ("", FLAG)}, {}, "--wps-slo", "none for no SLO"),
        ({"rate": ("", VARIABLE)}, {}, "LOCUST_WPS_RATE", "set but empty"),
        # a target must be given
        ({"target": ("azure", FLAG)}, {}, "--wps-target 'azure'", "no target is given"),
        ({"target": ("cloud", FLAG)}, {}, "--wps-target 'cloud'", "one of auto, azure, emulator"),
        # Locust's host is never ignored
        ({HOST: (ENDPOINT, FLAG)}, {}, "--host 'https://demo.webpubsub.azure.com", "it gives no key"),
        ({HOST: (ENDPOINT, VARIABLE)}, {}, "LOCUST_HOST", "it gives no key"),
        ({HOST: (ENDPOINT, PAGE)}, {}, "Host ", "it gives no key"),
        ({HOST: ("http://127.0.0.1:8080", FLAG)}, {}, "--host", "--wps-negotiate-url"),
        ({HOST: (OTHER, FLAG)}, {AZURE_VARIABLE: CONNECTION}, "--host", "names another host"),
        ({HOST: (OTHER, FLAG), "client_url": (URL, FLAG)}, {}, "--host", "--wps-client-url names another host"),
        ({HOST: (URL.split("?", maxsplit=1)[0], FLAG)}, {}, "--host", "no access_token"),
        ({HOST: (CONNECTION, FLAG)}, {}, "--host", "--wps-connection-string"),
        ({HOST: ("ftp://demo", FLAG)}, {}, "--host", "an endpoint"),
        ({HOST: ("https://two words", FLAG)}, {}, "--host", "an endpoint"),
        # one thing only
        ({"client_url": (URL, FLAG), "negotiate_url": (NEGOTIATE, FLAG)}, {}, "--wps-client-url and", "only one"),
        ({HOST: (URL, FLAG), "connection_string": (CONNECTION, FLAG)}, {}, "--wps-connection-string and --host", "one"),
        ({HOST: (URL, VARIABLE), "client_url": (URL, VARIABLE)}, {}, "LOCUST_WPS_CLIENT_URL and LOCUST_HOST", "one"),
    ],
)
def test_what_is_not_a_target_is_refused(
    given: dict[str, Any], environ: dict[str, str], begins: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(given, environ)
    (fault,) = caught.value.faults
    assert str(fault).startswith(begins)
    assert says in str(fault)
    for secret in (KEY, TOKEN, "hidden"):
        assert secret not in str(fault)


def test_a_host_of_other_peoples_users_is_theirs() -> None:
    given = {HOST: ("https://app.example", FLAG), "connection_string": (CONNECTION, FLAG)}
    assert read(given, locustfile=BESIDE_HTTP).target.kind is TargetKind.CONNECTION_STRING
    assert read({HOST: ("https://app.example", FLAG)}, locustfile=BESIDE_HTTP).target.is_emulator
    with pytest.raises(ConfigError, match="gives no key"):
        read({HOST: (ENDPOINT, FLAG)}, locustfile=BESIDE_HTTP)
    assert read({HOST: (URL, FLAG)}, locustfile=BESIDE_HTTP).target.kind is TargetKind.CLIENT_URL
    assert read({"target": ("emulator", FLAG), **given}, locustfile=BESIDE_HTTP).target.is_emulator


def test_the_host_of_a_class_of_ours_is_a_target_as_well() -> None:
    chat = Locustfile(hosts=(("Chat", URL),))
    assert read({}, locustfile=chat).target.kind is TargetKind.CLIENT_URL
    assert read({"connection_string": (CONNECTION, FLAG)}, locustfile=chat).target.has_key
    with pytest.raises(ConfigError, match=r"host of the class Chat .*no key"):
        read({}, locustfile=Locustfile(hosts=(("Chat", ENDPOINT),)))


def test_a_token_in_locusts_host_is_not_shown() -> None:
    assert public_host(URL) == "wss://demo.webpubsub.azure.com/client/hubs/chat"
    assert public_host(OTHER) == OTHER


def test_sources_come_from_configargparse(tmp_path: Any) -> None:
    file = tmp_path / "run.conf"
    file.write_text("a =\nb = of the file\n# c = 1\nc: 1\nc = 2\n--c 3\n")
    parser = configargparse.ArgumentParser()
    parser.add_argument("--config", is_config_file_arg=True)
    for name in "abcdef":
        parser.add_argument(f"--{name}", f"--wps-{name}ll", env_var=f"V_{name.upper()}", dest=name, default="")
    argv = ["--config", str(file), "--wps-dl", "", "-H://x", "--", "--fll"]
    parser.parse_known_args(argv, env_vars={"V_B": "", "V_E": "x"})
    settings = parser.get_source_to_settings_dict()
    flags = {f"--wps-{name}ll": name for name in "abcdef"} | {"--host": "host", "-H": "host"}

    assert levels(settings, argv, flags) == {
        "a": SourceLevel.FILE,
        "b": SourceLevel.VARIABLE,
        "c": SourceLevel.FILE,
        "d": SourceLevel.FLAG,  # argparse takes the beginning of a flag
        "e": SourceLevel.VARIABLE,
        "host": SourceLevel.FLAG,
    }
    (fault,) = repeated_keys(settings)
    assert str(fault) == f"{file}: c is set in lines 4, 5, 6: keep one of them"


@pytest.mark.parametrize(
    ("argv", "stranger"),
    [
        (["--wps-raet", "x"], "--wps-raet"),
        (["--wps-rate", "1", "x"], None),
        (["--wps-ra", "x"], None),
        (["--users", "x", "--wps-raet", "x"], "--wps-raet"),
        (["--wps-raet=1", "x"], None),
        (["x"], None),
    ],
)
def test_a_value_of_an_option_that_nobody_has(argv: list[str], stranger: str | None) -> None:
    assert stranger_before("x", argv, ["--wps-rate", "--users"]) == stranger
