"""The program `wps-load`: one module in `commands/` for each command, imported when it is requested."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

from wps_load import output

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "run": "run a scenario: the first thing to try",
        "init": "write a locustfile, configurations and a CI workflow to start from",
        "options": "every option of a run, with its default and meaning",
        "emulator": "run a local Azure Web PubSub",
        "upstream": "run an app server: negotiate endpoint and echo event handler",
        "token": "print a Client URL",
        "doctor": "check the path to the target before a run",
        "plan": "say what a run will do and cost, without connecting",
        "report": "render a finished run again",
        "compare": "say whether runs got worse, with statistics",
    }
)
"""Command -> its line in the help. `run(argv) -> exit code` of `wps_load.commands.NAME` runs it."""

_USAGE = 2
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code: 2, with a sentence on stderr, for wrong usage.

    The code is also 2 if the output could not be written (a full disk), but not if its reader has left (`| head`).
    """
    output.make_tolerant()
    try:
        code = _main(argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        output.give_up(sys.stdout)
        print(f"wps-load: the output could not be written: {error.strerror}", file=sys.stderr)
        return _USAGE
    finally:
        output.settle()


def _main(argv: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if arguments else _USAGE
    name, *rest = arguments
    if name in ("-V", "--version"):
        print(f"wps-load {_version()}")
        return 0
    if name not in COMMANDS:
        print(f"wps-load: {_unknown(name)}", file=sys.stderr)
        return _USAGE
    return _run(name, rest)


def _run(name: str, argv: Sequence[str]) -> int:
    from wps_load.errors import ConfigError, WpsLoadError

    try:
        code: int = import_module(f"wps_load.commands.{name}").run(argv)
        return code
    except ConfigError as error:
        for fault in error.faults:
            print(f"wps-load {name}: {fault}", file=sys.stderr)
        return _USAGE
    except WpsLoadError as error:
        print(f"wps-load {name}: {error}", file=sys.stderr)
        return _USAGE
    except SystemExit as end:  # argparse, after --help or a fault
        return end.code if isinstance(end.code, int) else _USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: wps-load COMMAND [options]",
            "",
            "Load testing for Azure Web PubSub, on Locust.",
            "",
            *lines,
            "",
            "Try: wps-load run",
            "Each command explains itself with --help.",
        ]
    )


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    from wps_load.auth import redact

    near = get_close_matches(name, COMMANDS, 1)
    return f"there is no command {redact(name)!r}: {f'did you mean {near[0]}?' if near else ', '.join(COMMANDS)}"


def _version() -> str:
    from importlib.metadata import version

    return version("wps-load")


if __name__ == "__main__":
    sys.exit(main())
