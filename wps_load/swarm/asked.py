"""The options that a process was started with, and what the page's form changes in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wps_load.errors import ConfigError
from wps_load.settings.options import BY_FLAG, OPTIONS, TARGET_FLAGS, OptionValues
from wps_load.settings.overrides import without_overridden
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile, SourceLevel
from wps_load.settings.target import HOST, TargetKind, public_host
from wps_load.swarm import locust_options, sameness, secrets
from wps_load.swarm.kinds import OurShape, is_ours, plays
from wps_load.swarm.orders import Order, RunIdentity, SharedTraits
from wps_load.urls import without_secrets

if TYPE_CHECKING:
    from locust.env import Environment

_SECRET = frozenset(option.dest for option in OPTIONS if option.secret)
_OF_THIS_HOST = frozenset(option.dest for option in OPTIONS if option.secret or option.local) | {
    HOST, *(BY_FLAG[flag].dest for flag in TARGET_FLAGS),
}  # fmt: skip
"""A worker's own options; its master decides all others, whatever the worker has."""


class Asked:
    """The requested options of one process.

    Locust keeps the last form's texts in `environment.parsed_options`, the master's spawn messages carry the host, and
    the page shows it to everybody. So a token is removed from there.
    """

    def __init__(self, environment: Environment, *, sends: bool) -> None:
        """`sends`: whether this process shows its options on a page, or is a master, which sends them to workers."""
        assert environment.parsed_options is not None
        self._environment = environment
        self._empty = {dest: "" for dest in _SECRET if vars(environment.parsed_options).get(dest) == ""}
        """Secrets that are set but empty, which is refused; taking the secrets out would lose them."""
        self._secrets = secrets.take(environment.parsed_options) if sends else {}
        self._sources = without_overridden(vars(environment.parsed_options), locust_options.own_sources())
        self._hidden: dict[str, str] = {}
        """Hosts with a token, by the text that is shown of them."""
        self._hosts = tuple(
            (cls.__name__, cls.host) for cls in self._ours() if cls.host
        )  # before Locust writes a run's host into them
        self._mix: tuple[str, str] | None = None
        """In a worker: path and content of its master's mix."""
        self.hide_host()
        self.target = ""
        """The target that is tested unless the page changes it, in words."""
        self._first = dict(self.values)

    @property
    def values(self) -> OptionValues:
        """Locust's parsed options, with the secrets, which are not in them if they would be sent or shown."""
        return {**self._empty, **vars(self._environment.parsed_options), **self._secrets}

    def at_start(self, dest: str) -> str:
        """An option's text as the process was started with it; empty: not set."""
        return str(self._first.get(dest) or "")

    def read(self, changed: Mapping[str, object] | None = None) -> RunConfig:
        """The run that the options describe, as the page's form has `changed` them.

        Raises ConfigError with every fault.
        """
        values, found = {**self.values, **(changed or {})}, self.locustfile
        sources = self._now(values)
        values[HOST] = self._host(values)
        if found.shape is not None:
            values["run_time"] = None  # Locust leaves it to the shape
        return self._read(values, sources, found)

    def adopt(self, changed: Mapping[str, object] | None) -> None:
        """What the page sets in place of a secret is not a secret: Locust, which knows only that text, may send it."""
        for dest in self._secrets.keys() & (changed or {}).keys():
            assert changed is not None
            del self._secrets[dest]
            setattr(self._environment.parsed_options, dest, changed[dest])

    def complete(self, config: RunConfig) -> None:
        """Sets Locust's number of users to that of the run if no option does; Locust would begin with one."""
        options: Any = self._environment.parsed_options
        if options.num_users is None:
            options.num_users = config.users

    @property
    def shown(self) -> dict[str, str]:
        """What the page shows in place of texts that contain secrets, by dest; wholly secret texts are left out."""
        return {dest: without_secrets(text) for dest, text in self._secrets.items() if dest not in _SECRET}

    def read_options(self) -> None:
        """Judges each option and the target, for a run that the page begins. Raises ConfigError.

        The page's form gives the number of users, so combinations are judged later.
        """
        values = {**self.values, "num_users": None}
        values[HOST] = self._host(values)
        self.target = self._read(values, self._sources, self.locustfile, judged=True).target.describe()

    def read_as_worker(self, order: Order | RunIdentity, given: OptionValues | None = None) -> RunConfig:
        """The run that a master has judged: its choices, with this process's own secrets.

        `given`: the master's options, if Locust has not sent them yet. Raises ConfigError with what is missing here.
        """
        secrets.judge_emulator(order)
        kind = TargetKind(order["target"])
        # Locust sends its workers the options of plugins, not its own: only the master knows -u of the web form
        values = {**self.values, **(given or {}), "wps_seed": str(order["seed"]), "num_users": order["users"]}
        wanted = {
            TargetKind.EMULATOR: (),
            TargetKind.CONNECTION_STRING: ("--wps-connection-string",),
            TargetKind.CLIENT_URL: ("--wps-client-url",),
            TargetKind.NEGOTIATE: ("--wps-negotiate-url",),
            TargetKind.ENTRA: ("--wps-endpoint",),
        }[kind]
        values |= {BY_FLAG[flag].dest: None for flag in TARGET_FLAGS if flag not in wanted}
        if order["public"]:
            values[BY_FLAG["--wps-connection-string"].dest] = secrets.emulator_connection_string(order["public"])
        if kind is TargetKind.ENTRA:  # neither is a secret; the master may have taken the endpoint from Locust's host
            values |= {"wps_endpoint": order["endpoint"], "wps_credential": order["credential"]}
        host = values.get(HOST) or ""
        values[HOST] = self._hidden.get(host) if kind is TargetKind.CLIENT_URL else None
        values["wps_target"] = "emulator" if kind is TargetKind.EMULATOR else "auto"
        if given is not None:
            self._mix = order["mix"]
            if faults := sameness.mix_differs(self.at_start("wps_mix"), self._mix):
                raise ConfigError(faults)
        values["wps_mix"] = None  # the path means nothing here
        own = {dest: level for dest, level in self._sources.items() if dest in _OF_THIS_HOST}
        config = locust_options.read(values, sources=own, locustfile=self.locustfile, judged=True, mix=self._mix)
        secrets.judge_target(config.target, order)
        if faults := sameness.differences(config, self._files(), order["traits"]):
            raise ConfigError(faults)
        if order["emulator"]:
            return config.with_emulator(secrets.emulator_connection_string(order["emulator"]))
        return config

    def traits(self, config: RunConfig) -> SharedTraits:
        """What the workers of a run must have in common with this master."""
        return sameness.traits_of(config, self._files())

    def _files(self) -> Sequence[str]:
        return self._environment.parsed_locustfiles or ()

    def _read(
        self,
        values: OptionValues,
        sources: Mapping[str, SourceLevel],
        locustfile: Locustfile,
        *,
        judged: bool = False,
    ) -> RunConfig:
        faults = [*locust_options.repeated(), *locust_options.unsupported(self._environment.parsed_options)]
        faults += [fault for cls in self._ours() for fault in cls.attribute_faults()]
        try:
            config = locust_options.read(values, sources=sources, locustfile=locustfile, judged=judged)
        except ConfigError as error:
            raise ConfigError([*faults, *error.faults]) from None
        if faults:
            raise ConfigError(faults)
        return config

    @property
    def locustfile(self) -> Locustfile:
        """The locustfile's facts, for the classes that are chosen now."""
        ours = self._ours()
        shape = self._environment.shape_class
        return Locustfile(
            plays_scenario=any(map(plays, ours)),
            other_users=len(ours) < len(self._environment.user_classes),
            shape=None if shape is None or isinstance(shape, OurShape) else type(shape).__name__,
            hosts=self._hosts,
            classes=tuple(each for cls in ours if (each := cls.task_class()) is not None),
        )

    def hide_host(self) -> None:
        """Removes the token from a host that Locust would show and send."""
        host = self._environment.host
        if host and (shown := public_host(host)) != host:
            self._hidden[shown] = host
            self._environment.host = shown
            setattr(self._environment.parsed_options, HOST, shown)

    def _host(self, values: OptionValues) -> str | None:
        """Locust's host with its token; if no users are ours, it belongs to other people's."""
        host = values.get(HOST) or ""
        shown: str | None = values.get(HOST)
        return self._hidden.get(host, shown) if self._ours() else None

    def _ours(self) -> list[Any]:
        return [cls for cls in self._environment.user_classes if is_ours(cls)]

    def _now(self, values: OptionValues) -> dict[str, SourceLevel]:
        """The sources of these values: as at the start, or from the page, where an empty text means "not set"."""
        found = dict(self._sources)
        for dest in (HOST, *(option.dest for option in OPTIONS if not option.is_switch)):
            text, first = values.get(dest) or "", self._first.get(dest) or ""
            if text == first:
                continue
            found.pop(dest, None)
            if text:
                found[dest] = SourceLevel.PAGE
        return found
