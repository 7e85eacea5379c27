"""What doctor says of names, gateways, distances and tokens."""

from __future__ import annotations

import pytest

from wps_load.client import checks, place_checks
from wps_load.client.checks import Level

HOST = "demo.webpubsub.azure.com"
LINK = "demo.privatelink.webpubsub.azure.com"
PUBLIC, PRIVATE = "20.50.1.2", "10.1.2.3"


@pytest.mark.parametrize(
    ("host", "addresses", "canonical", "level", "says"),
    [
        (HOST, [PUBLIC], "", Level.PASS, f"1 address (public: {PUBLIC})"),
        (HOST, [PUBLIC, "20.50.1.3"], f"{HOST}.", Level.PASS, "2 addresses (public: "),
        (HOST, [PRIVATE], LINK, Level.PASS, f"(private: {PRIVATE}), an alias (CNAME) of {LINK}"),
        (HOST, [PUBLIC], LINK, Level.WARN, "public"),  # the private zone is not linked here
        (LINK, [PRIVATE], "", Level.WARN, "private"),  # no certificate for that name
        ("localhost", ["127.0.0.1", "::1"], "localhost", Level.PASS, "(loopback: 127.0.0.1, ::1)"),
        ("127.0.0.1", ["127.0.0.1"], "127.0.0.1", Level.PASS, "(loopback: 127.0.0.1)"),
        ("front.example", [PUBLIC], "apim.azure-api.net", Level.PASS, "an alias (CNAME) of apim.azure-api.net"),
    ],
)
def test_names(host: str, addresses: list[str], canonical: str, level: Level, says: str) -> None:
    found = place_checks.name(host, addresses, canonical, 1.5, is_proxy=False)
    assert found.level is level
    assert says in found.found
    assert bool(found.advice) is (level is Level.WARN)


@pytest.mark.parametrize(
    ("address", "kind"),
    [("10.0.0.1", "private"), ("172.16.0.1", "private"), ("100.64.0.1", "private"), ("fd00::1", "private"),
     ("169.254.1.1", "private"), ("8.8.8.8", "public"), ("2a01:111::1", "public"), ("::1", "loopback"),
     ("x", "unknown")],
)  # fmt: skip
def test_kinds_of_addresses(address: str, kind: str) -> None:
    assert place_checks.kind_of(address) == kind


def test_who_answers_is_shown() -> None:
    found = place_checks.health(200, "Microsoft-Azure-Application-Gateway/v2", "1.1 front\r\nX: y", 2.0)
    assert found.level is Level.PASS
    assert "Server: Microsoft-Azure-Application-Gateway/v2" in found.found
    assert "(through a proxy)" in found.found
    assert "\n" not in found.found


@pytest.mark.parametrize(("status", "says"), [(403, "network rule"), (502, "backend"), (404, "state of the resource")])
def test_a_sick_front_is_a_warning(status: int, says: str) -> None:
    found = place_checks.health(status, None, None, 2.0)
    assert found.level is Level.WARN
    assert says in found.advice


def test_far_is_a_warning_with_the_advice() -> None:
    assert place_checks.distance("h:443", 1.2, is_proxy=False).level is Level.PASS
    assert place_checks.distance("h:443", 80.0, is_proxy=True).level is Level.PASS  # the proxy's distance says nothing
    far = place_checks.distance("h:443", 80.0, is_proxy=False)
    assert far.level is Level.WARN
    assert "region" in far.advice


@pytest.mark.parametrize(
    ("key_id", "claims", "says"),
    [
        ("s-1f", {"iss": "https://webpubsub.azure.com"}, "made by the service (kid s-..., iss https://webpubsub.azure.com)"),
        (None, {}, "signed with an access key"),
        ("abc", {"iss": "https://sts.windows.net/t/"}, "an unknown key (kid abc, iss https://sts.windows.net/t/)"),
    ],
)  # fmt: skip
def test_kinds_of_tokens(key_id: str | None, claims: dict[str, object], says: str) -> None:
    assert says in place_checks.token_kind(key_id, claims)


def test_each_population_needs_its_roles() -> None:
    assert checks.lacking_roles((), "idle", "json", minted=True) is None
    lacking = checks.lacking_roles(("webpubsub.sendToGroup",), "small-group", "json", minted=False)
    assert lacking is not None
    assert "webpubsub.joinLeaveGroup" in lacking.found
