"""Measured points of growth: bytes and processor time of an event, on SQLite and on PostgreSQL.

A point stands for a number of events a month. Its days have as many events as the days of such a site. Ids are as long as
those of a site, and each week has other visitors.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from flask_mixamo_privacy.cli.common import without_collecting
from flask_mixamo_privacy.reports.publisher import Publisher
from flask_mixamo_privacy.reports.windows import Calendar
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.storage.transfer import Transfer
from flask_mixamo_privacy.tracking import schema
from flask_mixamo_privacy.tracking.loader import Loader
from flask_mixamo_privacy.tracking.store import EventStore

from . import segments

FILE = Path(__file__).with_name("growth.json")
MONTH = 395 / 13  # days

#: Events, and days over which they are spread, for each database.
PLAN = {
    "SQLite": ((100_000, 395), (300_000, 395), (1_000_000, 395), (1_000_000, 30), (1_000_000, 3)),
    "PostgreSQL": ((100_000, 395), (300_000, 395), (300_000, 9), (1_000_000, 3)),
}
_MIN_CELL, _NOW = 5, "2026-06-01T12:00:00.000Z"
_MOVED = 300_000  # events of the points that are also moved


@dataclass(frozen=True)
class Point:
    """What loading events into an empty database needed. Seconds are of processor time, the server's included."""

    database: str
    events: int
    days: int
    visitors: int
    size: int  # bytes of the database
    log: int  # bytes of the lines in the log
    load: float  # seconds until events were loaded and reports published
    rewrite: float  # seconds of `VACUUM`, by the clock
    move: float  # seconds of `flask privacy move`, with two comparisons of all rows; 0 if not measured

    @property
    def month(self) -> float:
        """Return the events a month that the point stands for."""
        return self.events / self.days * MONTH


def read() -> tuple[list[Point], dict[str, Any]]:
    """Return the points of the last measurement, and its circumstances."""
    content = json.loads(FILE.read_text())
    return [Point(**point) for point in content["points"]], content["measured"]


def measure(database: str) -> None:
    """Measure the points of one database, and replace them in the file. Takes a few minutes."""
    points, measured = read() if FILE.exists() else ([], {})
    loads = [os.getloadavg()[0]]
    new = []
    with _postgres() if database == "PostgreSQL" else nullcontext() as server:
        for events, days in PLAN[database]:
            new.append(_point(events, days, server))
            loads.append(os.getloadavg()[0])
            print(new[-1], file=sys.stderr, flush=True)
    points = sorted([*new, *(point for point in points if point.database != database)], key=lambda point: point.database)
    measured[database] = {
        "day": str(date.today()),  # noqa: DTZ011 — the operator's day
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(min(loads), 1), round(max(loads), 1)],
    }
    FILE.write_text(json.dumps({"measured": measured, "points": [asdict(point) for point in points]}, indent=1) + "\n")


class _LaterPublisher(Publisher):
    """A publisher at a moment when every day of the events has closed."""

    def complete_until(self, waiting: str | None) -> str:
        return min(waiting or _NOW, _NOW)


@contextmanager
def _postgres() -> Iterator[Any]:
    """Run the server of the tests, from the wheel that the extra ``[test]`` installs."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    server = import_module("support.postgres").Server()
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(server.folder)


def _point(events: int, days: int, server: Any) -> Point:
    with TemporaryDirectory() as name:
        folder = Path(name)
        number, written = _write(folder / "log", events, days)
        url = server.database() if server else f"sqlite:///{folder / 'privacy-events.sqlite'}"
        store = _store(folder, url)
        loader = Loader(str(folder / "log"), store, aggregator=_LaterPublisher(Calendar(), _MIN_CELL))
        with without_collecting():  # as `flask privacy load` does
            load = _seconds(loader.load, server)
        store.database.truncate_wal()
        with store.read() as connection:
            assert connection is not None
            found, visitors, size = (connection.scalar(sa.text(query)) for query in _queries(connection))
        assert found == number, (found, number)
        start = time.perf_counter()
        assert store.database.rewrite()
        rewrite = time.perf_counter() - start
        move = _move(folder, events, days, server) if server and events == _MOVED else 0.0
    database = "PostgreSQL" if server else "SQLite"
    return Point(database, number, days, visitors, size, written, round(load, 2), round(rewrite, 2), round(move, 2))


def _write(folder: Path, events: int, days: int) -> tuple[int, int]:
    """Write the segments, and return the numbers of lines and of bytes."""
    folder.mkdir()
    number, size = segments.write(folder, events, days), 0
    for day, path in enumerate(sorted(folder.iterdir())):
        text = path.read_text(encoding="ascii")
        text = text.replace('"visitor-', f'"visit{day // 7:04d}').replace(f'"{day:06d}-', f'"{day:08d}-')
        size += path.write_text(text, encoding="ascii")
    return number, size


def _queries(connection: sa.Connection) -> Iterator[str]:
    yield "SELECT count(*) FROM events"
    yield "SELECT count(*) FROM event_visitors"
    if connection.dialect.name == "sqlite":
        yield "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    else:
        yield "SELECT " + " + ".join(f"pg_total_relation_size('{name}')" for name in schema.metadata.tables)


def _move(folder: Path, events: int, days: int, server: Any) -> float:
    """Return the seconds that a move of the same events from SQLite takes."""
    _write(folder / "other", events, days)
    store = _store(folder, f"sqlite:///{folder / 'other.sqlite'}")
    Loader(str(folder / "other"), store, aggregator=_LaterPublisher(Calendar(), _MIN_CELL)).load()
    transfer = Transfer(store.database, server.database())

    def work() -> None:
        transfer.begin()
        for step in (transfer.copy, transfer.compare, transfer.finish):
            step(lambda rows: None)

    return _seconds(work, server)


def _store(folder: Path, url: str) -> EventStore:
    return EventStore(url, KeyRing({"benchmark": "not a secret, a benchmark"}, ""), Spool(str(folder / "erasures.pending")))


def _seconds(work: Callable[[], object], server: Any) -> float:
    """Return the processor time that this process and the server spend on the work."""
    start = time.process_time() + _spent_by(server)
    work()
    return time.process_time() + _spent_by(server) - start


def _spent_by(server: Any) -> float:
    """Return the processor time of all processes of a server, in seconds. Those that have exited count too."""
    if server is None:
        return 0.0
    first = (server.data / "postmaster.pid").read_text().partition("\n")[0]
    running = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    ticks = sum(map(int, _times(first))) + sum(int(ticks) for pid in running for ticks in _times(pid)[:2])
    return ticks / os.sysconf("SC_CLK_TCK")


def _times(pid: str) -> list[str]:
    """Return the ticks of a process in user and kernel mode, and those of its children that have exited."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
