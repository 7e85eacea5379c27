"""Every `--wps-*` option, once: its flag, default and help, and how its text is read.

argparse's arguments, the web form and `load` are all made from this table.

Options are plain strings and switches, because Locust's master packs them for its workers; `""` is "not set".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wps_load.auth import ConnectionString
from wps_load.protocol.traits import PROTOCOLS
from wps_load.settings import entra, texts
from wps_load.settings.bind import source_addresses
from wps_load.settings.connect_host import ConnectHost
from wps_load.settings.texts import SKUS, TIERS
from wps_load.workload.chaos import CutPlan, SlowPlan
from wps_load.workload.payload import parse_mix
from wps_load.workload.scenarios import SCENARIOS
from wps_load.workload.stages import CapacityRange, Stages
from wps_load.workload.values import Share, duration_ns, positive_duration_ns, rate, whole


class PageAccess(StrEnum):
    """Who may set an option on the web page, which has no login by default and can be reached from other hosts."""

    FIELD = "field"
    """Anybody: the option shapes the load."""
    TARGET = "target"
    """The option decides whom we talk to and trust: anybody, if the page has `--wps-allow-target-change`."""
    NEVER = "never"
    """Nobody: it names a file, folder, credential or port of this host, or says what the page may do."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `parse` raises ValueError, which says what is allowed; `field` is where RunConfig keeps the value.

    `default` False makes it a switch. `choices`: the only values allowed. A secret's value is never shown. `page`: who
    may set it on the web page; nobody may set a secret there. `shapes`: it shapes the load, so runs that differ in it
    cannot be compared. `local`: it is about one host, so a master does not send it to its workers.
    """

    flag: str
    field: str
    default: str | bool
    help: str
    parse: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    secret: bool = False
    page: PageAccess = PageAccess.FIELD
    shapes: bool = False
    local: bool = False

    @property
    def on_page(self) -> PageAccess:
        """Who may set it on the web page."""
        return PageAccess.NEVER if self.secret else self.page

    @property
    def dest(self) -> str:
        """The attribute of Locust's parsed options: `wps_rate`."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def key(self) -> str:
        """The key in a `--config` file and in settings: `wps-rate`."""
        return self.flag.removeprefix("--")

    @property
    def env_var(self) -> str:
        """`LOCUST_WPS_RATE`."""
        return f"LOCUST_{self.dest.upper()}"

    @property
    def is_switch(self) -> bool:
        return isinstance(self.default, bool)

    @property
    def label(self) -> str:
        """The help's first part, up to a semicolon: as much as fits a field of the web form."""
        return self.help.partition("; ")[0]

    @property
    def argparse_help(self) -> str:
        """The help with `%` doubled, as argparse formats it."""
        return self.help.replace("%", "%%")

    def read(self, text: str) -> Any:
        """The value of a text; ValueError says what is allowed."""
        if self.choices and text not in self.choices:
            raise ValueError(f"one of {', '.join(self.choices)}")
        return self.parse(text)


OptionValues = Mapping[str, Any]
"""Values or texts by dest, parsed by Locust or sent by a form; each row of `OPTIONS` reads its own."""

TARGET_FLAGS = ("--wps-connection-string", "--wps-client-url", "--wps-negotiate-url", "--wps-endpoint")
"""The options that choose the target, beside Locust's own `--host` and the variable `target.AZURE_VARIABLE`."""

