"""Reads and judges the options' texts together: `load` makes a `RunConfig` of them, or names every fault.

All faults are collected before it raises, so that a user can correct them in one go. Nothing here connects.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace

from wps_load.errors import ConfigError
from wps_load.measure import thresholds
from wps_load.protocol.traits import MQTTS
from wps_load.settings.class_populations import class_faults, populations_of
from wps_load.settings.entra import AzureResource, Identity
from wps_load.settings.feasibility import unreachable
from wps_load.settings.mixed import Mixed
from wps_load.settings.options import BY_FLAG, OPTIONS, TARGET_FLAGS, OptionValues
from wps_load.settings.reading import Reader, build
from wps_load.settings.rules import conflicts
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile, SourceLevel
from wps_load.settings.target import HOST, GivenTarget, Target, choose_target
from wps_load.urls import without_secrets
from wps_load.workload.scenarios import LOCUSTFILE, ROWS, Scenario

REDACTED = "[redacted]"
DEFAULT_SPAWN_RATE = 1.0
"""Locust's default spawn rate, in users per second."""


def load(
    values: OptionValues,
    *,
    users: int | None,
    spawn_rate: float | None,
    environ: Mapping[str, str],
    users_if_unset: int | None = None,
    run_time_s: float | None = None,
    sources: Mapping[str, SourceLevel] | None = None,
    locustfile: Locustfile | None = None,
    judged: bool = False,
    mix: tuple[str, str] | None = None,
) -> RunConfig:
    """Makes the run that these options describe.

    `values`: Locust's parsed options by `Option.dest`, and its `host`; any others are ignored.

    `sources`: where each option that is set came from, by dest (`sources.levels`). With it, a target given by a flag
    overrides one in a file, and an empty text differs from an option that is not set. `users` None: nothing says how
    many. Then a mix of numbers has its own number, a mix of shares is refused, and other runs have `users_if_unset`; if
    that is None too, the number is not known yet (the web page asks for it). `spawn_rate` None: Locust's default.
    `judged`: a master has already judged whether the options go together. `mix`: the path and the content of its mix,
    instead of the file that the options name. Raises ConfigError with every fault.
    """
    given = GivenTarget(sources or {}, environ, values.get(HOST), locustfile or Locustfile())
    if str(values.get(BY_FLAG["--wps-target"].dest) or "").strip() == "emulator":
        values = {**values, **{BY_FLAG[flag].dest: None for flag in TARGET_FLAGS}}
    reader = Reader(values, given.sources)
    found = {option.field: reader.read(option) for option in OPTIONS}
    target = choose_target(found, given, reader.faults, frozenset(reader.wrong))
    if not given.locustfile.plays_scenario:
        found["scenario"] = LOCUSTFILE
    if found["seed"] is None:
        found["seed"] = random.SystemRandom().getrandbits(48)
    named = found.pop("mix")
    source = mix or named
    row = ROWS[found["scenario"]]
    population, roles_given = build(found, reader, found["seed"])
    if found["azure_resource"] is not None:
        reader_of_metrics = Identity(found["credential"] or "default", "", found["authority"])
        found["azure_resource"] = AzureResource(found["azure_resource"], reader_of_metrics)
    for flag in ("--wps-target", *TARGET_FLAGS, "--wps-authority", "--wps-token-scope"):
        del found[BY_FLAG[flag].field]
    classes = given.locustfile.classes
    plays = given.locustfile.plays_scenario
    populations = populations_of(classes, population, plays_scenario=plays, roles_given=roles_given)
    mixed = None
    of_run: tuple[thresholds.Slo, ...] = ()
    if source is not None and plays:
        path, content = source
        mixed = Mixed.read(path, content, reader, found["seed"])
        users = mixed.users if users is None else users
        if users is None and users_if_unset is not None:
            reader.faults += mixed.users_unset(found)
        own, of_run = mixed.demands()
        made = tuple(replace(each, slos=(*each.slos, *own.get(each.name, ()))) for each in mixed.populations)
        populations = made or populations
    config = RunConfig(
        target=target,
        populations=populations,
        mix=None if mixed is None else mixed.mix.name,
        mix_source=None if mixed is None else source,
        slos_of_all=of_run,
        users=users_if_unset if users is None else users,
        spawn_rate=DEFAULT_SPAWN_RATE if spawn_rate is None else spawn_rate,
        run_time_s=run_time_s,
        given=tuple(_shown(reader.texts, row, found["seed"], target, mix=mixed is not None)),
        **found,
    )
    faults = reader.faults
    if not judged:
        wrong = frozenset(reader.wrong)
        load_faults = unreachable(config, given.locustfile, wrong, default_rate=spawn_rate is None)
        if mixed is None:
            faults += conflicts(config, frozenset(reader.given), wrong)
        else:
            faults += [*mixed.faults, *mixed.conflicts(config, frozenset(reader.given), wrong)]
        faults += [*class_faults(classes, population, target), *load_faults]
    if faults:
        raise ConfigError(faults)
    return config


def _shown(
    texts: Mapping[str, str | bool], row: Scenario, seed: int, target: Target, *, mix: bool
) -> Iterator[tuple[str, str | bool | None]]:
    """The options' texts for settings, without secrets and with the values that the scenario or chance chose."""
    chosen = {**row.own_defaults(str(texts["--wps-protocol"])), "--wps-slo": row.slo or "none"}
    chosen = {} if mix else chosen  # each population has its own
    chosen |= {"--wps-seed": str(seed)}
    if texts["--wps-protocol"] not in MQTTS:
        chosen["--wps-qos"] = ""
    if texts["--wps-payload-file"]:
        chosen["--wps-payload"] = ""
    chosen |= {"--wps-endpoint": target.url} if target.identity is not None else {}  # it may come from Locust's host
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
