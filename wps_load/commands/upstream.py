"""`wps-load upstream`: an app server to test with."""

from __future__ import annotations

from collections.abc import Sequence

from wps_load.commands.parsing import plain_parser
from wps_load.emulator.upstream import add_upstream_arguments, run_upstream

_EXAMPLE = """\
GET /negotiate?hub=H&id=USER answers {"url": "wss://..."}; the event handler answers each event with the same payload,
and the abuse protection's OPTIONS with the caller's origin.

example:
  wps-load upstream --port 8081
  wps-load emulator --event-handler http://127.0.0.1:8081/eventhandler
  locust -f locustfile.py --wps-negotiate-url http://127.0.0.1:8081/negotiate
"""


def run(argv: Sequence[str]) -> int:
    """Serves until a signal ends it: 0; 2 if it cannot start."""
    parser = plain_parser("upstream", "Runs an app server: a negotiate endpoint and an echo event handler.", _EXAMPLE)
    add_upstream_arguments(parser)
    return run_upstream(parser.parse_args(argv))
