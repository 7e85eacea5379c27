"""Requests that the page refuses, as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wps_load.settings.options import BY_FLAG, OPTIONS, PageAccess
from wps_load.swarm.page_guard import (
    LOCUST_FIELDS,
    Ask,
    Guard,
    listening,
    refusal,
    refused_fields,
    refused_host,
    refused_mode,
    refused_secrets,
    refused_settings,
)
from wps_load.swarm.page_names import addresses, own_names

HERE = "10.0.0.4:8089"
OWN_NAMES = frozenset({"loadbox", "load.example.com"})


def post(path: str = "/swarm", **said: str) -> Ask:
    return Ask("POST", path, **{"host": HERE, "remote": "10.0.0.9", **said})


@pytest.mark.parametrize(
    "ask",
    [
        post(),
        post(origin=f"http://{HERE}"),
        post(origin="http://LOADBOX:8089", host="loadbox:8089"),
        post(origin="https://load.example.com", host="load.example.com"),
        # the browser says so itself, a proxy has changed Host
        post(origin="https://load.example.com", host="127.0.0.1:8089", fetch_site="same-origin", remote="127.0.0.1"),
        post(fetch_site="none"),
        post(origin="http://box.corp.example:8089", host="box.corp.example:8089"),
        post(origin="http://localhost:8089", host="localhost:8089", remote="127.0.0.1"),
        post(origin="http://[::1]:8089", host="[::1]:8089", remote="::1"),
        post(origin="http://load.example.com", host="load.example.com", remote="::ffff:127.0.0.1"),
        post(origin="http://page.localhost:1", host="page.localhost:1", remote="127.0.0.1"),
        Ask("GET", "/", host=HERE, fetch_site="cross-site"),
        Ask("GET", "/stats/requests", host=HERE, origin="http://evil.example", fetch_site="cross-site"),
        Ask("OPTIONS", "/swarm.js", host=HERE, origin="http://evil.example"),
    ],
)
def test_the_page_itself_and_programs_are_heard(ask: Ask) -> None:
    assert refusal(ask, OWN_NAMES) is None


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (post(origin="http://evil.example"), "http://evil.example"),
        (post(origin="null"), "null"),
        (post(origin="http://10.0.0.4:3000"), "http://10.0.0.4:3000"),
        (post(origin="http://evil.example", fetch_site="cross-site"), "another site"),
        (post(fetch_site="cross-site"), "another site"),
        (post(fetch_site="same-site", origin="http://10.0.0.4:3000"), "another site"),
        (post(fetch_site="nonsense"), "another site"),
        (post("/stop", origin="http://evil.example"), "evil"),
        (post("/user", origin="http://evil.example"), "evil"),
        (post("/of-somebody-else", origin="http://evil.example"), "evil"),
        (Ask("GET", "/stats/reset", host=HERE, fetch_site="cross-site"), "another site"),
        (Ask("GET", "/load/stop/", host=HERE, origin="http://evil.example"), "evil"),
        (Ask("DELETE", "/x", host=HERE, origin="http://evil.example"), "evil"),
        # DNS rebinding: a foreign name that now means this host
        (post(origin="http://evil.example:8089", host="evil.example:8089", remote="127.0.0.1"), "evil.example"),
        (post(origin="http://evil.example:8089", host="evil.example.:8089", remote="127.0.0.1"), "evil.example"),
        (post(origin="http://evil.example:8089", host="evil.example:8089", remote="::ffff:127.0.0.1"), "evil.example"),
    ],
)
def test_other_sites_change_nothing(ask: Ask, named: str) -> None:
    sentence = refusal(ask, OWN_NAMES)
    assert sentence is not None
    assert named in sentence


def test_what_is_refused_does_not_reach_the_page() -> None:
    reached: list[str] = []
    answers: list[tuple[str, Any]] = []

    def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        reached.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"ok"]

    guard = Guard(page, OWN_NAMES)

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None, /) -> Callable[[bytes], object]:
        answers.append((status, headers))
        return len

    def ask(**environ: str) -> bytes:
        start = {"REQUEST_METHOD": "POST", "PATH_INFO": "/swarm", "HTTP_HOST": HERE, "REMOTE_ADDR": "10.0.0.9"}
        return b"".join(guard({**start, **environ}, start_response))

    assert b"evil.example" in ask(HTTP_ORIGIN="http://evil.example")
    assert (reached, answers.pop()[0]) == ([], "403 Forbidden")
    assert ask(HTTP_ORIGIN=f"http://{HERE}") == b"ok"
    assert (reached, answers.pop()[0]) == (["/swarm"], "200 OK")


# -- fields ------------------------------------------------------------------------------------------------


def test_what_names_files_folders_credentials_or_ports_is_not_a_field() -> None:
    """A new option of such a name has to say who may set it."""
    telling = ("file", "dir", "port", "url", "host", "endpoint", "credential", "connection_string", "bind", "target")
    for option in OPTIONS:
        if option.flag == "--wps-target":
            continue  # emulator or not: `refused_mode` keeps it from leading anywhere else
        if option.dest.endswith(telling) or option.secret:
            assert option.on_page is not PageAccess.FIELD, option.flag
    for flag in ("--wps-payload-file", "--wps-report-dir", "--wps-ca-file", "--wps-prometheus-host"):
        assert BY_FLAG[flag].on_page is PageAccess.NEVER
    assert BY_FLAG["--wps-allow-target-change"].on_page is PageAccess.NEVER
    assert {option.flag for option in OPTIONS if option.secret and option.on_page is not PageAccess.NEVER} == set()


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wps_payload_file", "--wps-payload-file"),
        ("wps_report_dir", "--wps-report-dir"),
        ("wps_ca_file", "--wps-ca-file"),
        ("wps_connection_string", "--wps-connection-string"),
        ("wps_client_url", "--wps-client-url"),
        ("wps_allow_target_change", "--wps-allow-target-change"),
        ("html_file", "html_file"),  # Locust would write its report there
        ("json_file", "json_file"),
        ("locustfile", "locustfile"),
        ("wps_run", "wps_run"),
    ],
)
def test_fields_that_nobody_may_set(name: str, said: str, allow: bool) -> None:
    (sentence,) = refused_fields(["user_count", name, "wps_rate"], (), allow_target_change=allow)
    assert said in sentence
    assert "with --wps-allow-target-change" not in sentence


def test_targets_are_fields_only_where_the_page_was_opened_for_that() -> None:
    for name in ("wps_negotiate_url", "wps_insecure"):
        (sentence,) = refused_fields([name], (), allow_target_change=False)
        assert "--wps-allow-target-change" in sentence
        assert refused_fields([name], (), allow_target_change=True) == []


def test_what_locusts_form_and_the_locustfile_have_is_accepted() -> None:
    names = [*LOCUST_FIELDS, *(option.dest for option in OPTIONS if option.on_page is PageAccess.FIELD), "my_option"]
    assert refused_fields(names, {"my_option"}, allow_target_change=False) == []
    assert refused_fields(["my_option"], (), allow_target_change=True) == ["my_option is not a field of this page"]


def test_a_credential_is_not_taken_from_the_page() -> None:
    for url in ("https://app.example/negotiate?code=abc", "https://me:abc@app.example/negotiate"):
        (sentence,) = refused_secrets({"wps_negotiate_url": url, "wps_rate": "5", "user_count": "1"})
        assert "--wps-negotiate-url" in sentence
        assert "abc" not in sentence
    assert refused_secrets({"wps_negotiate_url": "https://app.example/negotiate", "wps_insecure": "true"}) == []


@pytest.mark.parametrize(
    ("posted", "started", "refused"),
    [
        ("", None, False),
        ("", "", False),
        ("https://a.example", "https://a.example/", False),
        ("https://b.example", "https://a.example", True),
        ("https://b.example", None, True),
        ("", "https://a.example", True),
    ],
)
def test_the_host_stays_the_one_of_the_start(posted: str, started: str | None, refused: bool) -> None:
    assert (refused_host(posted, started, allow_target_change=False) is not None) is refused
    assert refused_host(posted, started, allow_target_change=True) is None


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"user_class_name": "A", "weight": 2, "fixed_count": 0, "tasks": ["t"]}, False),
        ({"user_class_name": "A", "host": "https://a.example"}, False),
        ({"user_class_name": "A", "host": "https://b.example"}, True),
        ({"user_class_name": "A", "host": None}, True),
        ({"user_class_name": "A", "hub": "other"}, True),
        ({"user_class_name": "A", "__init__": "x"}, True),
        ([], True),
        (None, True),
    ],
)
def test_settings_of_a_user_class(settings: Any, refused: bool) -> None:
    assert (refused_settings(settings, "https://a.example", allow_target_change=False) is not None) is refused


# -- addresses ---------------------------------------------------------------------------------------------


def test_where_the_page_listens_is_said() -> None:
    everywhere = listening("", 8089, ["127.0.0.1", "10.0.0.4"])
    assert "all interfaces, port 8089 (127.0.0.1, 10.0.0.4)" in everywhere
    assert listening("0.0.0.0", 8089, []).startswith("The page listens on all interfaces")
    assert listening("127.0.0.1", 8089, ["10.0.0.4"]) == "The page listens on 127.0.0.1:8089"
    assert listening("::1", 8089, []) == "The page listens on [::1]:8089"


def test_this_hosts_own_names() -> None:
    assert "127.0.0.1" in addresses()
    names = own_names({"web_host": "10.0.0.4", "web_host_display_name": "https://Load.example.com:8443/x"})
    assert {"10.0.0.4", "load.example.com"} <= names
    assert "load.example.com" in own_names({"web_host_display_name": "load.example.com"})


@pytest.mark.parametrize(
    ("posted", "started", "refused"),
    [
        ("auto", "emulator", True),
        ("azure", "emulator", True),
        ("emulator", "emulator", False),
        ("", "emulator", False),
        ("emulator", "auto", False),
        ("azure", "auto", False),
    ],
)
def test_a_page_of_the_emulator_turns_to_no_target(posted: str, started: str, refused: bool) -> None:
    assert (refused_mode(posted, started, allow_target_change=False) is not None) is refused
    assert refused_mode(posted, started, allow_target_change=True) is None