OPTIONS: tuple[Option, ...] = (
    Option(
        "--wps-target", "target_mode", "auto",
        "what is tested: auto (the target given, else the embedded emulator), azure (a target must be given) or "
        "emulator, which ignores every target option and variable", choices=("auto", "azure", "emulator"),
    ),
    Option(
        "--wps-scenario", "scenario", "echo", f"one of {', '.join(SCENARIOS)}",
        choices=tuple(SCENARIOS), shapes=True,
    ),
    Option(
        "--wps-mix", "mix", "",
        "a TOML file of populations, each with a scenario, a protocol and a load of its own; docs/mixes.md", texts.mix,
        page=PageAccess.NEVER,
    ),
    Option(
        "--wps-connection-string", "connection", "",
        "Endpoint=...;AccessKey=...;Version=1.0; of the service. Without any target: the variable "
        "WebPubSubConnectionString, else the embedded emulator",
        ConnectionString.parse, secret=True,
    ),
    Option(
        "--wps-client-url", "client_url", "", "a ready Client URL with its token, as the portal makes it",
        texts.client_url, secret=True,
    ),
    Option(
        "--wps-negotiate-url", "negotiate_url", "",
        "the app server's negotiate endpoint; called once for each new connection", texts.negotiate_url,
        page=PageAccess.TARGET,
    ),
    Option(
        "--wps-endpoint", "endpoint", "",
        "https://NAME.webpubsub.azure.com, a resource without keys; needs --wps-credential", entra.endpoint,
        page=PageAccess.TARGET,
    ),
    Option(
        "--wps-credential", "credential", "",
        f"the Microsoft Entra ID credential for --wps-endpoint: {', '.join(entra.CREDENTIALS)}; needs the extra "
        "wps-load[entra]", choices=entra.CREDENTIALS, page=PageAccess.NEVER,
    ),
    Option(
        "--wps-client-tokens", "client_tokens", "shared",
        "with Entra ID, how many client tokens the service makes: shared (one for all connections of a hub with the "
        "same roles, without a user id), pool:N (N of them, with N user ids) or each (a REST call for each user)",
        entra.ClientTokens.parse,
    ),
    Option(
        "--wps-token-rate", "token_rate", "100",
        "client tokens requested per second, at most, by each process that has the credential: a master with "
        "its forks, or a worker on another host", rate,
    ),
    Option(
        "--wps-role-wait", "role_wait_ns", "2m",
        "how long the start waits for a missing role; a new assignment takes minutes", duration_ns,
    ),
    Option(
        "--wps-authority", "authority", "",
        "where Entra ID's tokens come from in other clouds, such as https://login.chinacloudapi.cn; not set: "
        "AZURE_AUTHORITY_HOST, else the public cloud's", entra.authority, page=PageAccess.NEVER,
    ),
    Option(
        "--wps-token-scope", "token_scope", "",
        "the scope of Entra ID's tokens; not set: https://webpubsub.azure.com/.default, or that of the endpoint's "
        "cloud",
        entra.scope, page=PageAccess.NEVER,
    ),
    Option(
        "--wps-connect-host", "connect_host", "",
        "where sockets and REST calls really go: a reverse proxy or a private address, HOST[:PORT]; tokens, SNI and "
        "Host header remain those of the endpoint; HOST,sni uses HOST for SNI and Host header, HOST,NAME uses NAME",
        ConnectHost.parse,
        page=PageAccess.TARGET,
    ),
    Option(
        "--wps-bind", "bind", "",
        "source addresses of this host, used in turn: 10.0.0.4,10.0.0.5 or 10.0.0.4-10.0.0.23; each has 28,000 ports "
        "of its own. Workers on other hosts need their own: a flag, a variable or a file",
        source_addresses, page=PageAccess.NEVER, local=True,
    ),
    Option("--wps-hub", "hub", "bench", "hub", texts.hub),
    Option(
        "--wps-auth", "auth", "query",
        "where the token goes: query (access_token) or header (Authorization: Bearer)",
        choices=("query", "header"),
    ),
    Option(
        "--wps-roles", "roles", "",
        "roles of the minted token, comma-separated, or none; not set: what the scenario needs", texts.roles,
    ),
    Option(
        "--wps-token-lifetime", "token_lifetime_ns", "60m",
        "lifetime of the minted token", texts.token_lifetime_ns,
    ),
    Option("--wps-protocol", "protocol", "json", f"one of {', '.join(PROTOCOLS)}", choices=PROTOCOLS, shapes=True),
    Option(
        "--wps-rate", "rate", "",
        "messages per second of each publisher, open loop (1; stream: 20), or max: closed loop, in which the next "
        "message is sent when the previous one is back", texts.rate_or_max,
        shapes=True,
    ),
    Option(
        "--wps-total-rate", "total_rate", "",
        "messages per second of all publishers together, on all workers; replaces --wps-rate", rate,
        shapes=True,
    ),
    Option(
        "--wps-arrival", "arrival", "constant", "spacing of messages: constant or poisson",
        choices=("constant", "poisson"),
        shapes=True,
    ),
    Option(
        "--wps-payload", "payload", "",
        "bytes of a message's data (2KiB; stream: 64B): 128B, 2KiB, or a weighted mix 512B*9,16KiB*1; before base64 "
        "or envelope, at least 64B; :compressible after a size makes text that compresses", parse_mix,
        shapes=True,
    ),
    Option(
        "--wps-payload-file", "payload_file", "",
        "sample messages, one a line, instead of generated ones; binary ones in base64", texts.file_bytes,
        page=PageAccess.NEVER, shapes=True,
    ),
    Option(
        "--wps-data-type", "data_type", "text", "text, json or binary", choices=("text", "json", "binary"),
        shapes=True,
    ),
    Option(
        "--wps-qos", "qos", "",
        "MQTT: quality of service of subscriptions and publications, 0, 1 or 2 (0; recovery and tasks: 1, as a session "
        "keeps nothing at 0); --wps-ack makes it 1 at least",
        lambda text: whole(text, 0, 2), shapes=True,
    ),
    Option("--wps-ack", "ack", False, "publishers ask for acks, and their latency is measured", shapes=True),
    Option("--wps-no-echo", "no_echo", False, "publishers do not get their own copy", shapes=True),
    Option("--wps-groups", "groups", "", "number of groups; not set: the scenario's default", whole, shapes=True),
    Option(
        "--wps-group-size", "group_size", "",
        "members of each group; with --wps-groups, users are in several groups if groups x size exceeds the users",
        whole,
        shapes=True,
    ),
    Option(
        "--wps-publishers", "publishers", "",
        "how many of the users publish, a number or a share (10%); REST scenarios: how many senders "
        "run beside the users; not set: the scenario's default", Share.parse,
        shapes=True,
    ),
    Option(
        "--wps-lifetime", "lifetime_ns", "",
        "churn: mean lifetime of a connection (10s)", positive_duration_ns,
        shapes=True,
    ),
    Option(
        "--wps-stream-length", "stream_length_ns", "",
        "stream: length of each stream (10s); its fragments have --wps-payload bytes and are sent at --wps-rate",
        positive_duration_ns,
        shapes=True,
    ),
    Option(
        "--wps-streams", "streams", "1",
        "stream: how many streams each publisher has open at once; its fragments go to them in turn",
        lambda text: whole(text, 1, 1000), shapes=True,
    ),
    Option(
        "--wps-cut", "cut", "",
        "recovery: cuts per second and their kind: '1/s reset'; also silent, close (1000: a new connection), "
        "close:1001 and other codes (recovered), or all@10s", CutPlan.parse,
        shapes=True,
    ),
    Option(
        "--wps-slow", "slow", "",
        "slow-consumer: share and speed of slow readers: '10% 1KiB/s'", SlowPlan.parse,
        shapes=True,
    ),
    Option(
        "--wps-connect-timeout", "connect_timeout_ns", "15s",
        "longest time from the decision to connect until the connection is usable",
        positive_duration_ns,
    ),
    Option(
        "--wps-keepalive-interval", "keepalive_interval_ns", "20s",
        "quiet time after which a connection is pinged, as the official clients do; 0: no pings, and silence ends "
        "no connection", texts.keepalive_ns,
    ),
    Option(
        "--wps-keepalive-timeout", "keepalive_timeout_ns", "120s",
        "silence after which a connection counts as lost (keepalive_timeout); 0: never", texts.keepalive_ns,
    ),
    Option(
        "--wps-answer-timeout", "answer_timeout_ns", "10s",
        "how long an ack, or the answer to a REST call, may take; a later one, or one that is missing when the drain "
        "ends, is a failure of its metric", positive_duration_ns,
    ),
    Option("--wps-settle", "settle_ns", "30s", "the longest wait for all users to be connected", duration_ns),
    Option(
        "--wps-warmup", "warmup_ns", "0s",
        "publishing time that the messages' statistics leave out", duration_ns,
    ),
    Option(
        "--wps-drain", "drain_ns", "5s",
        "how long the end of a run waits for messages in flight", duration_ns,
    ),
    Option(
        "--wps-slo", "slo", "",
        "SLOs, comma-separated: 'rtt p99 < 250ms, loss = 0'; or none; not set: Azure's own "
        "definition", texts.slo,
    ),
    Option("--wps-slo-abort", "slo_abort", False, "stop early when an SLO is out of reach"),
    Option(
        "--wps-stages", "stages", "",
        "steps of users:duration, 100:60s,200:60s; or of the total rate, rate:500:60s,rate:1000:60s",
        Stages.parse,
        shapes=True,
    ),
    Option(
        "--wps-capacity", "capacity", "",
        "search for the highest load that keeps the SLO: rate:100..20000; a total rate, or users:50..2000",
        CapacityRange.parse,
        shapes=True,
    ),
    Option(
        "--wps-units", "units", "",
        "units that the target has", lambda text: whole(text, 1, 1000),
    ),
    Option(
        "--wps-tier", "tier", "",
        f"tier of the target: {', '.join(TIERS)}; or {', '.join(SKUS)}", texts.tier,
    ),
    Option(
        "--wps-azure-resource", "azure_resource", "",
        "the target's resource id, /subscriptions/...: after a run its metrics are fetched from Azure Monitor and "
        "shown on the report's time axis; uses --wps-credential, else the default credential", entra.resource_id,
        page=PageAccess.NEVER,
    ),
    Option(
        "--wps-report-dir", "report_dir", "reports",
        "folder in which each run creates a folder of its own; empty: no files", page=PageAccess.NEVER,
    ),
    Option(
        "--wps-table", "table", False,
        "print Locust's table every two seconds and its tables at the end, even if --only-summary or a ready file "
        "turns them off", page=PageAccess.NEVER,
    ),
    Option(
        "--wps-seed", "seed", "", "seed of everything random; not set: a random one, which is recorded",
        lambda text: whole(text, 0, 2**63 - 1),
    ),
    Option(
        "--wps-emulator-faults", "emulator_faults", "",
        "faults of the embedded emulator: delay=20ms,drop=1/100; docs/emulator.md has all", texts.faults,
        shapes=True,
    ),
    Option(
        "--wps-ca-file", "ca_file", "",
        "certificates to trust, PEM; not set: the system's", texts.readable_path, page=PageAccess.NEVER,
    ),
    Option(
        "--wps-insecure", "insecure", False, "do not verify TLS certificates; the report says so",
        page=PageAccess.TARGET,
    ),
    Option(
        "--wps-prometheus-port", "prometheus_port", "", "port that serves metrics to a Prometheus scraper",
        lambda text: whole(text, 1, 65535), page=PageAccess.NEVER,
    ),
    Option(
        "--wps-prometheus-host", "prometheus_host", "127.0.0.1",
        "address that --wps-prometheus-port listens on; 0.0.0.0 for scrapers of other hosts", texts.address,
        page=PageAccess.NEVER,
    ),
    Option(
        "--wps-prometheus-linger", "prometheus_linger_ns", "0s",
        "how long a headless process serves --wps-prometheus-port after its run's end, for a last scrape",
        duration_ns, page=PageAccess.NEVER,
    ),
    Option(
        "--wps-prometheus-push", "prometheus_push", "",
        "Pushgateway that gets the metrics while the run goes on, and at its end: https://USER:PASSWORD@HOST",
        texts.pushgateway, secret=True,
    ),
    Option(
        "--wps-otel-spans", "otel_spans", False,
        "with Locust's --otel: also a span for each measured time, which costs the generator much CPU",
        page=PageAccess.NEVER,
    ),
    Option(
        "--wps-allow-target-change", "allow_target_change", False,
        "whoever reaches the web page may send the load to another target", page=PageAccess.NEVER,
    ),
)  # fmt: skip

BY_FLAG = {option.flag: option for option in OPTIONS}

SHAPING = tuple(option for option in OPTIONS if option.shapes)
