"""Which texts stay in the process that was given them, and what a worker makes of its own."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import orjson
import pytest

from wps_load.errors import ConfigError
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import SourceLevel
from wps_load.settings.target import AZURE_VARIABLE
from wps_load.swarm import locust_options, secrets
from wps_load.swarm.asked import Asked
from wps_load.swarm.kinds import OurUser
from wps_load.swarm.orders import Order

KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
CONNECTION = f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
OTHER = f"Endpoint=https://other.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
CLIENT_URL = f"wss://demo.webpubsub.azure.com/client/hubs/chat?access_token={KEY}"
NEGOTIATE = f"https://app.example/negotiate?code={KEY}"
OPEN_NEGOTIATE = "https://app.example/negotiate"


def config(values: dict[str, Any], environ: dict[str, str] | None = None) -> RunConfig:
    return load(values, users=10, spawn_rate=10, environ=environ or {}, sources={})


@pytest.mark.parametrize(
    ("given", "environ", "needed"),
    [
        ({"wps_connection_string": CONNECTION}, {}, "wps_connection_string"),
        ({}, {AZURE_VARIABLE: CONNECTION}, "wps_connection_string"),
        ({"wps_client_url": CLIENT_URL}, {}, "wps_client_url"),
        ({"wps_negotiate_url": NEGOTIATE}, {}, "wps_negotiate_url"),
        ({"wps_negotiate_url": f"https://user:{KEY}@app.example/negotiate"}, {}, "wps_negotiate_url"),
        ({"wps_negotiate_url": OPEN_NEGOTIATE}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_nothing_that_a_master_sends_has_the_secret(
    given: dict[str, str], environ: dict[str, str], needed: str
) -> None:
    options = Namespace(wps_rate="5", wps_connection_string="", wps_client_url="", wps_negotiate_url="", users=3)
    vars(options).update(given)
    order = secrets.order(config(given, environ))
    kept = secrets.take(options)

    assert order["needs"] == needed
    sent = orjson.dumps([vars(options), order, secrets.shareable({**vars(options), **kept})]).decode()
    assert KEY not in sent
    assert "AccessKey" not in sent
    assert {**kept, **environ} == {**given, **environ} or not needed
    assert not {"wps_connection_string", "wps_client_url"} & set(vars(options)), "no text replaces a worker's own"
    assert vars(options)["wps_rate"] == "5"
    assert ("wps_negotiate_url" in vars(options)) is (needed != "wps_negotiate_url")


PUBLIC = secrets.emulator_connection_string("http://198.18.7.1:8080")


class Environment:
    """What is read of Locust's: a test that imported Locust would be patched by it."""

    shape_class = None
    parsed_locustfiles = None

    def __init__(self, own: dict[str, Any]) -> None:
        self.parsed_options = Namespace(**own)
        self.host = own.get("host")
        self.user_classes: list[type] = []


class Playing(OurUser):
    plays_scenario = True
    host = None

    @classmethod
    def task_class(cls) -> None:
        """No tasks of its own."""


def asked(own: dict[str, Any], *, sends: bool = False) -> Asked:
    return asked_by(Environment(own), sends=sends)


def asked_by(environment: Environment, *, sends: bool) -> Asked:
    locusts: Any = environment
    return Asked(locusts, sends=sends)


