"""`wps-load options`: every option of a run."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from wps_load.commands.parsing import plain_parser
from wps_load.errors import ConfigError, ExitCode, Fault
from wps_load.settings.groups import Group, grouped
from wps_load.settings.options import OPTIONS, Option, PageAccess

_EXAMPLE = """\
Each option is a flag, a key of a --config file (without the dashes) and a variable: --wps-rate is LOCUST_WPS_RATE.
Locust's own options (-u, -r, -t, --headless, --processes, ...) are in `locust --help`.

example:
  wps-load options
  wps-load options rate
"""
_INDENT = 6
_WIDEST = 100


def run(argv: Sequence[str]) -> int:
    """Prints the options by group, or those whose name or text contains WORD: 0. Raises ConfigError if none does."""
    parser = plain_parser("options", "Every option of a run, with its default and meaning.", _EXAMPLE)
    parser.add_argument("word", nargs="?", default="", metavar="WORD", help="only options that contain this word")
    word = parser.parse_args(argv).word
    found = {option.flag for option in OPTIONS if _has(option, word)}
    if not found:
        raise ConfigError([Fault("WORD", word, "a word that occurs in an option; `wps-load options` lists all")])
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    sys.stdout.write("\n".join(_shown(found, width)))
    return ExitCode.PASSED


def page() -> str:
    """The text of docs/options.md: the same in Markdown."""
    lines = [
        "# Options",
        "",
        "<!-- Made by `python -m wps_load.commands.options > docs/options.md`; a test compares it. -->",
        "",
        "Each option is a flag, a key of a `--config` file (without the dashes), an environment variable",
        "(`--wps-rate`: `LOCUST_WPS_RATE`) and, where the last column says so, a field of Locust's page. A flag",
        "overrides a variable, and a variable a file, also if that sets the same thing in another way (`--wps-rate`",
        "overrides a file's `wps-total-rate`). `wps-load options WORD` searches the options. Locust's own options are",
        "in `locust --help`.",
    ]
    for group, options in grouped():
        lines += ["", f"## {group.title}", "", f"{group.about[0].upper()}{group.about[1:]}.", ""]
        lines += ["| option | default | meaning | page |", "|---|---|---|---|"]
        lines += [_row(option) for option in options]
    return "\n".join([*lines, ""])


def _row(option: Option) -> str:
    default = f"`{option.default}`" if option.default and not option.is_switch else "off" if option.is_switch else ""
    where = {PageAccess.FIELD: "yes", PageAccess.TARGET: "with `--wps-allow-target-change`", PageAccess.NEVER: ""}[
        option.on_page
    ]
    secret = " (secret)" if option.secret else ""
    meaning = option.help.replace("|", "\\|").replace("*", "\\*")
    return f"| `{option.flag}`{secret} | {default} | {meaning} | {where} |"


def _has(option: Option, word: str) -> bool:
    return word.lower() in f"{option.flag} {option.help}".lower()


def _shown(flags: set[str], width: int) -> list[str]:
    lines = []
    for group, options in grouped():
        shown = [option for option in options if option.flag in flags]
        if shown:
            lines += [_heading(group), ""]
            for option in shown:
                lines += _lines(option, width)
            lines.append("")
    return lines


def _heading(group: Group) -> str:
    return f"{group.title}: {group.about}"


def _lines(option: Option, width: int) -> list[str]:
    head = f"  {option.flag}" + (" (secret)" if option.secret else "")
    if option.default and not option.is_switch:
        head += f"  [{option.default}]"
    margin = " " * _INDENT
    return [head, *textwrap.wrap(option.help, width, initial_indent=margin, subsequent_indent=margin)]


if __name__ == "__main__":
    sys.stdout.write(page())
