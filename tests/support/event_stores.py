"""Event stores on SQLite and PostgreSQL, events as their rows, and a recount of their dictionaries."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking.engine import Events
from flask_mixamo_privacy.tracking.events import FIELDS, FIRST
from flask_mixamo_privacy.tracking.parsing import COLUMNS, Batch, Row
from flask_mixamo_privacy.tracking.schema import CODED, events, people, pieces, texts, visitors
from flask_mixamo_privacy.tracking.store import EventStore

KEYS = {"test": "sixteen characters or more"}
DAY = "2026-05-08"
EVENT: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "at": f"{DAY}T12:00:00.000Z", "visitor": "v", "id": "1", "kind": "page_view", "visit": "w", "page": "/", "data": "{}",
}  # fmt: skip


def store_at(url: str, folder: Path, events: Events | None = None) -> EventStore:
    return EventStore(url, KeyRing(KEYS, ""), Spool(str(folder / "erasures.pending")), events)


def row(**values: Any) -> Row:
    """Return an event as the parser does."""
    return tuple((EVENT | values)[name] for name in COLUMNS)


def add(store: EventStore, *rows: Row) -> int:
    """Add one batch, and return how many of its events were new."""
    store.prepare(Batch.of(rows))
    with store.write() as connection:
        return len(store.add(connection, sorted(rows, key=lambda each: each[:3])))


def as_logged(*rows: Row) -> list[dict[str, Any]]:
    """Return events in the form of the log, in the order in which ``EventStore.rows`` yields those that are not late."""
    places = {kind: place for place, kind in enumerate(FIRST)}
    events = [dict(zip(COLUMNS, each, strict=True)) for each in rows]
    named = sorted(events, key=lambda each: (each["at"], places.get(each["kind"], len(FIRST)), each["id"]))
    return [{name: event[name] for name in FIELDS} | {"data": json.loads(event["data"])} for event in named]


def count_until(store: EventStore, until: str) -> None:
    """Record that the events before a moment were counted."""
    with store.write() as connection:
        start = connection.scalar(sa.select(sa.func.max(pieces.c.until))) or "2000-01-01T00:00:00.000Z"
        connection.execute(sa.insert(pieces), {"start": start, "until": until, "day": start[:10], "whole": True})


def uses(store: EventStore) -> dict[str, int]:
    """Return each text and its uses, after comparing both dictionaries with what the other tables name."""
    with store.read() as connection:
        assert connection is not None
        coded = connection.execute(sa.select(*(events.c[name] for name in CODED)))
        used = Counter(code for codes in coded for code in codes if code is not None)
        stored = {each.code: each for each in connection.execute(sa.select(texts))}
        named = set(connection.scalars(sa.select(events.c.visitor).union(sa.select(people.c.visitor))))
        assert {code: each.uses for code, each in stored.items()} == used
        assert set(connection.scalars(sa.select(visitors.c.code))) == named
    total = Counter[str]()  # a long text may be stored several times
    for each in stored.values():
        total[each.text] += each.uses
    return dict(total)
