#!/usr/bin/env python3
"""What the tests run of each room, and whether that is enough: after `pytest --cov`, for `make coverage`.

Rooms that decide without sockets, greenlets and Locust have a floor of their own. The package's floor is in
pyproject.toml.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

FLOORS = dict.fromkeys(("protocol", "measure", "workload", "settings", "capacity", "report"), 95.0)
"""Percent of the branches of each."""


def main() -> int:
    made = subprocess.run(
        [sys.executable, "-m", "coverage", "json", "--quiet", "-o", "-"], stdout=subprocess.PIPE, text=True, check=False
    )
    found = json.loads(made.stdout)
    rooms: dict[str, Counter[str]] = {}
    for path, of_file in found["files"].items():
        _, first, *rest = path.split("/")
        rooms.setdefault(first if rest else "modules beside them", Counter()).update(of_file["summary"])
    low = []
    print(f"{'room':<20} {'lines':>7} {'branches':>9}")
    for room, sums in sorted(rooms.items()):
        branches = percent(sums["covered_branches"], sums["num_branches"])
        is_low = branches < FLOORS.get(room, 0.0)
        said = f"  below {FLOORS[room]:g} %" if is_low else ""
        print(f"{room:<20} {percent(sums['covered_lines'], sums['num_statements']):5.1f} % {branches:7.1f} %{said}")
        low += [room] if is_low else []
    print(f"all of it: {found['totals']['percent_covered']:.1f} % of lines and branches")
    return made.returncode or bool(low)


def percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100.0


if __name__ == "__main__":
    sys.exit(main())
