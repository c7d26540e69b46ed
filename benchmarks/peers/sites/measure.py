"""Measure one package: ``python -m benchmarks.peers.sites.measure NAME ROUNDS`` in the environment of the package.

Prints JSON: for each kind of visitor, the ratio and the microseconds of a request, by CPU time and by the clock.
"""

from __future__ import annotations

import gc
import json
import platform
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.turns import Seconds, compare, environs, only_garbage_of_requests

_REQUESTS = 50


def main() -> None:
    """Print the figures of the package that the command line names."""
    site = import_module(f"{__package__}.{sys.argv[1]}")
    with TemporaryDirectory(prefix="privacy-peers-") as folder:
        bare, extended = site.apps(Path(folder))
        cases = {what: environs([cookie] * _REQUESTS) for what, cookie in site.CASES.items()}
        site.check(bare, extended)
        with only_garbage_of_requests():
            rounds = [_round(bare, extended, cases) for _ in range(int(sys.argv[2]))]
    versions = {name: version(name) for name in site.VERSIONS}
    rows = [_row(what, [one[what] for one in rounds]) for what in cases]
    print(json.dumps({"versions": versions | {"Python": platform.python_version()}, "rows": rows}))


def _round(bare: Any, extended: Any, cases: dict[str, Any]) -> dict[str, tuple[Seconds, Seconds]]:
    seconds = {what: compare(bare, extended, requests) for what, requests in cases.items()}
    gc.collect()
    return seconds


def _row(what: str, rounds: list[tuple[Seconds, Seconds]]) -> dict[str, Any]:
    ratios = [extended.cpu / bare.cpu for bare, extended in rounds]
    low, middle, high = quantiles(ratios, n=4)
    added = median(extended.cpu - bare.cpu for bare, extended in rounds) / _REQUESTS * 1e6
    wall = median(extended.wall / bare.wall for bare, extended in rounds)
    bare_time = median(bare.cpu for bare, _ in rounds) / _REQUESTS * 1e6
    return {"what": what, "cpu": middle, "low": low, "high": high, "added": added, "wall": wall, "bare": bare_time}


if __name__ == "__main__":
    main()
