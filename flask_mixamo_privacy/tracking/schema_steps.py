"""The steps from the events tables of each earlier version to those of the next, in SQL that never changes."""

# ruff: noqa: S608 — the parts of each statement are constants of this file

from __future__ import annotations

import sqlalchemy as sa

_CODED = ("kind", "page", "previous", "referrer", "browser", "platform", "provider", "network", "data")


def _to_codes(connection: sa.Connection) -> None:
    """Version 2: each text is stored once, events have its code, and ``slot`` replaces the table of late events."""
    is_sqlite = connection.dialect.name == "sqlite"
    run = connection.exec_driver_sql
    code = "INTEGER PRIMARY KEY AUTOINCREMENT" if is_sqlite else "BIGSERIAL PRIMARY KEY"
    number, end = ("INTEGER", "WITHOUT ROWID") if is_sqlite else ("BIGINT", "")
    run("ALTER TABLE events RENAME TO old_events")
    run("ALTER TABLE people RENAME TO old_people")
    run("DROP INDEX events_key")
    run("DROP INDEX people_seen")
    run(f"CREATE TABLE event_visitors (code {code}, visitor TEXT NOT NULL UNIQUE)")
    run(f"CREATE TABLE event_texts (code {code}, text TEXT NOT NULL, uses BIGINT NOT NULL)")
    run("CREATE UNIQUE INDEX event_texts_by_text ON event_texts (text) WHERE length(text) <= 500")
    run(f"""CREATE TABLE events (slot BIGINT NOT NULL, visitor {number} NOT NULL, id TEXT NOT NULL, at BIGINT,
        kind {number} NOT NULL, visit TEXT NOT NULL, page {number}, previous {number}, referrer {number}, browser {number},
        platform {number}, provider {number}, network {number}, data {number} NOT NULL,
        PRIMARY KEY (slot, visitor, id)) {end}""")
    run(f"""CREATE TABLE people (visitor {number} NOT NULL PRIMARY KEY, last TEXT NOT NULL, counted BOOLEAN NOT NULL,
        seen BOOLEAN NOT NULL) {end}""")
    run(
        "INSERT INTO event_visitors (visitor) SELECT visitor FROM old_events UNION SELECT visitor FROM old_people ORDER BY 1"
    )
    uses = " UNION ALL ".join(f"SELECT {name} AS text FROM old_events WHERE {name} IS NOT NULL" for name in _CODED)
    run(f"INSERT INTO event_texts (text, uses) SELECT text, count(*) FROM ({uses}) AS used GROUP BY text ORDER BY text")
    run(f"CREATE INDEX event_texts_step ON event_texts {'(text)' if is_sqlite else 'USING hash (text)'}")
    codes = ", ".join(f"(SELECT code FROM event_texts WHERE text = o.{name})" for name in _CODED[1:])
    at, start, until = (
        _milliseconds(column, is_sqlite) for column in ("o.at", "l.piece", "(SELECT max(until) FROM pieces)")
    )
    slot = f"CASE WHEN l.piece IS NULL THEN {at} WHEN l.piece = '' THEN coalesce({until}, {at}) ELSE {start} END"
    run(f"""INSERT INTO events SELECT {slot}, v.code, o.id, CASE WHEN l.piece IS NOT NULL THEN {at} END,
        (SELECT code FROM event_texts WHERE text = o.kind), o.visit, {codes}
        FROM old_events AS o JOIN event_visitors AS v ON v.visitor = o.visitor
        LEFT JOIN late AS l ON l.visitor = o.visitor AND l.id = o.id""")
    run("""INSERT INTO people SELECT v.code, p.last, p.counted, p.seen
        FROM old_people AS p JOIN event_visitors AS v ON v.visitor = p.visitor""")
    run("DROP INDEX event_texts_step")
    for table in ("old_events", "old_people", "late"):
        run(f"DROP TABLE {table}")
    run("CREATE UNIQUE INDEX events_by_visitor ON events (visitor, id)")
    run("CREATE INDEX events_late ON events (at) WHERE at IS NOT NULL")
    run(f"CREATE INDEX people_seen ON people (counted) WHERE {'seen = 1' if is_sqlite else 'seen'}")


def _milliseconds(column: str, is_sqlite: bool) -> str:
    """Return SQL for a timestamp as milliseconds since 1970-01-01 UTC."""
    if is_sqlite:
        return (
            f"(CAST(strftime('%s', substr({column}, 1, 19)) AS INTEGER) * 1000 + CAST(substr({column}, 21, 3) AS INTEGER))"
        )
    return f"CAST(round(extract(epoch FROM CAST({column} AS timestamptz)) * 1000) AS BIGINT)"


STEPS = (_to_codes,)
