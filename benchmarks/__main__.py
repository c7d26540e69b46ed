"""Run all benchmarks, or the named ones, and print one table. A missed budget does not change the exit code.

`profile` prints instead what the extension adds to the page of each kind of visitor, by function.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from .budget import Figure, table

NAMES = ("page", "server", "events", "loader", "reports", "decision", "withdrawal", "sizes", "start", "journeys")


def main() -> None:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"any of {', '.join(NAMES)}; or profile, and words of cases")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    options = parser.parse_args()
    if options.name[:1] == ["profile"]:
        print(import_module("benchmarks.profile").report(options.name[1:]))
        return
    if unknown := set(options.name) - set(NAMES):
        parser.error(f"Unknown benchmark: {', '.join(sorted(unknown))}; allowed: {', '.join(NAMES)}.")
    figures = [figure for name in options.name or NAMES for figure in _measure(name)]
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps([asdict(f) | {"verdict": f.verdict} for f in figures], indent=2) + "\n")


def _measure(name: str) -> list[Figure]:
    print(f"{name} …", file=sys.stderr, flush=True)
    figures: list[Figure] = import_module(f"benchmarks.{name}").measure()
    return figures


if __name__ == "__main__":
    main()
