"""Every engine for events: SQLite, PostgreSQL, ClickHouse in process, and a ClickHouse cluster."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flask_mixamo_privacy.policy.clickhouse_url import parse_clickhouse_url
from flask_mixamo_privacy.tracking.clickhouse_events import ClickHouseEvents
from flask_mixamo_privacy.tracking.clickhouse_servers import ClickHouseServer, Servers
from flask_mixamo_privacy.tracking.clickhouse_tables import ClickHouseTables
from flask_mixamo_privacy.tracking.engine import Events
from flask_mixamo_privacy.tracking.store import EventStore
from support.event_stores import store_at

ENGINES = ("sqlite", "postgresql", "chdb", "cluster")
_FOLDER: list[Path] = []  # a process can open only one folder with chDB


class Engine(NamedTuple):
    """The books' URL, and the arguments that open the same events again."""

    name: str
    books: str
    clickhouse: Any = None

    def events(self) -> Events | None:
        """Open the events as another process would."""
        return None if self.clickhouse is None else self.clickhouse()

    def store(self, folder: Path) -> EventStore:
        return store_at(self.books, folder, self.events())


def engine_of(name: str, request: pytest.FixtureRequest, folder: Path, books: str = "") -> Engine:
    """Return an empty engine. Its books are in SQLite, unless it is PostgreSQL or ``books`` has a URL."""
    if name == "postgresql":
        return Engine(name, request.getfixturevalue("server").database())
    books = books or f"sqlite:///{folder}/{name}.sqlite"
    if name == "sqlite":
        return Engine(name, books)
    if name == "chdb":
        return Engine(name, books, partial(_in_process, f"test_{secrets.token_hex(4)}", request))
    url = parse_clickhouse_url(request.getfixturevalue("cluster").url(f"test_{secrets.token_hex(4)}"))
    assert url is not None
    return Engine(name, books, partial(ClickHouseEvents.at, url))


def _in_process(database: str, request: pytest.FixtureRequest) -> ClickHouseEvents:
    import clickhouse_connect

    if not _FOLDER:
        _FOLDER.append(request.getfixturevalue("tmp_path_factory").mktemp("chdb"))

    def connect() -> Any:
        path = str(_FOLDER[0])
        clickhouse_connect.get_client(interface="chdb", path=path).command(f"CREATE DATABASE IF NOT EXISTS {database}")
        return clickhouse_connect.get_client(interface="chdb", path=path, database=database)

    return ClickHouseEvents(ClickHouseTables(Servers([ClickHouseServer("chDB", connect)], "")))
