"""Collects what `room` needs from this machine and the resolver to judge whether a run's connections fit."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from wps_load.clock import NS_PER_S
from wps_load.machine import network_identity, this_machine
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile
from wps_load.settings.target import TargetKind
from wps_load.swarm.engines import make_network
from wps_load.swarm.room import Room, shortage


def own_room(config: RunConfig) -> Room:
    """This process's machine, as of now."""
    return Room.of(this_machine(addresses=len(config.bind or ())), network_identity(), platform.node())


def lacking_room(config: RunConfig, locustfile: Locustfile, rooms: Sequence[Room]) -> str | None:
    """Why the run's connections do not fit, or None.

    It is unknown how many users a load shape of the locustfile requests.
    """
    return None if locustfile.shape is not None else _lacking(config, locustfile, rooms, config.peak_users)


def lacking_growth(config: RunConfig, locustfile: Locustfile, rooms: Sequence[Room], users: int) -> str | None:
    """Why the run cannot grow to this many users, or None. Its peak was judged before it began."""
    judged = locustfile.shape is None and config.peak_users is not None and users <= config.peak_users
    return None if judged else _lacking(config, locustfile, rooms, users)


def _lacking(config: RunConfig, locustfile: Locustfile, rooms: Sequence[Room], users: int | None) -> str | None:
    """A search finds its limits itself, and it is unknown how many connections other people's users open."""
    searched = config.capacity is not None and config.capacity.variable == "users"
    if users is None or searched or not rooms or not locustfile.plays_scenario:
        return None
    if locustfile.other_users or locustfile.classes:
        return None
    if shortage(users, rooms) is None:
        return None
    return shortage(users, rooms, _targets(config))


def _targets(config: RunConfig) -> int | None:
    """The addresses that the run's connections go to, resolved only if one might not be enough."""
    target = config.target
    if target.kind is TargetKind.NEGOTIATE:
        return None  # the app server decides for each connection
    url = target.url if target.connection is None else target.connection.endpoint
    return make_network(config).addresses(url, config.connect_timeout_ns / NS_PER_S)
