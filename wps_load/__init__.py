"""Load for Azure Web PubSub. What a locustfile imports is here; see docs/locustfiles.md.

Names are imported on first use, because the pure rooms (protocol, measure, workload) must work without gevent and
Locust.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wps_load.swarm.app_server_user import AppServerUser
    from wps_load.swarm.users import ScenarioUser
    from wps_load.swarm.webpubsub_user import WebPubSubUser

    __version__: str

__all__ = ["AppServerUser", "ScenarioUser", "WebPubSubUser", "__version__"]
_MODULES = {"AppServerUser": "app_server_user", "ScenarioUser": "users", "WebPubSubUser": "webpubsub_user"}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"wps_load.swarm.{_MODULES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("wps-load")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
