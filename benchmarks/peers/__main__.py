"""Measure the named parts, or all, and write ``benchmarks/results.json``, ``docs/results.md`` and its pictures.

``--write`` measures nothing, and writes the page of what was measured before.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from . import banners, overhead, packages, results


def _figures(name: str) -> Callable[[], Any]:
    def measure() -> list[dict[str, Any]]:
        return [asdict(figure) | {"verdict": figure.verdict} for figure in import_module(f"benchmarks.{name}").measure()]

    return measure


def _of(name: str) -> Callable[[], Any]:
    return lambda: import_module(f"{__package__}.{name}").measure()


#: What each part measures, in about seven minutes together.
PARTS: dict[str, Callable[[], Any]] = {
    "sizes": _figures("sizes"),
    "trackers": _of("trackers"),
    "requests": _of("overhead"),
    "page": _figures("page"),
    "start": _figures("start"),
    "banners": _of("banners"),
    "loss": _of("loss"),
}


def main() -> None:
    """Measure, store, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few rounds, for a try")
    parser.add_argument("--write", action="store_true", help="only write the page again")
    options = parser.parse_args()
    if unknown := set(options.part) - set(PARTS):
        parser.error(f"Unknown part: {', '.join(sorted(unknown))}; allowed: {', '.join(PARTS)}.")
    if not options.write:
        packages.install()
        if options.quick:
            overhead.ROUNDS, banners.ROUNDS, banners.PRESSES = 2, 2, 1
        for name in options.part or PARTS:
            print(f"{name} …", file=sys.stderr, flush=True)
            results.store(name, {"conditions": _conditions(options.quick), "measured": PARTS[name]()})
    results.write()
    print(results.as_text())


def _conditions(quick: bool) -> dict[str, Any]:
    return {
        "run": "quick, with few rounds" if quick else "whole",
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
