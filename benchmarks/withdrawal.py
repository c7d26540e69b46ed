"""How long a withdrawal locks the event store, and how long the visitor waits behind a loading backlog."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from flask_mixamo_privacy.tracking import schema
from flask_mixamo_privacy.tracking.loader import Loader
from flask_mixamo_privacy.tracking.log import SUFFIX
from flask_mixamo_privacy.tracking.parsing import COLUMNS, Row
from flask_mixamo_privacy.tracking.store import EventStore

from . import segment
from .budget import Figure
from .loader import store_in

_DAYS, _EVENTS, _OTHERS = 400, 100_000, 200_000
_BACKLOG = 600_000
_FIRST = date(2025, 11, 1)
_LAST = str(_FIRST + timedelta(days=_DAYS))


def measure() -> list[Figure]:
    """Return the longest wait for the lock during a large withdrawal, and the p99 of small ones beside a loader."""
    with TemporaryDirectory() as folder:
        locked = _locked(Path(folder, "large"))
        waits = _waits(Path(folder, "backlog"))
    what = f"withdrawal of {_EVENTS:,} events over {_DAYS} days"
    return [
        Figure(f"{what}, longest wait of another writer", locked * 1e3, "ms", 1000),
        Figure("withdrawal beside a loading backlog, p99", quantiles(waits, n=100)[98] * 1e3, "ms", 250),
    ]


def _locked(folder: Path) -> float:
    """Return the longest time for which another connection waits for the write lock during the erasure, in seconds."""
    folder.mkdir()
    store = _filled(folder)
    waits: list[float] = []
    done = threading.Event()
    watcher = threading.Thread(target=_take_lock, args=(folder / "privacy-events.sqlite", waits, done))
    watcher.start()
    deleted = store.erase("large", _LAST)
    done.set()
    watcher.join()
    assert deleted == _EVENTS, deleted
    return max(waits)


def _take_lock(path: Path, waits: list[float], done: threading.Event) -> None:
    connection = sqlite3.connect(path, timeout=600, isolation_level=None)
    while not done.is_set():
        start = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        waits.append(time.perf_counter() - start)
        time.sleep(0.001)
    connection.close()


def _filled(folder: Path) -> EventStore:
    """Return a store in which each day was counted. One visitor has a third of the events."""
    store, chance = store_in(folder), random.Random(7)  # noqa: S311 — invented data needs no secret
    visitors = ["large"] * _EVENTS + [f"visitor {number % 5000}" for number in range(_OTHERS)]
    rows = sorted(_row(chance, number, visitor) for number, visitor in enumerate(visitors))
    days = [_FIRST + timedelta(days=number) for number in range(_DAYS)]
    counted = [
        {"start": _moment(day), "until": _moment(day + timedelta(days=1)), "day": str(day), "whole": True} for day in days
    ]
    with store.write() as connection:
        store.add(connection, rows)
        connection.execute(sa.insert(schema.pieces), counted)
    return store


def _row(chance: random.Random, number: int, visitor: str) -> Row:
    seconds = chance.randrange(86_400)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    at = f"{_FIRST + timedelta(days=chance.randrange(_DAYS))}T{clock}.000Z"
    values = {"at": at, "visitor": visitor, "id": f"event {number}", "kind": "page_view", "visit": f"visit {number // 5}"}
    values |= {"page": f"/articles/page-{number % 200}", "browser": "Firefox", "platform": "Linux", "data": "{}"}
    return tuple(values.get(column) for column in COLUMNS)


def _moment(day: date) -> str:
    return f"{day}T00:00:00.000Z"


def _waits(folder: Path) -> list[float]:
    """Return the seconds of each withdrawal while another thread loads a backlog."""
    log = folder / "log"
    segment.write(log, "backlog", _BACKLOG)
    store = store_in(folder)
    with store.write():
        pass  # creates the tables
    loading = threading.Thread(target=Loader(str(log), store_in(folder)).load)
    loading.start()
    waits: list[float] = []
    while loading.is_alive():
        start = time.perf_counter()
        store.erase_or_spool(f"visitor {len(waits)}", _LAST)
        waits.append(time.perf_counter() - start)
        time.sleep(0.01)
    loading.join()
    assert not list(log.glob(f"*{SUFFIX}")), "the backlog was not loaded"
    return waits
