"""How fast events are loaded with reports kept current, and how long each report takes, beside DuckDB on the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask_mixamo_privacy.cli.common import without_collecting
from flask_mixamo_privacy.reports.publisher import Publisher
from flask_mixamo_privacy.reports.reports import NAMES, Reports
from flask_mixamo_privacy.reports.windows import ALL, Calendar, Window
from flask_mixamo_privacy.tracking.loader import Loader
from flask_mixamo_privacy.tracking.log import SUFFIX

from . import segments
from .budget import Figure
from .loader import store_in

#: Ten million take many minutes and 8 GB of disk; ``PRIVACY_BENCH_EVENTS=500000`` is a quicker look.
EVENTS = int(os.environ.get("PRIVACY_BENCH_EVENTS", "10000000"))
_NOW = "2026-06-01T12:00:00.000Z"
_LEAST, _BUDGET = 5, 300.0

_IN_DUCKDB = {
    "visits": """SELECT "at"[:10], count(*), count(DISTINCT visitor) FROM events WHERE kind = 'visit_start' GROUP BY 1""",
    "pages": "SELECT page, count(*), count(DISTINCT visitor) FROM events WHERE kind = 'page_view' GROUP BY 1",
    "movement": "SELECT previous, page, count(*) FROM events WHERE kind = 'page_view' GROUP BY 1, 2",
}


class _PublisherAtNow(Publisher):
    def complete_until(self, waiting: str | None) -> str:
        return min(waiting or _NOW, _NOW)


def measure() -> list[Figure]:
    """Load a year of events, publish it, and read every report over all of it, its last month, week and day."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        log, copy = folder / "log", folder / "copy"
        log.mkdir()
        copy.mkdir()
        number = segments.write(log, EVENTS)
        for path in log.glob(f"*{SUFFIX}"):
            os.link(path, copy / path.name)  # the loader deletes what it has loaded: DuckDB reads this name of it
        return [*_loaded(folder, log, number), *_reported(folder, number), *_in_duckdb(copy, number)]


def _loaded(folder: Path, log: Path, number: int) -> list[Figure]:
    loader = Loader(str(log), store_in(folder), aggregator=_PublisherAtNow(Calendar(), _LEAST))
    with without_collecting():  # as `flask privacy load` does
        seconds = _seconds(loader.load)
    what = f"{number:,} events: loaded with reports kept current, a second"
    return [Figure(what, number / seconds, "/s", 100_000, at_least=True)]


def _reported(folder: Path, number: int) -> list[Figure]:
    calendar = Calendar()
    store = store_in(folder)
    reports = Reports(store, Publisher(calendar, _LEAST), calendar, _LEAST)
    last = segments.FIRST.replace(month=11, day=20)
    windows = (ALL, Window.of("month", last), Window.of("week", last), Window.of("day", last))
    found = []
    for name in NAMES:
        seconds, window = max((_seconds(partial(reports.report, name, window)), str(window)) for window in windows)
        found.append(Figure(f"report {name} ({window})", 1000 * seconds, "ms", _BUDGET))
    return [*found, Figure("what `flask privacy report` shows", 1000 * _seconds(reports.summary), "ms", _BUDGET)]


def _in_duckdb(copy: Path, number: int) -> list[Figure]:
    """The raw events in a table of DuckDB's own, which then counts them anew each time."""
    try:
        import duckdb
    except ImportError:
        print("DuckDB is not installed (pip install -e '.[bench]'): nothing to compare with.")
        return []
    connection = duckdb.connect(str(copy / "events.duckdb"))
    columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in ("visitor", "at", "kind", "page", "previous")) + "}"
    source = f"read_json('{copy}/*{SUFFIX}', format = 'newline_delimited', columns = {columns})"
    load = _seconds(lambda: connection.execute(f"CREATE TABLE events AS SELECT * FROM {source}"))
    found = [Figure("DuckDB: the same events loaded, a second", number / load, "/s")]
    for name, query in _IN_DUCKDB.items():
        seconds = _seconds(partial(_ask, connection, query))
        found.append(Figure(f"DuckDB: {name} over all", 1000 * seconds, "ms"))
    return found


def _ask(connection: Any, query: str) -> None:
    connection.execute(query).fetchall()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
