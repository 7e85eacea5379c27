"""Load for Azure Web PubSub. `WebPubSubUser` is what a locustfile imports; see docs/locustfiles.md.

Nothing is imported until it is asked for: the pure rooms (protocol, measure, workload) do without gevent and Locust.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wps_load.swarm.webpubsub_user import WebPubSubUser

    __version__: str

__all__ = ["WebPubSubUser", "__version__"]


def __getattr__(name: str) -> object:
    if name == "WebPubSubUser":
        from wps_load.swarm.webpubsub_user import WebPubSubUser

        return WebPubSubUser
    if name == "__version__":
        from importlib.metadata import version

        return version("wps-load")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
