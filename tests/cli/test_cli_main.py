"""The program itself: help, unknown commands, and what becomes of faults."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest

from tests.cli.cli_program import Run
from wps_load import cli
from wps_load.commands import token
from wps_load.errors import ConfigError, Fault, WpsLoadError


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_explains_itself_with_an_example(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.code == 0
    assert f"usage: wps-load {name}" in result.out
    assert f"\n  wps-load {name} " in result.out.partition("example")[2]


def test_help_lists_every_command(run: Run) -> None:
    result = run("--help")
    assert result.code == 0
    assert all(f"  {name} " in result.out for name in cli.COMMANDS)


def test_no_command_is_wrong_usage_with_help(run: Run) -> None:
    assert run().code == 2


def test_an_unknown_command_gets_a_suggestion(run: Run) -> None:
    assert run("docter") == (2, "", "wps-load: there is no command 'docter': did you mean doctor?\n")


def test_version(run: Run) -> None:
    result = run("--version")
    assert result.code == 0
    assert result.out.startswith("wps-load ")


@pytest.mark.parametrize("name", sorted(set(cli.COMMANDS) - {"run"}))  # becomes Locust: tests/test_packaging.py
def test_an_unknown_option_is_one_sentence_without_secrets(run: Run, name: str) -> None:
    result = run(name, "--nonsense=AccessKey=hunter2;")
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert "hunter2" not in result.err


class TestFaults:
    @pytest.fixture
    def failing(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
        """Makes `wps-load token` end with an exception."""

        def fail(error: BaseException) -> None:
            def run(argv: list[str]) -> int:
                raise error

            monkeypatch.setattr(token, "run", run)

        return fail

    def test_every_fault_of_the_settings_on_a_line(self, run: Run, failing: Callable[[BaseException], None]) -> None:
        failing(ConfigError([Fault("--wps-rate", "x", "a number"), Fault("--wps-hub", None, "a name")]))
        assert run("token") == (
            2,
            "",
            "wps-load token: --wps-rate 'x': a number\nwps-load token: --wps-hub: a name\n",
        )

    def test_other_errors_of_ours(self, run: Run, failing: Callable[[BaseException], None]) -> None:
        failing(WpsLoadError("That is no run."))
        assert run("token") == (2, "", "wps-load token: That is no run.\n")

    def test_interrupted(self, run: Run, failing: Callable[[BaseException], None]) -> None:
        failing(KeyboardInterrupt())
        assert run("token").code == 130

    def test_bugs_are_not_hidden(self, run: Run, failing: Callable[[BaseException], None]) -> None:
        failing(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            run("token")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_commands_have_a_run(name: str) -> None:
    assert callable(import_module(f"wps_load.commands.{name}").run)
