"""Run all benchmarks, or those named, and print one table. Time never makes it fail."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from .budget import Figure, table

NAMES = ("page", "server", "events", "loader", "reports", "decision", "sizes", "start", "journeys")


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"any of {', '.join(NAMES)}; all without one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    given = parser.parse_args()
    if unknown := set(given.name) - set(NAMES):
        parser.error(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}.")
    figures = [figure for name in given.name or NAMES for figure in _measure(name)]
    print(table(figures))
    if given.json:
        given.json.write_text(json.dumps([asdict(f) | {"verdict": f.verdict} for f in figures], indent=2) + "\n")


def _measure(name: str) -> list[Figure]:
    print(f"{name} …", file=sys.stderr, flush=True)
    found: list[Figure] = import_module(f"benchmarks.{name}").measure()
    return found


if __name__ == "__main__":
    main()
