"""The step to codes on a real PostgreSQL: version 1 of the events database becomes version 2, or stays as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.storage.clock import milliseconds_of
from flask_mixamo_privacy.tracking import schema
from flask_mixamo_privacy.tracking.parsing import COLUMNS
from flask_mixamo_privacy.tracking.store import EventStore
from support.event_stores import add, as_logged, row, store_at, uses

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]


#: The tables that the step changes or reads, as the first version created them on PostgreSQL.
VERSION_1 = """
CREATE TABLE events (at TEXT NOT NULL, visitor TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, visit TEXT NOT NULL,
    page TEXT, previous TEXT, referrer TEXT, browser TEXT, platform TEXT, provider TEXT, network TEXT, data TEXT NOT NULL,
    PRIMARY KEY (at, visitor, id));
CREATE UNIQUE INDEX events_key ON events (visitor, id);
CREATE TABLE late (visitor TEXT NOT NULL, id TEXT NOT NULL, piece TEXT NOT NULL, PRIMARY KEY (visitor, id));
CREATE TABLE people (visitor TEXT NOT NULL PRIMARY KEY, last TEXT NOT NULL, counted BOOLEAN NOT NULL, seen BOOLEAN NOT NULL);
CREATE INDEX people_seen ON people (counted) WHERE seen;
CREATE TABLE pieces (start TEXT NOT NULL PRIMARY KEY, until TEXT NOT NULL, day TEXT NOT NULL, whole BOOLEAN NOT NULL);
CREATE TABLE tombstones (hash TEXT NOT NULL PRIMARY KEY, key TEXT NOT NULL, day TEXT NOT NULL, clean BOOLEAN NOT NULL);
INSERT INTO people VALUES ('only counted', '2026-05-06', true, false), ('a', '2026-05-07', false, true);
INSERT INTO pieces VALUES ('2026-05-06T00:00:00.000Z', '2026-05-07T00:00:00.000Z', '2026-05-06', true),
    ('2026-05-07T00:00:00.000Z', '2026-05-08T00:00:00.000Z', '2026-05-07', true);
