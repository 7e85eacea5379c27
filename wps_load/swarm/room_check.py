"""Collects what `room` needs from this machine and the resolver to judge whether a run's connections fit."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace

from wps_load.client import tcp
from wps_load.clock import NS_PER_S, DeadlineTimer
from wps_load.machine import descriptors, hard_open_files, network_identity, this_machine
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile
from wps_load.settings.target import TargetKind
from wps_load.swarm.engines import make_network
from wps_load.swarm.room import EmulatorRoom, Room, shortage


def own_room(config: RunConfig) -> Room:
    """This process's machine and its open files, as of now: the run has neither a connection nor its timer yet."""
    machine = this_machine(addresses=len(config.bind or ()))
    open_now = descriptors(hard_open_files() - tcp.RESERVED_FILES) or 0
    taken = tcp.RESERVED_FILES + open_now + DeadlineTimer.available()
    return Room.of(replace(machine, files_taken=taken), network_identity(), platform.node())


def emulator_room(pid: int) -> EmulatorRoom:
    """The room of the embedded emulator, which has inherited the limit of this process and has no connection yet."""
    files = hard_open_files()
    return EmulatorRoom(files, descriptors(files, pid) or 0)


def lacking_room(
    config: RunConfig, locustfile: Locustfile, rooms: Sequence[Room], emulator: EmulatorRoom | None = None
) -> str | None:
    """Why the run's connections do not fit, or None.

    It is unknown how many users a load shape of the locustfile requests.
    """
    return None if locustfile.shape is not None else _lacking(config, locustfile, rooms, config.peak_users, emulator)


def lacking_growth(
    config: RunConfig, locustfile: Locustfile, rooms: Sequence[Room], users: int, emulator: EmulatorRoom | None = None
) -> str | None:
    """Why the run cannot grow to this many users, or None. Its peak was judged before it began."""
    judged = locustfile.shape is None and config.peak_users is not None and users <= config.peak_users
    return None if judged else _lacking(config, locustfile, rooms, users, emulator)


def _lacking(
    config: RunConfig, locustfile: Locustfile, rooms: Sequence[Room], users: int | None, emulator: EmulatorRoom | None
) -> str | None:
    """A search finds its limits itself, and it is unknown how many connections other people's users open."""
    searched = config.capacity is not None and config.capacity.variable == "users"
    if users is None or searched or not rooms or not locustfile.plays_scenario:
        return None
    if locustfile.other_users or locustfile.classes:
        return None
    emulator = emulator if config.target.is_emulator else None
    if shortage(users, rooms, emulator=emulator) is None:
        return None
    return shortage(users, rooms, _targets(config), emulator)


def _targets(config: RunConfig) -> int | None:
    """The addresses that the run's connections go to, resolved only if one might not be enough."""
    target = config.target
    if target.kind is TargetKind.NEGOTIATE:
        return None  # the app server decides for each connection
    url = target.url if target.connection is None else target.connection.endpoint
    return make_network(config).addresses(url, config.connect_timeout_ns / NS_PER_S)
