"""The service's 403s: that of a network rule, from the module in front of it, and that of a missing role. Pure.

Source: Azure Web PubSub documentation, "Network access control" and "Integrate with Application Gateway" (HTML, no
error code); microsoft/aspire#8382 (JSON that names the data action); Azure RBAC permissions reference. Not seen here.
"""

from __future__ import annotations

from aiohttp import web

_PREFIX = "Microsoft.SignalRService/WebPubSub/"
_PAGE = """\
<html>
<head><title>403 Forbidden</title></head>
<body>
<center><h1>403 Forbidden</h1></center>
<hr><center>nginx</center>
</body>
</html>
"""
_KINDS = {"connections": "clientConnection", "groups": "group", "users": "user"}


def by_network_rule() -> web.Response:
    """Sent before anything else is checked: it has no error code, and nothing of the service in it."""
    return web.Response(status=403, text=_PAGE, content_type="text/html", headers={"Server": "nginx"})


def lacking_role(method: str, path: str) -> str:
    """The sentence that names the missing data action."""
    return (
        f"{_PREFIX}{data_action(method, path)} permission is required to access this API. Please check your role "
        "assignments."
    )


def data_action(method: str, path: str) -> str:
    """The data action that a caller by Entra ID needs for this request, without the prefix that all have."""
    segments = path.strip("/").split("/")[3:]
    last = segments[-1].lower() if segments else ""
    if last == ":generatetoken":
        return "clientConnection/generateToken/action"
    kind = _KINDS.get(segments[0].lower(), "hub") if segments else "hub"
    if last == ":send":
        return f"{kind}/send/action"
    if method in ("GET", "HEAD"):
        return f"{kind}/read"
    joins = last in (":addtogroups", ":removefromgroups") or "groups" in (part.lower() for part in segments)
    return "group/write" if joins and last != ":closeconnections" else "clientConnection/write"
