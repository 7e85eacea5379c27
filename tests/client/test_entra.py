"""Tokens of Entra ID: kept as azure-core keeps them, and got by azure-identity from a made-up Entra ID."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
import jwt
import pytest

from tests.entra_fake import RESOURCE, SECRET, FakeEntra, fake_entra, quiet_environment
from wps_load.client.entra_tokens import EntraTokens, RelayedToken, judge_extra
from wps_load.errors import ConfigError, ConnectFailure
from wps_load.settings.entra import Identity

SCOPE = f"{RESOURCE}/.default"
PUBLIC = Identity("cli", SCOPE)


class Issuer:
    """A credential whose tokens are numbered."""

    def __init__(self, lives_s: int = 3600, refresh_in_s: int | None = None) -> None:
        self.now_s = 1_000_000
        self.asked = 0
        self.lives_s = lives_s
        self.refresh_in_s = refresh_in_s
        self.failure: Exception | None = None

    def get_token_info(self, *scopes: str) -> RelayedToken:
        assert scopes == (SCOPE,)
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        refresh = None if self.refresh_in_s is None else self.now_s + self.refresh_in_s
        return RelayedToken(token=f"t{self.asked}", expires_on=self.now_s + self.lives_s, refresh_on=refresh)

    def tokens(self) -> EntraTokens:
        return EntraTokens(PUBLIC, lambda identity: self, lambda: self.now_s)


def test_one_question_serves_all() -> None:
    issuer = Issuer()
    tokens = issuer.tokens()
    assert {each.get() for each in [gevent.spawn(tokens.token) for _ in range(50)]} == {"t1"}
    assert tokens.token() == "t1"
    assert issuer.asked == 1


@pytest.mark.parametrize(("refresh_in_s", "still_s", "due_s"), [(None, 3230, 3361), (1800, 1799, 1861)])
def test_it_is_renewed_in_time_beside_those_who_use_it(refresh_in_s: int | None, still_s: int, due_s: int) -> None:
    issuer = Issuer(refresh_in_s=refresh_in_s)
    tokens = issuer.tokens()
    tokens.token()
    issuer.now_s += still_s
    tokens.token()
    gevent.sleep(0)
    assert issuer.asked == 1
    issuer.now_s += due_s - still_s
    assert tokens.token() == "t1"
    gevent.sleep(0)
    assert issuer.asked == 2
    assert tokens.token() == "t2"


def test_a_renewal_that_fails_is_tried_again_and_the_token_used() -> None:
    issuer = Issuer(refresh_in_s=100)
    tokens = issuer.tokens()
    tokens.token()
    issuer.failure = OSError("down")
    issuer.now_s += 200
    for _ in range(10):
        assert tokens.token() == "t1"
        gevent.sleep(0)
    assert issuer.asked == 2
    issuer.now_s += 31
    tokens.token()
    gevent.sleep(0)
    assert issuer.asked == 3


def test_an_expired_token_is_not_used() -> None:
    issuer = Issuer()
    tokens = issuer.tokens()
    tokens.token()
    issuer.now_s += 3601
    assert tokens.token() == "t2"
    issuer.now_s += 3601
    issuer.failure = OSError("down")
    with pytest.raises(ConnectFailure) as caught:
        tokens.token()
    assert (caught.value.label, caught.value.permanent) == ("token_credential_unreachable", False)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    judge_extra(None)
    with pytest.raises(ConfigError, match=r"pip install 'wps-load\[entra\]'"):
        judge_extra(PUBLIC)
    with pytest.raises(ConnectFailure, match=r"wps-load\[entra\]"):
        EntraTokens(PUBLIC).token()


# -- azure-identity ------------------------------------------------------------------------------------------


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEntra]:
    for name in set(os.environ) - set(quiet_environment(os.environ)):
        monkeypatch.delenv(name)
    with fake_entra(tmp_path) as served:
        yield served


def ask(fake: FakeEntra, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, credential: str) -> str:
    for name, value in fake.environ(kind, folder).items():
        monkeypatch.setenv(name, value)
    return EntraTokens(Identity(credential, SCOPE)).token()


@pytest.mark.program  # azure-core asks uname what machine this is
@pytest.mark.parametrize(
    ("kind", "credential", "asked"),
    [
        ("managed-identity", "managed-identity", ["imds"]),
        ("app-service", "managed-identity", ["app-service"]),
        ("workload-identity", "workload-identity", ["assertion"]),
        ("service-principal", "service-principal", ["secret"]),
        ("cli", "cli", []),
        ("service-principal", "default", ["secret"]),
        ("workload-identity", "default", ["assertion"]),
        ("managed-identity", "default", ["imds"]),
    ],
)
def test_every_credential(
    fake: FakeEntra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, credential: str, asked: list[str]
) -> None:
    token = ask(fake, tmp_path, monkeypatch, kind, credential)
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == RESOURCE
    assert fake.asked == asked


@pytest.mark.program
def test_a_refusal_is_passed_on_without_the_secret(
    fake: FakeEntra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.refuses = True
    with pytest.raises(ConnectFailure) as caught:
        ask(fake, tmp_path, monkeypatch, "service-principal", "service-principal")
    assert (caught.value.label, caught.value.permanent) == ("token_credential_refused", True)
    assert "AADSTS7000215" in caught.value.message
    assert "\n" not in caught.value.message
    assert SECRET not in caught.value.message


@pytest.mark.program
@pytest.mark.parametrize("credential", ["workload-identity", "service-principal", "cli"])
def test_a_credential_that_is_not_there(
    fake: FakeEntra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, credential: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConnectFailure) as caught:
        EntraTokens(Identity(credential, SCOPE)).token()
    assert caught.value.label == "token_credential_unavailable"
    assert caught.value.advice
