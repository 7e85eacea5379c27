"""`wps-load plan`: what it says for settings of which the answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.cli_program import Run
from wps_load.commands import plan, ready

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.conf"))
MIXES = sorted(path.stem for path in CONFIGS[0].parent.glob("*.toml"))
PRICES = Path(__file__).parents[2] / "docs" / "prices.example.json"


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MEASURE_S", 0.01)


def rows(out: str) -> dict[str, str]:
    found = [line for line in out.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    return {line[2:16].strip(): line[17:] for line in found}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_ready_file_can_be_planned(run: Run, config: Path) -> None:
    result = run("plan", "--config", config)
    assert (result.code, result.err) == (0, "")
    assert "this load" in rows(result.out)


def test_the_guides_row_needs_two_units_at_80_percent(run: Run) -> None:
    result = run("plan", "--wps-scenario", "big-group", "-u", "1000", "-r", "100", "-t", "1m10s")
    found = rows(result.out)
    assert found["connections"] == "1,000, opened in 10 s, 100 a second"
    assert found["publishers"] == "30 users"
    assert found["messages"] == "30/s in, 3,000/s out"
    assert found["in all"].startswith("1,800 messages in (")
    assert ", 180,000 out (" in found["in all"]
    assert found["this load"].startswith("2 x Standard_S1: connections 50%, outbound")


def test_a_mix_by_its_option_is_planned_as_by_its_name(run: Run) -> None:
    path = ready.mixes()["chat"]
    by_option = run("plan", "--wps-mix", path)
    assert rows(by_option.out)["connections"].startswith("100, ")
    assert rows(by_option.out)["this load"] == rows(run("plan", "chat").out)["this load"]


def test_a_flag_overrides_what_a_ready_file_says_in_another_way(run: Run) -> None:
    result = run("plan", "send-to-user", "--wps-rate", "50")
    assert (result.code, rows(result.out)["messages"]) == (0, "50/s in, 50/s out")


def test_growth_and_prices(run: Run, tmp_path: Path) -> None:
    prices = {
        "region": "Moon", "date": "2026-11-01", "currency": "EUR",
        "tiers": {"Standard_S1": {"unit_day": 2, "additional_million_messages": 0}},
    }  # fmt: skip
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    result = run("plan", "--wps-scenario", "idle", "-u", "800", "--growth", "1.5,10", "--prices", "prices.json")
    found = rows(result.out)
    assert found["prices"] == "Moon, 2026-11-01, EUR; a month has 30 days"
    assert found["this load"].startswith("1 x Standard_S1: connections 80%")
    assert found["1.5 times"].startswith("2 x Standard_S1")
    assert found["10 times"].startswith("10 x Standard_S1")
    assert "20.00 EUR a day, 600.00 EUR a month" in result.out


def test_a_price_that_is_not_given_is_unknown_not_zero(run: Run, tmp_path: Path) -> None:
    prices = {"region": "Moon", "date": "d", "currency": "EUR", "tiers": {"Free_F1": {"unit_day": 0}}}
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    result = run("plan", "-u", "100", "--prices", "prices.json")
    assert "cost unknown" in result.out
    assert "0.00" not in result.out


def test_the_example_of_prices_can_be_read(run: Run) -> None:
    assert run("plan", "-u", "100", "--prices", PRICES).code == 0


def test_more_than_any_tier_says_which_limit(run: Run) -> None:
    result = run("plan", "--wps-scenario", "idle", "-u", "800001")
    assert "more than any tier holds: connections at 80% (800,001 of 1,000,000) of 1,000 x Premium_P2" in result.out


def test_what_was_bought_is_judged(run: Run) -> None:
    argv = ["plan", "--wps-scenario", "idle", "-u", "900", "--wps-tier", "standard", "--wps-units"]
    assert rows(run(*argv, "2").out)["bought"] == "2 x Standard_S1 holds it"
    assert rows(run(*argv, "1").out)["bought"].startswith("1 x Standard_S1 is too small: connections at 90%")


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["idle", "-u", "800", "-t", "60s", "--wps-units", "1"], 0),
        (["idle", "-u", "801", "-t", "60s", "--wps-units", "1"], 3),
        (["idle", "-u", "20", "-t", "60s", "--wps-tier", "free"], 3),  # 100 %, and 80 % is what one plans for
        (["echo", "-u", "10", "-t", "60s", "--wps-units", "1"], 0),
        (["echo", "-u", "10", "-t", "60s", "--wps-rate", "max", "--wps-units", "100"], 3),  # nobody knows the load
    ],
)
def test_a_check_fails_where_the_units_do_not_hold_it(run: Run, argv: list[str], code: int) -> None:
    result = run("plan", *argv, "--check")
    assert (result.code, result.err) == (code, "")
    assert run("plan", *argv).code == 0


def test_a_run_s_own_command_line_can_be_planned(run: Run, tmp_path: Path) -> None:
    """As behind `wps-load run`, and as behind `locust`."""
    found = rows(run("plan", "small-group", "-u", "500", "--wps-rate", "2", "--wps-table").out)
    assert found["connections"] == "500, opened in 10 s, 50 a second", "the spawn rate that the run would take"
    (tmp_path / "own.conf").write_text("users = 30\nspawn-rate = 3\nwps-scenario = idle\nrun-time = 60s\n")
    assert rows(run("plan", "own.conf").out)["connections"] == "30, opened in 10 s, 3 a second"
    locust = ["-f", "locustfile.py", "--headless", "--processes", "4", "-u", "20", "-r", "5", "-t", "9s"]
    assert rows(run("plan", *locust).out)["connections"] == "20, opened in 4 s, 5 a second"
    assert "did you mean" in run("plan", "smal-group").err


@pytest.mark.parametrize("mix", MIXES)
def test_every_ready_mix_can_be_planned_by_population_and_in_sum(run: Run, mix: str) -> None:
    result = run("plan", mix, "-u", "200", "-t", "1m")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    table = lines[lines.index("", 3) + 1 :]
    names = [line.split()[0] for line in table[: table.index("")]]
    assert names[0] == "connections"
    assert names[-1] == "all"
    assert len(names) == 2 + (CONFIGS[0].parent / f"{mix}.toml").read_text().count("\n[[population]]")
    found = rows(result.out)
    assert found["connections"] == "200, opened in 10 s, 20 a second"
    assert found["this run"].endswith("billed")
    assert max(map(len, lines)) <= 130


def test_a_mix_is_checked_against_the_units(run: Run) -> None:
    checked = ["-t", "1m", "--check", "--wps-units", "1"]
    assert run("plan", "chat", "-u", "200", *checked).code == 0
    large = run("plan", "chat", "-u", "500", *checked)
    assert large.code == 3
    assert "is too small" in large.out
    priced = run("plan", "chat", "-u", "200", "--prices", PRICES, "--growth", "10").out
    assert "a month" in priced
    ten = rows(run("plan", "chat", "-u", "2000", "--growth", "2").out)
    assert ten["this load"] == rows(priced)["10 times"], "ten times the users, who hear ten times as many publishers"


def test_a_closed_loop_in_a_mix_is_unknown(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[[population]]\nname = "a"\nusers = 5\nscenario = "echo"\nrate = "max"\n')
    result = run("plan", "--wps-mix", "m.toml", "--wps-units", "1", "--check")
    assert result.code == 3, "what nobody knows is held by nothing"
    assert "unknown: in a closed loop" in result.out


def test_this_run_comes_before_a_day(run: Run) -> None:
    names = list(rows(run("plan", "--wps-scenario", "big-group", "-u", "1000", "-r", "100", "-t", "1m10s").out))
    assert names.index("this run") + 1 == names.index("a day")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["idle", "-u", "500", "-r", "500"], "500 a second; 1 x Standard_S1 may take 400 (seen at Azure SignalR, "),
        (["idle", "-u", "5000", "-r", "500", "--wps-units", "20"], "500 a second; 20 x Standard_S1 may take 600 ("),
        (["idle", "-u", "30", "-r", "30", "--wps-tier", "free"], "30 a second; 1 x Free_F1 may take 20 ("),
        (["churn", "-u", "1000", "-r", "10", "--wps-lifetime", "2s"], "500 a second; 1 x Standard_S1 may take 400 ("),
    ],
)
def test_connects_a_second_stand_beside_what_the_service_may_take(run: Run, argv: list[str], said: str) -> None:
    found = rows(run("plan", *argv, "-t", "600s").out)["connects"]
    assert found.startswith(said)
    assert ("429" in found) is ("may take 600" not in found)


def test_a_closed_loop_has_no_rate(run: Run) -> None:
    result = run("plan", "-u", "5", "--wps-rate", "max", "-t", "10s")
    found = rows(result.out)
    assert found["messages"].startswith("unknown")
    assert found["workers"].startswith("unknown")
    assert found["this load"].startswith("1 x Standard_S1: connections 0%")


def test_stages_add_up(run: Run) -> None:
    result = run("plan", "--wps-stages", "rate:100:10s,rate:300:20s", "-u", "10", "-r", "10")
    found = rows(result.out)
    assert found["messages"] == "300/s in, 300/s out"
    assert found["in all"].startswith("7,000 messages in")


def test_ports_of_one_machine(run: Run) -> None:
    found = rows(run("plan", "--wps-scenario", "idle", "-u", "100000000").out)
    assert " like this one, which holds " in found["machines"]
    assert found["limits"].startswith("28,232 connections: ports of one source address")


def test_nothing_connects(run: Run) -> None:
    """The target does not exist; the plan does not care, and shows no secret."""
    result = run("plan", "--wps-connection-string", "Endpoint=https://nowhere.invalid;AccessKey=t0ps3cret;")
    assert result.code == 0
    assert "against https://nowhere.invalid\n" in result.out
    assert "t0ps3cret" not in result.out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--growth", "2,x"], "--growth '2,x': "),
        (["--growth", "0"], "--growth '0': "),
        (["--check"], "--check: --wps-units or --wps-tier"),
        (["--prices", "missing.json"], "--prices 'missing.json': a readable file"),
        (["--wps-scenario", "big-group"], "--users '1': big-group needs at least 2"),
    ],
)
def test_usage(run: Run, argv: list[str], said: str) -> None:
    result = run("plan", *argv)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1
