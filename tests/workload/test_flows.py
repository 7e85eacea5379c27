"""Deliveries between populations as the plan reckons them, against the roles that a run deals out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.workload.flows import Pair, flows
from wps_load.workload.population import role
from wps_load.workload.standing import standings

USERS = 60


def mixed(folder: Path, tables: list[dict[str, Any]], users: int = USERS) -> RunConfig:
    file = folder / "mix.toml"
    lines = []
    for table in tables:
        lines.append("[[population]]")
        lines += [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {str(value).lower()}"
                  for key, value in table.items()]  # fmt: skip
    file.write_text("\n".join(lines))
    return load({"wps_mix": str(file), "wps_seed": "5"}, users=users, spawn_rate=50.0, environ={})


def planned(config: RunConfig, users: int = USERS) -> dict[Pair, float]:
    return flows(config.populations, config.mixture(users).counts)


def counted(config: RunConfig, users: int = USERS) -> dict[Pair, float]:
    """By the roles: how many members of each population hear a publisher's message, in the mean."""
    mixture, standing = config.mixture(users), standings(config.populations, config.mixture(users).counts)
    roles = [
        [role(each, "r", local, mixture.counts[at], index=mixture.index_of(at, local), standing=standing[at])
         for local in range(mixture.counts[at])]
        for at, each in enumerate(config.populations)
    ]  # fmt: skip
    found: dict[Pair, float] = {}
    for sender, own in enumerate(roles):
        heard = [each.publication for each in own if each.publication is not None]
        for receiver, others in enumerate(roles):
            count = sum(each.audience in other.audiences for each in heard for other in others)
            count -= sum(each.no_echo for each in heard) if sender == receiver else 0
            if count:
                found[sender, receiver] = count / len(heard)
    return found


@given(
    hosts=st.integers(1, 30),
    scenario=st.sampled_from(["echo", "small-group", "big-group", "upstream"]),
    groups=st.none() | st.integers(1, 12),
    size=st.none() | st.integers(1, 12),
    joined=st.none() | st.integers(1, 12),
    no_echo=st.booleans(),
)
def test_who_hears_hosts_is_what_the_roles_say(
    tmp_path_factory: pytest.TempPathFactory,
    hosts: int,
    scenario: str,
    groups: int | None,
    size: int | None,
    joined: int | None,
    no_echo: bool,
) -> None:
    of_groups = scenario.endswith("group")
    first: dict[str, Any] = {"name": "hosts", "users": hosts, "scenario": scenario, "publishers": "100%", "slo": "none"}
    first |= {"groups": min(groups, hosts)} if of_groups and groups else {}
    first |= {"group-size": min(size, hosts)} if of_groups and size and not groups else {}
    first |= {"no-echo": True} if no_echo and of_groups else {}
    tables = [first, {"name": "idlers", "users": "50%", "scenario": "idle"}]
    if scenario != "upstream":
        tables.append(
            {"name": "viewers", "users": "50%", "listens-to": "hosts"} | ({"groups": joined} if joined else {})
        )
    config = mixed(tmp_path_factory.mktemp("mix"), tables)
    expected, found = counted(config), planned(config)
    assert found.keys() == expected.keys()
    for pair, heard in expected.items():
        # viewers join the groups in turn: their numbers in two groups differ by one at most
        assert found[pair] == pytest.approx(heard, abs=1e-9 if pair == (0, 0) else 1.0), pair


def test_listeners_that_publish_are_heard_by_the_others_and_by_those_they_listen_to(tmp_path: Path) -> None:
    hosts = {"name": "hosts", "users": 8, "scenario": "big-group", "groups": 4, "publishers": "100%"}
    guests = {"name": "guests", "users": 12, "scenario": "big-group", "groups": 1, "publishers": "100%",
              "listens-to": "hosts"}  # fmt: skip
    config = mixed(tmp_path, [hosts, guests], 20)
    assert planned(config, 20) == pytest.approx(counted(config, 20)) == {
        (0, 0): 2, (0, 1): 3, (1, 0): 2, (1, 1): 3,
    }  # fmt: skip


def test_an_app_server_reaches_its_hub_or_one_user_of_those_who_listen(tmp_path: Path) -> None:
    tables: list[dict[str, Any]] = [
        {"name": "here", "users": 20, "scenario": "idle"},
        {"name": "there", "users": 40, "scenario": "idle", "hub": "other", "listens-to": "push"},
        {"name": "loud", "users": 0, "scenario": "broadcast"},
        {"name": "push", "users": 0, "scenario": "send-to-user", "hub": "other"},
    ]
    config = mixed(tmp_path, tables)
    assert planned(config) == pytest.approx({(2, 0): 20.0, (3, 1): 1.0})


def test_of_several_who_listen_each_gets_its_part_of_an_app_server(tmp_path: Path) -> None:
    config = mixed(
        tmp_path,
        [
            {"name": "few", "users": 15, "scenario": "idle", "listens-to": "push"},
            {"name": "many", "users": 45, "scenario": "churn", "listens-to": "push"},
            {"name": "push", "users": 0, "scenario": "send-to-user"},
        ],
    )
    assert planned(config) == pytest.approx({(2, 0): 0.25, (2, 1): 0.75})
