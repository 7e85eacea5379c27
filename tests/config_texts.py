"""Reads options as texts, as the command line and the web form give them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from wps_load.errors import ConfigError, Fault
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import SourceLevel

KEY = base64.b64encode(b"a very secret key").decode()
CONNECTION = f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
TOKEN = "eyJhbGciOi.eyJhdWQiOi.c2VjcmV0"
CLIENT_URL = f"wss://demo.webpubsub.azure.com/client/hubs/chat?access_token={TOKEN}"
NEGOTIATE = "https://app.example/negotiate?code=hidden"


def read(
    users: int | None = 100,
    spawn_rate: float | None = 50,
    environ: dict[str, str] | None = None,
    run_time_s: float | None = None,
    sources: dict[str, SourceLevel] | None = None,
    **options: Any,
) -> RunConfig:
    values = {f"wps_{name}": value for name, value in options.items()}
    return load(
        values,
        users=users,
        spawn_rate=spawn_rate,
        environ=environ or {},
        run_time_s=run_time_s,
        sources=sources,
    )


def faults(**options: Any) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as caught:
        read(**options)
    for secret in (KEY, TOKEN, "hidden"):
        assert secret not in str(caught.value)
    return caught.value.faults


def refused(**options: Any) -> Fault:
    (fault,) = faults(**options)
    return fault
