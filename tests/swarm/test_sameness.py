"""A worker of another version, or with other files, would play another run than its master's."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.locust_options import unsupported
from wps_load.swarm.orders import SharedTraits
from wps_load.swarm.sameness import differences, mix_differs, traits_of


def config(**options: str) -> RunConfig:
    values = {f"wps_{name}": text for name, text in options.items()}
    return load(values, users=10, spawn_rate=10, environ={}, sources={})


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    found = {"a": "one" * 99, "same": "one" * 99, "b": "two" * 99}
    for name, content in found.items():
        (tmp_path / name).write_text(content)
    return {name: str(tmp_path / name) for name in found}


def test_the_same_files_may_stand_elsewhere(files: dict[str, str]) -> None:
    traits = traits_of(config(payload_file=files["a"]), [files["b"]])
    assert differences(config(payload_file=files["same"]), [files["b"]], traits) == []
    assert files["a"] not in str(traits)


def test_a_file_that_differs_is_named(files: dict[str, str]) -> None:
    traits = traits_of(config(payload_file=files["a"]), [files["a"]])
    names = [fault.option for fault in differences(config(payload_file=files["b"]), [files["b"]], traits)]
    assert names == ["--wps-payload-file", "locustfile"]


def test_another_version_is_the_only_thing_to_say(files: dict[str, str]) -> None:
    traits: SharedTraits = {**traits_of(config(), [files["a"]]), "version": "0.0.1"}
    (fault,) = differences(config(), [files["b"]], traits)
    assert str(fault).startswith("version of wps-load '")
    assert "the master's, 0.0.1" in str(fault)


def test_what_a_master_does_not_say_is_not_judged(files: dict[str, str]) -> None:
    """A worker that comes in the middle of a run gets less, and has Locust's own file if the master sends it."""
    assert differences(config(payload_file=files["a"]), [files["a"], "/gone"], {}) == []


def test_rebalancing_is_refused() -> None:
    (fault,) = unsupported(Namespace(enable_rebalancing=True))
    assert "--enable-rebalancing" in str(fault)
    assert unsupported(Namespace(enable_rebalancing=False)) == unsupported(Namespace()) == []


def test_a_mix_that_a_worker_was_given_is_its_masters(tmp_path: Path) -> None:
    own, content = tmp_path / "mix.toml", "[[population]]\n"
    assert mix_differs(str(own), ("/elsewhere/mix.toml", content)) == [], "it needs no file"
    own.write_text("\ufeff" + content)
    assert mix_differs(str(own), ("/elsewhere/mix.toml", content)) == []
    assert mix_differs("", ("/elsewhere/mix.toml", content)) == []
    for masters, said in ((("mix.toml", content * 2), "the master's mix"), (None, "no mix")):
        (fault,) = mix_differs(str(own), masters)
        assert str(own) in str(fault)
        assert said in str(fault)
