"""`wps-load run`: which arguments Locust gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from wps_load.commands import ready
from wps_load.commands.run import arguments
from wps_load.errors import ConfigError

CONFIGS = ready.configs()


def made(*argv: str, environ: Mapping[str, str] | None = None) -> list[str]:
    return arguments(argv, environ or {}, CONFIGS)


def value(found: list[str], flag: str) -> str | None:
    return found[found.index(flag) + 1] if flag in found else None


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        ((), "smoke"),
        (("churn",), "churn"),
        (("-t", "5s"), "smoke"),
        (("--wps-scenario", "idle", "-u", "5"), "idle"),
        (("--wps-scenario=idle",), "idle"),
    ],
)
def test_a_scenario_has_its_ready_file(argv: tuple[str, ...], name: str) -> None:
    found = made(*argv)
    assert value(found, "--config") == str(CONFIGS[name])
    assert value(found, "-f") == str(ready.locustfile())
    assert {"--headless", "--only-summary"} <= set(found)
    assert found[-1:] == list(argv[-1:]) or argv in ((), ("churn",))


def test_a_mix_by_its_option_runs_as_by_its_name(tmp_path: Path) -> None:
    mix = tmp_path / "own.toml"
    mix.write_text('[[population]]\nname = "a"\nusers = 30\n[[population]]\nname = "b"\nusers = 40\n')
    named, by_option = made(str(mix)), made("--wps-mix", str(mix))
    assert set(named) == set(by_option)
    assert value(named, "--users") == "70", "the file's own numbers"
    assert value(named, "--config") is value(by_option, "--config") is None
    mix.write_text('[[population]]\nname = "a"\nusers = "100%"\n')
    assert value(made("--wps-mix", str(mix)), "--users") == "100"
    assert value(made("--wps-mix", str(mix), "-u", "9"), "--users") is None


@pytest.mark.parametrize(
    ("argv", "rate"),
    [
        (("echo",), None),  # the file's own, made for its own users
        (("echo", "-u", "500", "-t", "60s"), "50"),
        (("echo", "-u", "500", "-t", "9s"), "167"),
        (("echo", "-u", "250000", "-t", "10m"), "1000"),
        (("echo", "-u", "1"), "1"),
        (("echo", "-u", "500", "-r", "7"), "7"),
        (("echo", "-u500", "-t60s"), "50"),
        (("echo", "--wps-stages", "100:60s,700:60s"), "70"),
        (("echo", "-u", "many"), None),
    ],
)
def test_without_a_rate_everybody_is_there_within_ten_seconds(argv: tuple[str, ...], rate: str | None) -> None:
    found = made(*argv)
    assert (value(found, "--spawn-rate") or value(found, "-r")) == rate


def test_variables_count_as_flags_do() -> None:
    assert value(made("echo", environ={"LOCUST_USERS": "800"}), "--spawn-rate") == "80"
    assert value(made("echo", "-u", "800", environ={"LOCUST_SPAWN_RATE": "5"}), "--spawn-rate") is None
    assert value(made(environ={"LOCUST_WPS_SCENARIO": "churn"}), "--config") == str(CONFIGS["churn"])


def test_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.conf").write_text("users = 300\nlocustfile = mine.py\n")
    found = made("mine.conf")
    assert value(found, "--config") == "mine.conf"
    assert value(found, "-f") == str(ready.locustfile())  # mine.py is not there
    assert value(found, "--spawn-rate") == "30"
    Path("mine.py").touch()
    assert value(made("mine.conf"), "-f") == "mine.py"
    assert value(made("mine.conf", "-f", "other.py"), "-f") == "other.py"


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="a text file in UTF-8"):
        arguments([str(file)], {}, ready.configs())


def test_the_page_the_tables_and_workers() -> None:
    assert "--headful" in made("echo", "--web")
    assert "--web" not in made("echo", "--web")
    assert "--only-summary" not in made("echo", "--wps-table")
    assert "--headless" not in made("--worker", "--master-host", "10.0.0.1")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("ecoh",), "SCENARIO 'ecoh': did you mean echo? One of "),
        (("zzz",), "SCENARIO 'zzz': one of big-group, "),
        (("no/such.conf",), "FILE.conf 'no/such.conf': an existing file"),
        (("echo", "--config", "x.conf"), "--config 'x.conf': leave it out: echo is a config file already"),
    ],
)
def test_what_is_not_a_scenario(argv: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(*argv)
    (fault,) = caught.value.faults
    assert str(fault).startswith(sentence)
