"""The same events on SQLite, PostgreSQL and ClickHouse: loading, closing the month, bytes of an event, and equal reports.

``python -m benchmarks.clickhouse 1000000 30`` prints a line for each: ClickHouse in process, and clusters of one and of two
shards with two replicas each. ``make test-cluster`` installs what it needs. With names after the numbers, such as ``SQLite``
and ``"2 shards"``, only these are measured.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from flask_mixamo_privacy.cli.common import without_collecting
from flask_mixamo_privacy.policy.clickhouse_url import parse_clickhouse_url
from flask_mixamo_privacy.reports.publisher import Publisher
from flask_mixamo_privacy.reports.windows import Calendar, Window
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking.clickhouse_events import ClickHouseEvents
from flask_mixamo_privacy.tracking.clickhouse_servers import ClickHouseServer, Servers
from flask_mixamo_privacy.tracking.clickhouse_tables import ClickHouseTables
from flask_mixamo_privacy.tracking.engine import Events
from flask_mixamo_privacy.tracking.loader import Loader
from flask_mixamo_privacy.tracking.store import EventStore

from . import segments

ENGINES = ("SQLite", "PostgreSQL", "ClickHouse in process", "1 shard", "2 shards")
_PUBLISHED = ("cells", "placed", "pieces", "distinct_visitors")
_BYTES = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'privacy_events_local'"


class _LaterPublisher(Publisher):
    """A publisher at noon after the last month of the events, when each of its days has closed."""

    def __init__(self, days: int, events: Events) -> None:
        super().__init__(Calendar(), 5, events=events)
        self._now = f"{Window.of('month', segments.FIRST + timedelta(days=days - 1)).end}T12:00:00.000Z"

    def complete_until(self, waiting: str | None) -> str:
        return min(waiting or self._now, self._now)


def main(number: int, days: int, engines: tuple[str, ...]) -> None:
    """Measure each engine, and compare what it has published with the first one."""
    first: list[Any] = []
    print(f"{number:,} events of {days} days")
    for engine in engines:
        with TemporaryDirectory() as name, ExitStack() as stack:
            folder = Path(name)
            (folder / "log").mkdir()
            segments.write(folder / "log", number, days)
            books, events, processes = _open(engine, folder, stack)
            store = EventStore(
                books, KeyRing({"benchmark": "not a secret, a benchmark"}, ""), Spool(str(folder / "p")), events
            )
            with without_collecting():
                load = _measured(lambda: Loader(str(folder / "log"), store, keep_days=1).load(), processes)  # noqa: B023
                publisher = _LaterPublisher(days, store.events)
                close = _measured(Loader(str(folder / "log"), store, keep_days=1, aggregator=publisher).load, processes)
            published = [_table(store, name) for name in _PUBLISHED]
            first = first or published
            equal = "equal" if published == first else "OTHER"
            print(
                f"{engine}: load {number / load[0]:,.0f}/s, {number / load[1]:,.0f}/cpu-s; close {close[0]:.1f} s, "
                f"{close[1]:.1f} cpu-s; {_size(store, books) / number:.0f} bytes an event; "
                f"{equal} reports, {_digest(published)}; load average {os.getloadavg()[0]:.0f}",
                flush=True,
            )


def _open(engine: str, folder: Path, stack: ExitStack) -> tuple[str, Events | None, list[int]]:
    """Return the URL of the books, the events and the processes of the servers."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    books = f"sqlite:///{folder / 'books.sqlite'}"
    if engine == "SQLite":
        return books, None, []
    if engine == "ClickHouse in process":
        import clickhouse_connect

        client = clickhouse_connect.get_client(interface="chdb", path=str(folder / "chdb"))
        return books, ClickHouseEvents(ClickHouseTables(Servers([ClickHouseServer("chDB", lambda: client)], ""))), []
    server = stack.enter_context(_postgres())
    if engine == "PostgreSQL":
        return server.database(), None, [server.pid]
    support = import_module("support.clickhouse")
    patch = stack.enter_context(import_module("pytest").MonkeyPatch.context())
    cluster = stack.enter_context(support.Cluster(folder / "cluster", shards=int(engine[0])))
    support.speak_old_dialect(patch)
    url = parse_clickhouse_url(cluster.url("benchmark"))
    assert url is not None
    processes = [server.pid, cluster.keeper.pid, *(each.pid for each in cluster.servers)]
    return server.database(), ClickHouseEvents.at(url), processes


@contextmanager
def _postgres() -> Iterator[Any]:
    server = import_module("support.postgres").Server()
    try:
        server.start()
        server.pid = int((server.data / "postmaster.pid").read_text().partition("\n")[0])
        yield server
        server.stop()
    finally:
        shutil.rmtree(server.folder)


def _table(store: EventStore, name: str) -> list[Any]:
    with store.read() as connection:
        assert connection is not None
        return sorted(tuple(map(_plain, row)) for row in connection.execute(sa.text(f"SELECT * FROM {name}")))  # noqa: S608 — our own names


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value  # SQLite has no type for it


def _digest(published: list[Any]) -> str:
    """Return a text by which reports of several runs can be compared, if they have one ``PYTHONHASHSEED``."""
    return sha256(repr(published).encode()).hexdigest()[:12]


def _size(store: EventStore, books: str) -> int:
    """Return the bytes of one copy of the events, without the books unless they are in one database."""
    if isinstance(store.events, ClickHouseEvents):
        return sum(int(server.value(_BYTES)) for server in store.events.tables.current())
    store.database.truncate_wal()
    if store.database.is_sqlite:
        return os.path.getsize(books.removeprefix("sqlite:///"))
    with store.read() as connection:
        assert connection is not None
        return int(connection.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0)


def _measured(work: Callable[[], object], processes: list[int]) -> tuple[float, float]:
    """Return the seconds by the clock, and the processor time of this process and of the servers."""
    start, used = time.perf_counter(), time.process_time() + _spent(processes)
    work()
    return time.perf_counter() - start, time.process_time() + _spent(processes) - used


def _spent(processes: list[int]) -> float:
    ticks = 0
    for process in processes:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for each in (str(process), *children):
            with suppress(FileNotFoundError, ProcessLookupError):  # a child that has ended meanwhile counts as its parent's
                fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15] if each == str(process) else fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3:]) or ENGINES)
