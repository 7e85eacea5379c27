"""The populations of a mix: each table's options over those of the command line, judged alone and together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wps_load.clock import NS_PER_S
from wps_load.errors import Fault
from wps_load.measure import thresholds
from wps_load.measure.thresholds import Slo
from wps_load.protocol.traits import TRAITS
from wps_load.settings import mix as mix_file
from wps_load.settings.feasibility import LEAST_S
from wps_load.settings.mix import Mix, PopulationTable, population_options
from wps_load.settings.options import BY_FLAG
from wps_load.settings.reading import Reader, build
from wps_load.settings.rules import population_conflicts, run_conflicts
from wps_load.settings.run_config import POPULATION_FIELDS, Population, RunConfig
from wps_load.workload.scenarios import LISTENER, ROWS, Topology
from wps_load.workload.standing import addressed_by, has_groups, senders_to
from wps_load.workload.values import Share

_OF_FEW = ("--wps-lifetime", "--wps-stream-length", "--wps-cut", "--wps-slow")
"""Options that only some scenarios use."""
_JOIN = "webpubsub.joinLeaveGroup"
_NOBODY = Share(count=0)
_SUMMED = ("--wps-total-rate", "--wps-publishers", "--wps-groups", "--wps-cut")
"""Options that count the whole load. As a default of several populations, each would be counted several times."""
_OF_SENDERS = "rest_publish fail_ratio < 1%"


@dataclass(frozen=True, slots=True)
class Mixed:
    """A mix that was read. `populations` are in the order of its tables."""

    mix: Mix
    populations: tuple[Population, ...]
    faults: tuple[Fault, ...]
    texts: Mapping[str, object]
    """The command line's texts, by flag."""

    @classmethod
    def read(cls, path: str, content: str, options: Reader, seed: int) -> Mixed:
        """Reads a mix. `options`: the command line's, which apply where a table says nothing else."""
        mix, faults = mix_file.read(content, path, POPULATION_FIELDS)
        populations = []
        for table in mix.tables:
            reader = options.upon({BY_FLAG[flag].dest: text for flag, text in table.texts.items()})
            populations.append(_population(table, reader, seed))
            faults += [
                replace(fault, option=mix.where(table, table.key(fault.option)))
                for fault in reader.faults
                if fault.option in table.texts
            ]
        return cls(mix, tuple(populations), tuple(faults), dict(options.texts))

    @property
    def slo(self) -> str:
        """The command line's SLOs."""
        return str(self.texts["--wps-slo"])

    @property
    def users(self) -> int | None:
        """The number of users if no option gives it: the sum, if all populations have numbers."""
        counts = [each.users.count for each in self.populations]
        return None if None in counts else sum(count or 0 for count in counts) or None

    def users_unset(self, found: Mapping[str, Any]) -> Iterator[Fault]:
        """A mix of shares needs a number of users: -u, or steps. `found`: the command line's values by field."""
        if all(plan is None or plan.variable != "users" for plan in (found["stages"], found["capacity"])):
            yield Fault("--users", None, f"a number of users: the populations of {self.mix.file} are shares of it")

    def demands(self) -> tuple[dict[str, tuple[Slo, ...]], tuple[Slo, ...]]:
        """The command line's SLOs: those that name a population, by its name, and those of the whole run."""
        found = thresholds.parse(self.slo)
        by_name: dict[str, tuple[Slo, ...]] = {}
        for slo in found:
            if slo.population:
                by_name[slo.population] = (*by_name.get(slo.population, ()), slo)
        return by_name, tuple(slo for slo in found if not slo.population)

    def conflicts(self, config: RunConfig, given: frozenset[str], wrong: frozenset[str]) -> Iterator[Fault]:
        """All conflicts: within a population, between populations, and in the whole run."""
        yield from self._of_the_run(config, given, wrong)
        counts = None if config.peak_users is None else config.mixture(config.peak_users).counts
        for number, (table, population) in enumerate(zip(self.mix.tables, self.populations, strict=True)):
            heard = any(each.listens_to == table.name for each in self.populations)
            users = None if counts is None or heard or not population.scenario_row.users_publish else counts[number]
            alone = replace(
                config, populations=(replace(population, slos=()),), users=users, stages=None, capacity=None
            )
            joins = (
                {"--wps-groups"} if table.listens_to is not None else set()
            )  # of the other population, this many in each
            for fault in population_conflicts(alone, frozenset(table.texts.keys() - joins)):
                key = fault.option.removeprefix("--").removeprefix("wps-").replace(" and --wps-", ", ")
                yield replace(fault, option=self.mix.where(table, key))
            yield from self._alone(number, table, population, config)

    def _alone(self, number: int, table: PopulationTable, population: Population, config: RunConfig) -> Iterator[Fault]:
        row, others = population.scenario_row, self.populations
        if table.users == _NOBODY and not row.needs_key:
            yield Fault(
                self.mix.where(table, "users"), "0", f"{population.scenario} needs users; only REST senders have none"
            )
        ends_s = _ends_s(config)
        if ends_s is not None and table.start_ns / NS_PER_S + LEAST_S > ends_s:
            allowed = f"a time before the end of the run, which is at {ends_s:g}s: nothing of it would be measured"
            yield Fault(self.mix.where(table, "start"), f"{table.start_ns / NS_PER_S:g}s", allowed)
        heard = table.listens_to
        listened = next((each for each in others if each.name == heard), None)
        if listened is not None and listened is not population:
            where = self.mix.where(table, "listens-to")
            if listened.hub != population.hub:
                yield Fault(where, heard, f"a population of the same hub; it is in {listened.hub}")
            elif not has_groups(listened) and not listened.scenario_row.needs_key:
                yield Fault(where, heard, f"a population with groups; {listened.scenario} has none")
            elif has_groups(listened) and not population.traits.enveloped and not config.target.makes_tokens:
                yield Fault(
                    where, heard,
                    f"{population.protocol} clients get their groups from their token: give a connection string, whose "
                    "key signs tokens, not a URL",
                )  # fmt: skip
        receivers = addressed_by(others, number)
        if receivers and all(others[each].users == _NOBODY for each in receivers):
            yield Fault(
                self.mix.where(table, "users"), str(table.users),
                "it sends to single users, but there are none: give it users, or a population that listens to it",
            )  # fmt: skip
        metrics = set(population.metrics)
        if senders_to(others, number):
            metrics.add("delivery")
        if population.listens_to is not None and population.traits.enveloped:
            metrics.add("join_group")
        why = [text for slo in population.slos if (text := thresholds.check(slo, metrics)) is not None]
        if why and "--wps-slo" in table.texts:
            yield Fault(self.mix.where(table, "slo"), str(table.texts["--wps-slo"]), "; ".join(why))

    def _of_the_run(self, config: RunConfig, given: frozenset[str], wrong: frozenset[str]) -> Iterator[Fault]:
        names = [each.name for each in self.populations]
        named, of_all = self.demands()
        for name in named:
            if name not in names:
                yield Fault("--wps-slo", self.slo, f"no population is called {name}: {', '.join(names)}")
        metrics = frozenset[str]().union(*(each.metrics for each in self.populations))
        if config.capacity is not None and not of_all:
            yield Fault(
                "--wps-capacity", None,
                "a search of a mix keeps SLOs of the whole run: give --wps-slo, such as 'delivery p99 < 1s, loss = 0'",
            )  # fmt: skip
        why = [text for slo in of_all if (text := thresholds.check(slo, metrics)) is not None]
        if why:
            yield Fault("--wps-slo", self.slo, "; ".join(why))
        for flag in _SUMMED:
            if flag in given - wrong:
                yield from self._summed(flag)
        yield from run_conflicts(config, given, wrong)

    def _summed(self, flag: str) -> Iterator[Fault]:
        """A number on the command line must belong to one population, which then has all of it."""
        names = [
            table.name
            for table, population in zip(self.mix.tables, self.populations, strict=True)
            if flag not in table.texts and _takes(flag, table, population)
        ]
        key, text = flag.removeprefix("--wps-"), str(self.texts[flag])
        if flag == "--wps-publishers" and Share.parse(text).fraction is not None:
            return  # a share of each is a share of all
        if len(names) > 1:
            yield Fault(flag, text, f"{', '.join(names)} would each have all of it: set {key} in their tables")
        elif not names:
            yield Fault(
                flag, text, "no population uses it: each has a value of its own in its table, or does not need it"
            )