@pytest.mark.parametrize("sends", [True, False], ids=["kept here", "left to Locust"])
@pytest.mark.parametrize("dest", ["wps_connection_string", "wps_client_url"])
def test_a_secret_that_is_set_to_nothing_is_refused(dest: str, sends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline has lost it: the run must not go to the embedded emulator instead, wherever secrets are kept."""
    monkeypatch.setattr("sys.argv", ["locust", f"--{dest.replace('_', '-')}", ""])
    with pytest.raises(ConfigError, match="it is set but empty: a secret is missing"):
        asked({dest: ""}, sends=sends).read()


def test_what_a_flag_overrides_is_sent_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers read what their master sends, and know nothing of which came from where."""
    sources = {"wps_rate": SourceLevel.FLAG, "wps_total_rate": SourceLevel.FILE}
    monkeypatch.setattr(locust_options, "own_sources", lambda: sources)
    environment = Environment({"wps_rate": "50", "wps_total_rate": "18", "num_users": 3})
    read = asked_by(environment, sends=True).read()
    assert vars(environment.parsed_options) == {"wps_rate": "50", "wps_total_rate": "", "num_users": 3}
    assert read.population.rate == 50
    assert read.population.total_rate is None


def ordered(values: dict[str, Any]) -> Order:
    return {**secrets.order(config(values)), "seed": 1, "users": 10, "traits": {}, "mix": None}


@pytest.mark.parametrize(
    ("masters", "own", "variable"),
    [
        ({"wps_connection_string": CONNECTION}, {"wps_connection_string": CONNECTION}, None),
        ({"wps_connection_string": CONNECTION}, {}, CONNECTION),
        # another target of the worker's own does not matter
        ({"wps_connection_string": CONNECTION}, {"wps_connection_string": CONNECTION, "wps_client_url": OTHER}, None),
        ({"wps_client_url": CLIENT_URL}, {"wps_client_url": CLIENT_URL}, OTHER),
        ({"wps_client_url": CLIENT_URL}, {"host": CLIENT_URL}, None),
        ({"wps_negotiate_url": NEGOTIATE}, {"wps_negotiate_url": NEGOTIATE}, None),
        ({"wps_negotiate_url": OPEN_NEGOTIATE}, {"wps_connection_string": OTHER}, OTHER),
        ({}, {"wps_connection_string": OTHER}, OTHER),
        # an emulator's public key is known to every worker
        ({"wps_connection_string": PUBLIC}, {}, None),
        ({"wps_connection_string": PUBLIC}, {"wps_connection_string": OTHER}, OTHER),
    ],
)
def test_a_worker_plays_for_the_masters_target(
    masters: dict[str, str], own: dict[str, str], variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(AZURE_VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(AZURE_VARIABLE, variable)
    worker = asked(own).read_as_worker(ordered(masters), secrets.shareable(masters))
    assert worker.target == config(masters).target
    assert (worker.users, worker.seed) == (10, 1)


@pytest.mark.parametrize(
    ("masters", "own", "said"),
    [
        ({"wps_connection_string": CONNECTION}, {}, "--wps-connection-string: this worker has none"),
        ({"wps_connection_string": CONNECTION}, {"wps_client_url": CLIENT_URL}, "WebPubSubConnectionString"),
        ({"wps_connection_string": CONNECTION}, {"wps_connection_string": OTHER}, "other.webpubsub.azure.com"),
        ({"wps_client_url": CLIENT_URL}, {"wps_connection_string": CONNECTION}, "LOCUST_WPS_CLIENT_URL"),
        ({"wps_negotiate_url": NEGOTIATE}, {}, "--wps-negotiate-url"),
    ],
)
def test_a_worker_without_the_secret_says_what_it_lacks(
    masters: dict[str, str], own: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(AZURE_VARIABLE, raising=False)
    with pytest.raises(ConfigError) as caught:
        asked(own).read_as_worker(ordered(masters), secrets.shareable(masters))
    assert said in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_master_judges_with_its_secrets_and_does_not_keep_them_where_locust_sends_from() -> None:
    environment = Environment({"wps_connection_string": CONNECTION, "wps_rate": "5"})
    master = asked_by(environment, sends=True)
    assert master.read().target.describe() == "https://demo.webpubsub.azure.com"
    assert KEY not in str(vars(environment.parsed_options))


def test_the_page_shows_a_url_without_its_key_and_may_replace_it() -> None:
    environment = Environment({"wps_negotiate_url": NEGOTIATE, "wps_client_url": ""})
    first = asked_by(environment, sends=True)
    assert first.shown == {"wps_negotiate_url": OPEN_NEGOTIATE}
    first.adopt({"wps_rate": "5"})
    assert first.read().target.url == NEGOTIATE
    first.adopt({"wps_negotiate_url": "https://other.example/negotiate"})
    assert first.shown == {}
    assert first.read().target.url == "https://other.example/negotiate"
    assert vars(environment.parsed_options)["wps_negotiate_url"] == "https://other.example/negotiate"
    assert asked({"wps_connection_string": CONNECTION}, sends=True).shown == {}


def test_the_embedded_emulator_is_for_its_own_network_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(AZURE_VARIABLE, raising=False)
    emulator = config({}).with_emulator(secrets.emulator_connection_string("http://127.0.0.1:8080"))
    order: Order = {**secrets.order(emulator), "seed": 1, "users": 10, "traits": {}, "mix": None}
    assert "ABCDEF" not in str(order), "its key is public, and not sent all the same"
    assert asked({}).read_as_worker(order).target.describe() == "embedded emulator at http://127.0.0.1:8080"
    with pytest.raises(ConfigError, match="the master's host only"):
        asked({}).read_as_worker({**order, "network": "elsewhere"})


def test_the_source_addresses_of_one_host_are_nothing_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(AZURE_VARIABLE, raising=False)
    options = Namespace(wps_bind="10.0.0.4", wps_rate="5")
    kept = secrets.take(options)
    assert (vars(options), kept) == ({"wps_rate": "5"}, {"wps_bind": "10.0.0.4"})
    masters = {"wps_bind": "10.0.0.4", "wps_connection_string": CONNECTION}
    own = {"wps_bind": "10.0.0.7-10.0.0.8", "wps_connection_string": CONNECTION}
    assert asked(own).read_as_worker(ordered(masters), secrets.shareable(masters)).bind == ("10.0.0.7", "10.0.0.8")
    assert (
        asked({"wps_connection_string": CONNECTION}).read_as_worker(ordered(masters), secrets.shareable(masters)).bind
        is None
    )


def test_a_worker_plays_its_masters_load_and_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """`wps-load run --worker` reads the first run's file, which sets a rate; a mix may set none."""
    monkeypatch.setattr(locust_options, "own_sources", lambda: {"wps_rate": SourceLevel.FILE})
    masters = {"wps_connection_string": PUBLIC, "wps_rate": ""}
    worker = asked({"wps_rate": "7", "wps_mix": "own.toml"}).read_as_worker(ordered(masters), masters)
    assert worker.population.rate == 1
    assert worker.mix is None


def test_a_worker_needs_no_file_of_its_masters_mix() -> None:
    content = '[[population]]\nname = "hosts"\nusers = 10\nscenario = "echo"\nrate = 4\n'
    environment = Environment({})
    environment.user_classes = [Playing]
    process = asked_by(environment, sends=False)
    masters: dict[str, Any] = {"wps_connection_string": PUBLIC, "wps_mix": "/nowhere/chat.toml"}
    order: Order = {**ordered({"wps_connection_string": PUBLIC}), "mix": ("/nowhere/chat.toml", content)}
    assert process.read_as_worker(order, masters).population.rate == 4
    begun: Order = {**order, "mix": None}
    assert process.read_as_worker(begun).mix == "chat", "it was sent before"
    assert process.read_as_worker(begun, {"wps_connection_string": PUBLIC}).mix is None, "the next run is none"
