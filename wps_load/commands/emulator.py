"""`wps-load emulator`: the local Azure Web PubSub as a program."""

from __future__ import annotations

from collections.abc import Sequence

from wps_load.commands.parsing import plain_parser
from wps_load.emulator.main import add_arguments, serve

_EXAMPLE = """\
Prints one line, `Connection string: Endpoint=...`, on stdout when it accepts connections; all else goes to stderr.
Ends on Ctrl-C and SIGTERM.

example:
  wps-load emulator --port 8080 --faults delay=20ms,drop=1/1000,seed=7
  locust -f locustfile.py --wps-connection-string 'Endpoint=http://127.0.0.1:8080;AccessKey=...;Version=1.0;'
"""


def run(argv: Sequence[str]) -> int:
    """Serves until a signal ends it: 0; 2 if it cannot start."""
    parser = plain_parser("emulator", "Runs a local Azure Web PubSub.", _EXAMPLE)
    add_arguments(parser)
    return serve(parser.parse_args(argv))
