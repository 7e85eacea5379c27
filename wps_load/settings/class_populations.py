"""A population for each User class that has tasks of its own, and the faults in what the classes say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from wps_load.errors import Fault
from wps_load.protocol.traits import TRAITS
from wps_load.settings.classes import TaskClass
from wps_load.settings.run_config import Population
from wps_load.settings.target import Target
from wps_load.workload.scenarios import LOCUSTFILE, default_roles
from wps_load.workload.values import Share

_KEY = "give a connection string, whose key signs"


def populations_of(
    classes: Sequence[TaskClass], options: Population, *, plays_scenario: bool, roles_given: bool
) -> tuple[Population, ...]:
    """All populations of a run: that of the options, if users play the scenario, and one for each class.

    A single population has no name. `roles_given`: an option sets the roles.
    """
    found = [_population_of(each, options, roles_given=roles_given) for each in classes]
    if plays_scenario or not found:
        found.insert(0, options)
    if len(found) == 1:
        return (found[0],)
    names = {each.name: each.population for each in classes}
    return tuple(replace(each, name=names.get(each.user_class, each.scenario)) for each in found)


def _population_of(each: TaskClass, options: Population, *, roles_given: bool) -> Population:
    protocol = each.protocol or options.protocol
    roles = options.roles if roles_given else default_roles(LOCUSTFILE, protocol)
    return replace(
        options,
        user_class=each.name,
        calls_rest=each.rest,
        users=Share(count=0),  # Locust distributes them
        scenario=LOCUSTFILE,
        protocol=protocol,
        hub=each.hub or options.hub,
        roles=roles if each.roles is None else each.roles,
        auth=each.auth or options.auth,
    )


def class_faults(classes: Sequence[TaskClass], options: Population, target: Target) -> Iterator[Fault]:
    """Every fault of the classes: two with one name, and features that the target cannot provide without a key."""
    yield from _name_faults(classes)
    if not target.makes_tokens:
        for each in classes:
            yield from _key_faults(each, options)


def _name_faults(classes: Sequence[TaskClass]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for each in classes:
        name = each.population
        if not name:
            yield Fault(each.name, None, "a class is a population named after it: give it a name with Latin letters")
        elif name in seen:
            yield Fault(f"{seen[name]} and {each.name}", None, f"both would be called {name}: rename one of them")
        else:
            seen[name] = each.name


def _key_faults(each: TaskClass, options: Population) -> Iterator[Fault]:
    if each.rest:
        yield Fault(each.name, None, f"it sends by REST: {_KEY} the calls, not a URL")
        return
    for attribute, value, has in (("hub", each.hub, "names its hub"), ("roles", each.roles, "has its roles")):
        if value is not None:
            yield Fault(
                f"{each.name}.{attribute}", None, f"a URL's token {has} already: {_KEY} tokens, or leave it out"
            )
    if each.groups and not TRAITS[each.protocol or options.protocol].enveloped:
        yield Fault(f"{each.name}.groups", None, f"a simple client is put into groups by its token: {_KEY} tokens")