INSERT INTO late VALUES ('a', 'counted late', '2026-05-07T00:00:00.000Z'), ('b', 'waits', '');
"""
LONG = "/" + "🦊" * 900
EVENTS = [
    row(
        at="2026-05-06T12:00:00.001Z", visitor="a", id="on time", page=LONG, referrer="", data='{"a":"' + "x" * 20_000 + '"}'
    ),
    row(at="2026-05-06T12:00:00.999Z", visitor="a", id="counted late", page="/", previous=LONG),
    row(at="2026-05-06T23:59:59.123Z", visitor="b", id="waits", page="/ä\\'%s:x", kind="click"),
    row(at="2026-05-08T01:02:03.456Z", visitor="b", id="new", page="/", browser="Firefox"),
    *(row(at="2026-02-28T00:00:00.000Z", visitor=f"v{number}", id="1", page=f"/{number % 7}") for number in range(50)),
]
SLOTS = {
    "on time": "2026-05-06T12:00:00.001Z", "counted late": "2026-05-07T00:00:00.000Z", "waits": "2026-05-08T00:00:00.000Z",
    "new": "2026-05-08T01:02:03.456Z", "1": "2026-02-28T00:00:00.000Z",
}  # fmt: skip


@pytest.fixture
def url(server: Any) -> str:
    """A database of the first version, with events."""
    url: str = server.database()
    run(url, VERSION_1)
    with engine(url).begin() as connection:
        names = ", ".join(COLUMNS)
        values = [dict(zip(COLUMNS, each, strict=True)) for each in EVENTS]
        places = ", ".join(f":{name}" for name in COLUMNS)
        connection.execute(sa.text(f"INSERT INTO events ({names}) VALUES ({places})"), values)
    return url


def engine(url: str) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.NullPool)


def run(url: str, script: str) -> None:
    with engine(url).begin() as connection:
        for statement in filter(str.strip, script.split(";\n")):
            connection.exec_driver_sql(statement)


def content(url: str) -> dict[str, Any]:
    """Return every table with its columns, indexes and rows."""
    with engine(url).connect() as connection:
        inspector = sa.inspect(connection)
        return {
            name: (
                sorted(column["name"] for column in inspector.get_columns(name)),
                sorted(str(index["name"]) for index in inspector.get_indexes(name)),
                sorted(map(str, connection.exec_driver_sql(f'SELECT * FROM "{name}"'))),
            )
            for name in inspector.get_table_names()
        }


def by_key(events: Any) -> list[dict[str, Any]]:
    return sorted(events, key=lambda event: (event["visitor"], event["id"]))


def check(store: EventStore) -> None:
    """Compare a migrated store with the events, slots, visitors and texts of the first version."""
    assert by_key(store.rows()) == by_key(as_logged(*EVENTS))
    assert set(store.visitors()) == {each[1] for each in EVENTS} | {"only counted"}
    assert uses(store)[LONG] == 2 and uses(store)["/"] == 2 and uses(store)["page_view"] == 53
    with store.read() as connection:
        assert connection is not None
        e = schema.events.c
        found = {(name, slot, at is not None) for name, slot, at in connection.execute(sa.select(e.id, e.slot, e.at))}
        people = connection.execute(sa.select(schema.people.c["last", "counted", "seen"]).order_by("last")).all()
    assert found == {(name, milliseconds_of(slot), name in ("counted late", "waits")) for name, slot in SLOTS.items()}
    assert people == [("2026-05-06", True, False), ("2026-05-07", False, True)]


def test_events_are_the_same_after_the_step_on_a_server(url, tmp_path):
    """Texts, moments, slots and visitors, also those of late events and of a visitor without events."""
    check(store_at(url, tmp_path))


def test_a_migrated_server_has_the_tables_of_a_new_one(url, server, tmp_path):
    """Each has the same columns and indexes, and a migrated code is not used again."""
    new = server.database()
    for each in (url, new):
        add(store_at(each, tmp_path), row(visitor="later", id="later", page="/later"))
    migrated, fresh = ({name: each[:2] for name, each in content(where).items()} for where in (url, new))
    assert migrated == fresh and uses(store_at(url, tmp_path))["/later"] == 1


def test_a_migrated_server_still_refuses_and_erases(url, tmp_path):
    """Equal events count once, and an erasure takes the texts of its visitor alone."""
    store = store_at(url, tmp_path)
    assert add(store, *EVENTS) == 0 and store.erase("a", "2026-05-09") == 2
    assert LONG not in uses(store) and uses(store)["/"] == 1 and "a" not in store.visitors()
    assert store.prune("2026-05-08") == 51 and [event["id"] for event in store.rows()] == ["new"]


def test_several_hosts_take_the_step_once(url, tmp_path):
    """All of them load at once after an upgrade."""
    with ThreadPoolExecutor(4) as hosts:
        batches = [[*EVENTS, row(visitor="c", id=str(number))] for number in range(4)]
        assert list(hosts.map(lambda batch: add(store_at(url, tmp_path), *batch), batches)) == [1] * 4
    assert len(list(store_at(url, tmp_path).rows())) == len(EVENTS) + 4


@pytest.mark.parametrize("word", ["CREATE TABLE people", "INSERT INTO event_texts", "INSERT INTO people", "DROP TABLE late"])
@pytest.mark.parametrize("how", ["fails", "is cut off"])
def test_a_step_that_ends_halfway_changes_nothing(url, tmp_path, how, word):
    """An error, or a killed connection, leaves version 1; the next use takes the whole step."""
    before, store, stopped = content(url), store_at(url, tmp_path), []

    def stop(connection: sa.Connection, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(word) and not stopped:
            stopped.append(statement)
            cursor.execute("SELECT 1 / 0" if how == "fails" else "SELECT pg_terminate_backend(pg_backend_pid())")

    sa.event.listen(store.database._engine, "before_cursor_execute", stop)
    with pytest.raises(StoreUnavailable, match="could not be"):
        store.visitors()
    assert stopped and content(url) == before
    check(store)


def test_a_late_event_without_any_interval_keeps_its_moment(url, tmp_path):
    """A damaged or partly restored database must open."""
    run(url, "DELETE FROM pieces;\n")
    with store_at(url, tmp_path).read() as connection:
        assert connection is not None
        slot = connection.scalar(sa.select(schema.events.c.slot).where(schema.events.c.id == "waits"))
    assert slot == milliseconds_of("2026-05-06T23:59:59.123Z")
