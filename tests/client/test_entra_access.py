"""Client URLs of a target without keys: whose token is whose, and what waiting for one counts as."""

from __future__ import annotations

import pytest

from wps_load.client.entra_access import EntraAccess
from wps_load.client.generate_token import Wanted
from wps_load.client.token_store import Made, Pace, TokenStore
from wps_load.protocol.traits import JSON, MQTT5, Traits
from wps_load.settings.entra import ClientTokens

ENDPOINT = "https://demo.webpubsub.azure.com"


class Service:
    def __init__(self) -> None:
        self.asked: list[Wanted] = []

    def make(self, wanted: Wanted) -> Made:
        self.asked.append(wanted)
        return Made(f"t{len(self.asked)}", (1,), 600.0)


def access(service: Service, tokens: str, traits: Traits = JSON, *, in_header: bool = False) -> EntraAccess:
    store = TokenStore(service.make, Pace(1e6), renews=False)
    return EntraAccess(
        store,
        ENDPOINT,
        "bench",
        ("r",),
        60,
        ClientTokens.parse(tokens),
        in_header,
        traits.client_path,
        traits.client_type,
    )


@pytest.mark.parametrize(("tokens", "calls"), [("shared", 1), ("pool:10", 10), ("each", 500)])
def test_how_many_calls_five_hundred_users_are(tokens: str, calls: int) -> None:
    service = Service()
    found = access(service, tokens)
    for _ in range(3):  # and twice again: reconnects
        for number in range(500):
            found.grant(f"user-{number}", ())
    assert len(service.asked) == calls
    assert len({wanted.user_id for wanted in service.asked}) == calls


def test_a_shared_token_has_no_user_id() -> None:
    service = Service()
    access(service, "shared").grant("u", ())
    assert service.asked == [Wanted("bench", None, ("r",), (), 60, "")]


def test_groups_in_the_token_make_another_one() -> None:
    service = Service()
    found = access(service, "shared")
    assert len({found.grant("u", groups).url for groups in ([], ["a"], ["a"], ["b"])}) == 3


def test_the_url_and_the_header() -> None:
    assert access(Service(), "shared").grant("u", ()).url == (
        "wss://demo.webpubsub.azure.com/client/hubs/bench?access_token=t1"
    )
    grant = access(Service(), "shared", in_header=True).grant("u", ())
    assert (grant.url, grant.headers) == (
        "wss://demo.webpubsub.azure.com/client/hubs/bench", {"Authorization": "Bearer t1"}
    )  # fmt: skip


def test_another_client_endpoint_has_another_kind_of_token() -> None:
    service = Service()
    assert "/clients/mqtt/hubs/bench?" in access(service, "each", MQTT5).grant("u", ()).url
    assert "clientType=MQTT" in service.asked[0].target


def test_a_token_that_was_refused_is_requested_again() -> None:
    service = Service()
    found = access(service, "shared")
    found.grant("u", ()).refused()
    assert "t2" in found.grant("u", ()).url
    assert "t2" in found.grant("u", ()).url
