"""Our options in Locust's own parser: what is refused, in which words, and where each value is said to come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wps_load.errors import ConfigError
from wps_load.settings.options import OPTIONS
from wps_load.settings.sources import SourceLevel
from wps_load.swarm import locust_options

KEY = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
Parse = Callable[..., Any]


@pytest.fixture
def parse(unpatched_locust: None, monkeypatch: pytest.MonkeyPatch) -> Parse:
    """Parses a command line as Locust's program does; leaves by SystemExit for one that is wrong."""
    from locust import argument_parser

    for option in OPTIONS:
        monkeypatch.delenv(option.env_var, raising=False)
    monkeypatch.setattr(locust_options, "_parsers", [])
    parser = argument_parser.get_empty_argument_parser(add_help=True, default_config_files=[])
    argument_parser.setup_parser_arguments(parser)  # type: ignore[no-untyped-call]
    locust_options.add_arguments(parser)

    def parsed(*argv: str) -> Any:
        monkeypatch.setattr("sys.argv", ["locust", *argv])
        return parser.parse_args(list(argv))

    return parsed


def refusal(parse: Parse, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parse(*argv)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_each_option_is_there_with_its_default(parse: Parse) -> None:
    found = vars(parse())
    assert {option.dest: found[option.dest] for option in OPTIONS} == {
        option.dest: False if option.is_switch else option.default for option in OPTIONS
    }


def test_a_wrong_value_is_not_argparses_business_which_would_stop_at_the_first(parse: Parse) -> None:
    found = parse("--wps-protocol", "morse", "--wps-rate", "often")
    assert (found.wps_protocol, found.wps_rate) == ("morse", "often")
    with pytest.raises(ConfigError) as caught:
        locust_options.read(vars(found))
    assert {fault.option for fault in caught.value.faults} >= {"--wps-protocol", "--wps-rate"}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["Nobody"], "'Nobody' is not a User class of the locustfile"),
        (["--wps-raet", "5"], "did you mean --wps-rate?"),
        (["--processes", "0"], "'0' is neither at least 1 nor -1"),
        (["--processes", "many"], "'many' is neither at least 1 nor -1"),
    ],
)
def test_what_locust_would_end_with_another_code_for_is_refused_as_usage(
    parse: Parse, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    assert said in refusal(parse, capsys, *argv)


@pytest.mark.parametrize("processes", ["1", "-1", " 4 "])
def test_processes_are_a_number_or_all_of_them(parse: Parse, processes: str) -> None:
    assert parse(f"--processes={processes}").processes == int(processes)


def test_a_key_in_what_is_no_option_is_not_shown(parse: Parse, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(parse, capsys, f"--wps-conection-string=Endpoint=http://127.0.0.1;AccessKey={KEY};Version=1.0;")
    assert KEY not in said


def test_a_class_of_the_locustfile_may_be_named(parse: Parse) -> None:
    from locust import User

    class Somebody(User):
        abstract = False

    class Base(User):
        abstract = True

    assert parse("Somebody").user_classes == ["Somebody"]
    with pytest.raises(SystemExit):
        parse("Base")


def test_where_a_value_comes_from_is_known_of_flags_variables_and_files(
    parse: Parse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.conf"
    file.write_text("wps-payload = 1KiB\nwps-rate = 1\nwps-rate = 2\n")
    monkeypatch.setenv("LOCUST_WPS_SCENARIO", "idle")
    argv = ("--config", str(file), "--wps-protocol", "protobuf")
    found = parse(*argv)
    sources = locust_options.own_sources(argv)
    assert sources["wps_protocol"] is SourceLevel.FLAG
    assert sources["wps_scenario"] is SourceLevel.VARIABLE
    assert sources["wps_payload"] is SourceLevel.FILE
    assert "wps_slo" not in sources
    assert [fault.option for fault in locust_options.repeated()] != []
    assert (found.wps_payload, found.wps_scenario) == ("1KiB", "idle")


def test_rebalancing_would_close_connections_in_the_middle_of_a_run(parse: Parse) -> None:
    assert locust_options.unsupported(parse()) == []
    (fault,) = locust_options.unsupported(parse("--enable-rebalancing"))
    assert fault.option == "--enable-rebalancing"


def test_how_many_users_there_are_if_nothing_says_so(parse: Parse) -> None:
    from wps_load.settings.sources import Locustfile

    found = vars(parse("--wps-scenario", "idle"))
    assert locust_options.read(found).users == 1
    assert locust_options.read(found, judged=True).users is None, "a master has judged it"
    assert locust_options.read(found, locustfile=Locustfile(shape="Steps")).users is None, "its shape says"