def _ends_s(config: RunConfig) -> float | None:
    """When the run ends at the latest, in seconds from Start; None: unknown."""
    if config.run_time_s is None and config.stages is not None and config.stages.variable == "users":
        return config.stages.duration_ns / NS_PER_S
    return config.run_time_s


def _takes(flag: str, table: PopulationTable, population: Population) -> bool:
    """Whether a population uses a number of the command line that its table does not set."""
    row = population.scenario_row
    if flag == "--wps-total-rate":
        return row.publishes and "--wps-rate" not in table.texts
    return row.publishes if flag == "--wps-publishers" else flag in row.own_options


def _population(table: PopulationTable, reader: Reader, seed: int) -> Population:
    found: dict[str, Any] = {option.field: reader.read(option) for option in population_options(POPULATION_FIELDS)}
    row = ROWS[found["scenario"]]
    listens = table.listens_to is not None
    plays_itself = "--wps-scenario" in table.texts and row.topology is not Topology.GROUPS
    if listens and "--wps-publishers" not in table.texts and not plays_itself:
        found["scenario"] = LISTENER
    row = ROWS[found["scenario"]]
    for flag in _OF_FEW:  # of the command line: for the populations that use it
        if flag not in table.texts and flag not in row.own_options:
            found[BY_FLAG[flag].field] = None
    if not row.publishes or row.needs_key:
        for flag in ("--wps-ack", "--wps-no-echo"):
            if flag not in table.texts:
                found[BY_FLAG[flag].field] = False
    if "--wps-rate" in table.texts and "--wps-total-rate" not in table.texts:
        found["total_rate"] = None  # the command line's, which the table's rate replaces
    if "--wps-slo" not in table.texts:  # what REST senders send is judged where it is received
        found["slo"] = _OF_SENDERS if table.users == _NOBODY else ""
    population, roles_given = build(found, reader, seed)
    roles = population.roles
    if listens and not roles_given and TRAITS[population.protocol].enveloped and _JOIN not in roles:
        roles = (*roles, _JOIN)
    return replace(
        population,
        name=table.name,
        users=table.users,
        start_ns=table.start_ns,
        stop_ns=table.stop_ns,
        listens_to=table.listens_to,
        roles=roles,
        slos=tuple(slo.of(table.name) for slo in population.slos),
    )
