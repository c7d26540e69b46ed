"""Speed of loading with current reports, and time of each report, compared with DuckDB on the same events."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask_mixamo_privacy.cli.common import without_collecting
from flask_mixamo_privacy.reports.definitions import NAMES
from flask_mixamo_privacy.reports.publisher import Publisher
from flask_mixamo_privacy.reports.reports import Reports
from flask_mixamo_privacy.reports.windows import ALL, Calendar, Window
from flask_mixamo_privacy.tracking.loader import Loader
from flask_mixamo_privacy.tracking.log import SUFFIX

from . import segments
from .budget import Figure
from .loader import store_in

#: Ten million take many minutes and 8 GB of disk. ``PRIVACY_BENCH_EVENTS=500000`` is quicker.
EVENTS = int(os.environ.get("PRIVACY_BENCH_EVENTS", "10000000"))
_NOW = "2026-01-01T12:00:00.000Z"
_MIN_CELL, _BUDGET = 5, 300.0
_OPEN, _OPEN_BUDGET = 30_000, 100.0  # events of a day that has not closed

_IN_DUCKDB = {
    "visits": """SELECT "at"[:10], count(*), count(DISTINCT visitor) FROM events WHERE kind = 'visit_start' GROUP BY 1""",
    "pages": "SELECT page, count(*), count(DISTINCT visitor) FROM events WHERE kind = 'page_view' GROUP BY 1",
    "movement": "SELECT previous, page, count(*) FROM events WHERE kind = 'page_view' GROUP BY 1, 2",
}


class _PublisherAtNow(Publisher):
    def complete_until(self, waiting: str | None) -> str:
        return min(waiting or _NOW, _NOW)


def measure() -> list[Figure]:
    """Load and publish a year of events, then read every report for the whole year and its last month, week and day."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        log, copy = folder / "log", folder / "copy"
        log.mkdir()
        copy.mkdir()
        number = segments.write(log, EVENTS)
        for path in log.glob(f"*{SUFFIX}"):
            os.link(path, copy / path.name)  # for DuckDB, because the loader deletes the file that it has loaded
        figures = [*_load_figures(folder, log, number), *_report_figures(folder, number), *_duckdb_figures(copy, number)]
        return [*figures, *_open_day_figures(folder, log)]


def _load_figures(folder: Path, log: Path, number: int) -> list[Figure]:
    loader = Loader(str(log), store_in(folder), aggregator=_PublisherAtNow(Calendar(), _MIN_CELL))
    with without_collecting():  # as `flask privacy load` does
        seconds = _seconds(loader.load)
    what = f"{number:,} events: loaded with reports kept current, a second"
    return [Figure(what, number / seconds, "/s", 100_000, at_least=True)]


def _report_figures(folder: Path, number: int) -> list[Figure]:
    calendar = Calendar()
    store = store_in(folder)
    reports = Reports(store, Publisher(calendar, _MIN_CELL), calendar, _MIN_CELL)
    last = segments.FIRST.replace(month=11, day=20)
    windows = (ALL, Window.of("month", last), Window.of("week", last), Window.of("day", last))
    figures = []
    for name in NAMES:
        seconds, window = max((_seconds(partial(reports.report, name, window)), str(window)) for window in windows)
        figures.append(Figure(f"report {name} ({window})", 1000 * seconds, "ms", _BUDGET))
    return [*figures, Figure("what `flask privacy report` shows", 1000 * _seconds(reports.summary), "ms", _BUDGET)]


def _open_day_figures(folder: Path, log: Path) -> list[Figure]:
    """Load a part of the day after the published year, and read its reports without suppression."""
    calendar, store = Calendar(), store_in(folder)
    segments.write(log, _OPEN, days=1, after=365)
    Loader(str(log), store).load()
    reports = Reports(store, Publisher(calendar, 1), calendar, 1)
    day = Window.of("day", segments.FIRST + timedelta(days=365))
    works: dict[str, Callable[[], object]] = {
        "every report": partial(reports.every, day, 100),
        "report pages": partial(reports.report, "pages", day),
    }
    figures = {what: 1000 * min(_seconds(work) for _ in range(5)) for what, work in works.items()}
    return [Figure(f"{what} of {_OPEN:,} open events", figure, "ms", _OPEN_BUDGET) for what, figure in figures.items()]


def _duckdb_figures(copy: Path, number: int) -> list[Figure]:
    """Return figures of DuckDB, which loads the raw events and counts them again for each query."""
    try:
        import duckdb
    except ImportError:
        print("DuckDB is not installed, so the comparison is skipped. Install it: pip install -e '.[bench]'")
        return []
    connection = duckdb.connect(str(copy / "events.duckdb"))
    columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in ("visitor", "at", "kind", "page", "previous")) + "}"
    source = f"read_json('{copy}/*{SUFFIX}', format = 'newline_delimited', columns = {columns})"
    load = _seconds(lambda: connection.execute(f"CREATE TABLE events AS SELECT * FROM {source}"))  # noqa: S608 — the names are constants
    figures = [Figure("DuckDB: the same events loaded, a second", number / load, "/s")]
    for name, query in _IN_DUCKDB.items():
        seconds = _seconds(partial(_fetch, connection, query))
        figures.append(Figure(f"DuckDB: {name} over all", 1000 * seconds, "ms"))
    return figures


def _fetch(connection: Any, query: str) -> None:
    connection.execute(query).fetchall()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
