"""The options' texts, read and judged at once: `load` makes a `RunConfig` of them, or names every fault.

All faults are collected before it raises, so that a user mends them in one go. Nothing here connects.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from wps_load.errors import ConfigError, Fault
from wps_load.measure import thresholds
from wps_load.settings.class_populations import class_faults, populations_of
from wps_load.settings.entra import AzureResource, Identity
from wps_load.settings.feasibility import unreachable
from wps_load.settings.options import BY_FLAG, OPTIONS, TARGET_FLAGS, Option
from wps_load.settings.rules import conflicts
from wps_load.settings.run_config import POPULATION_FIELDS, Population, RunConfig
from wps_load.settings.sources import Level, Locustfile, given_as
from wps_load.settings.target import HOST, Given, Target, choose_target, empty
from wps_load.urls import without_secrets
from wps_load.workload.payload import read_samples
from wps_load.workload.scenarios import LOCUSTFILE, ROWS, Scenario, default_roles

REDACTED = "[redacted]"
DEFAULT_SPAWN_RATE = 1.0
"""Locust's: users per second."""


def load(
    values: Mapping[str, Any],
    *,
    users: int | None,
    spawn_rate: float | None,
    environ: Mapping[str, str],
    run_time_s: float | None = None,
    sources: Mapping[str, Level] | None = None,
    locustfile: Locustfile | None = None,
    judged: bool = False,
) -> RunConfig:
    """The run of these options. `values`: Locust's parsed options by `Option.dest`, and its `host`; others in it are
    ignored.

    `sources`: where each option that is set came from, by dest (`sources.levels`), so that a target by flag outdoes one
    in a file, and a text that is set but empty is told from none. `users` None: not known yet (the web page asks).
    `spawn_rate` None: Locust's default. `judged`: whether the options go together was judged already, by a master.
    Raises ConfigError with every fault.
    """
    given = Given(sources or {}, environ, values.get(HOST), locustfile or Locustfile())
    if str(values.get(BY_FLAG["--wps-target"].dest) or "").strip() == "emulator":
        values = {**values, **{BY_FLAG[flag].dest: None for flag in TARGET_FLAGS}}
    reader = _Reader(values, given.sources)
    found = {option.field: reader.read(option) for option in OPTIONS}
    target = choose_target(found, given, reader.faults, frozenset(reader.wrong))
    if not given.locustfile.plays_scenario:
        found["scenario"] = LOCUSTFILE
    row = ROWS[found["scenario"]]
    found["samples"] = reader.samples(found.pop("payload_file"), found["data_type"])
    if found["seed"] is None:
        found["seed"] = random.SystemRandom().getrandbits(48)
    for flag, text in (("--wps-lifetime", row.lifetime), ("--wps-cut", row.cut), ("--wps-slow", row.slow)):
        option = BY_FLAG[flag]
        if text and found[option.field] is None and flag not in reader.wrong:
            found[option.field] = option.read(text)
    found["slo"] = "" if found["slo"] == "none" else found["slo"] or row.slo
    found["slos"] = thresholds.parse(found["slo"])
    roles_given = found["roles"] is not None
    if not roles_given:
        found["roles"] = default_roles(found["scenario"], found["protocol"])
    if found["azure_resource"] is not None:
        reader_of_metrics = Identity(found["credential"] or "default", "", found["authority"])
        found["azure_resource"] = AzureResource(found["azure_resource"], reader_of_metrics)
    for flag in ("--wps-target", *TARGET_FLAGS, "--wps-authority", "--wps-token-scope"):
        del found[BY_FLAG[flag].field]
    found |= {"user_class": "", "calls_rest": False}
    population = Population(**{name: found.pop(name) for name in POPULATION_FIELDS - {"seed"}}, seed=found["seed"])
    classes = given.locustfile.classes
    plays = given.locustfile.plays_scenario
    populations = populations_of(classes, population, plays_scenario=plays, roles_given=roles_given)
    config = RunConfig(
        target=target,
        populations=populations,
        users=users,
        spawn_rate=DEFAULT_SPAWN_RATE if spawn_rate is None else spawn_rate,
        run_time_s=run_time_s,
        given=tuple(_shown(reader.texts, row, found["seed"], target)),
        **found,
    )
    faults = reader.faults
    if not judged:
        wrong = frozenset(reader.wrong)
        load_faults = unreachable(config, given.locustfile, wrong, default_rate=spawn_rate is None)
        faults += conflicts(config, frozenset(reader.given), wrong)
        faults += [*class_faults(classes, population, target), *load_faults]
    if faults:
        raise ConfigError(faults)
    return config


class _Reader:
    """Reads the options one by one and collects what is wrong with them."""

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, Level]) -> None:
        self._values = values
        self._sources = sources
        self.faults: list[Fault] = []
        self.wrong: set[str] = set()
        self.given: set[str] = set()
        self.texts: dict[str, str | bool] = {}

    def read(self, option: Option) -> Any:
        """The option's value; the default's where it is not set or, so that the rest can be judged, wrong."""
        raw = self._values.get(option.dest)
        if option.is_switch:
            return self._switch(option, raw)
        text = "" if raw is None else str(raw).strip()
        cleared = raw is not None and option.field == "report_dir"  # the one whose empty text says something
        if text and text != option.default:
            self.given.add(option.flag)
        if not text and raw is not None and not cleared and option.dest in self._sources:
            self._empty(option)
        text = text if text or cleared else str(option.default)
        self.texts[option.flag] = text
        if not text:
            return None
        try:
            text.encode()
        except UnicodeEncodeError:
            self._fault(option, None, "text in UTF-8")
            return option.read(str(option.default)) if option.default else None
        try:
            return option.read(text)
        except ValueError as error:
            # a query, or what stands before an @, may hold a secret
            named = option.field in ("negotiate_url", "endpoint")
            hidden = option.secret or "accesskey=" in text.lower() or (named and "@" in text)
            shown = without_secrets(text) if named else text
            self._fault(option, None if hidden else shown, str(error))
            return option.read(str(option.default)) if option.default else None

    def _switch(self, option: Option, raw: Any) -> bool:
        text = "" if raw is None else str(raw).strip().lower()
        if text not in ("", "true", "false", "on", "off", "yes", "no", "1", "0"):
            self._fault(option, text, "true or false")
        value = text in ("true", "on", "yes", "1")
        if value:
            self.given.add(option.flag)
        self.texts[option.flag] = value
        return value

    def samples(self, content: bytes | None, data_type: str) -> tuple[bytes, ...] | None:
        if content is None:
            return None
        option = BY_FLAG["--wps-payload-file"]
        try:
            return read_samples(content, data_type)
        except ValueError as error:
            self._fault(option, str(self.texts[option.flag]), f"one {data_type} message a line; {error}")
            return None

    def _empty(self, option: Option) -> None:
        name = given_as(option.flag, option.env_var, self._sources[option.dest])
        target = option.flag in TARGET_FLAGS
        allowed = "none for no SLO, or leave it out" if option.field == "slo" else "give it a value, or leave it out"
        self.wrong.add(option.flag)
        self.faults.append(empty(name) if target else Fault(name, "", f"it is set but empty: {allowed}"))

    def _fault(self, option: Option, value: str | None, allowed: str) -> None:
        self.wrong.add(option.flag)
        self.faults.append(Fault(option.flag, value, allowed))


def _shown(
    texts: Mapping[str, str | bool], row: Scenario, seed: int, target: Target
) -> Iterator[tuple[str, str | bool | None]]:
    """The options' texts for settings: nothing secret, and what the scenario or chance chose filled in."""
    chosen = {"--wps-lifetime": row.lifetime, "--wps-cut": row.cut, "--wps-slow": row.slow}
    chosen |= {"--wps-slo": row.slo or "none", "--wps-seed": str(seed)}
    chosen |= {"--wps-endpoint": target.url} if target.identity is not None else {}  # Locust's host may have given it
    for option in OPTIONS:
        text = texts[option.flag]
        if option.secret:
            yield option.key, REDACTED if text else None
        elif option.flag == "--wps-negotiate-url" and text:
            yield option.key, without_secrets(str(text))
        elif option.is_switch:
            yield option.key, text
        else:
            yield option.key, text or chosen.get(option.flag) or None
