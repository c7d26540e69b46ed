"""Tables of the events database: events, tombstones, and the published cells of reports."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

#: The columns of an event whose texts are stored once, in ``texts``.
CODED = ("kind", "page", "previous", "referrer", "browser", "platform", "provider", "network", "data")

# SQLite numbers rows by itself only if the type is exactly INTEGER, which has eight bytes there.
_CODE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# ``slot`` is when the event happened. An event is late if it is loaded after the interval in which it happened was counted.
# The slot of a late event is the end of the last interval that was counted then, and ``at`` is when it happened. Otherwise
# ``at`` is null. So each interval is a range of slots. Both columns are milliseconds since 1970-01-01 UTC.
events = sa.Table(
    "events",
    metadata,
    sa.Column("slot", sa.BigInteger, nullable=False),
    sa.Column("visitor", _CODE, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger),
    sa.Column("kind", _CODE, nullable=False),
    sa.Column("visit", sa.Text, nullable=False),
    *(sa.Column(name, _CODE, nullable=name != "data") for name in CODED[1:]),
    sa.PrimaryKeyConstraint("slot", "visitor", "id"),
    sa.Index("events_by_visitor", "visitor", "id", unique=True),
    sa.Index("events_late", "at", sqlite_where=sa.text("at IS NOT NULL"), postgresql_where=sa.text("at IS NOT NULL")),
    sqlite_with_rowid=False,
)

# Dictionaries. A code is never used twice, so a process may remember what it means.

visitors = sa.Table(
    "event_visitors",
    metadata,
    sa.Column("code", _CODE, primary_key=True),
    sa.Column("visitor", sa.Text, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

#: The most characters of a text that is stored only once. Longer texts are not in the index, which PostgreSQL limits to
#: 2,704 bytes an entry. So each batch that has such a text stores it again.
LONGEST_SHARED = 500
_IS_SHARED = sa.text(f"length(text) <= {LONGEST_SHARED}")

texts = sa.Table(
    "event_texts",
    metadata,
    sa.Column("code", _CODE, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("uses", sa.BigInteger, nullable=False),  # by columns of events; a text without uses is deleted
    sa.Index("event_texts_by_text", "text", unique=True, sqlite_where=_IS_SHARED, postgresql_where=_IS_SHARED),
    sqlite_autoincrement=True,
)

cursors = sa.Table(
    "cursors", metadata, sa.Column("segment", sa.Text, primary_key=True), sa.Column("offset", sa.BigInteger, nullable=False)
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("clean", sa.Boolean, nullable=False, default=False),  # no segment holds a line of this visitor
)

malformed = sa.Table(
    "malformed",
    metadata,
    sa.Column("segment", sa.Text, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True),
    sa.Column("line", sa.Text, nullable=False),
)

# How far each host has loaded its log. See ``watermarks``.
hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("watermark", sa.Text, nullable=False),
    sa.Column("reported", sa.Text, nullable=False),
    sa.Column("empty", sa.Boolean, nullable=False),
    sa.Column("noted", sa.Text, nullable=False),
)

# Reports. ``pieces`` holds the intervals that were counted. ``placed`` holds the publication of each interval and table: the
# unit of time with which its total was published, and the unit with which its rows were published. ``cells`` holds the
# published numbers: an empty row is a total, an empty day or week a longer unit. None of these tables names a visitor.
# ``people`` is a working set that names visitors by their codes, so erasure and retention delete from it.

pieces = sa.Table(
    "pieces",
    metadata,
    sa.Column("start", sa.Text, primary_key=True),
    sa.Column("until", sa.Text, nullable=False),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False),  # complete: none of its events was erased or pruned
)

placed = sa.Table(
    "placed",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("start", sa.Text, primary_key=True),
    sa.Column("total", sa.Text, nullable=False),
    sa.Column("rows", sa.Text, nullable=False),
)

cells = sa.Table(
    "cells",
    metadata,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("name", "month", "week", "day", "start", "row")),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("number", "amount", "visitors")),
    sqlite_with_rowid=False,
)

distinct = sa.Table(
    "distinct_visitors",
    metadata,
    sa.Column("window", sa.Text, primary_key=True),
    sa.Column("visitors", sa.BigInteger, nullable=False),
    sa.Column("exact", sa.Boolean, nullable=False),
    sa.Column("day", sa.Text, nullable=False),  # the first day of the window
)

people = sa.Table(
    "people",
    metadata,
    sa.Column("visitor", _CODE, primary_key=True, autoincrement=False),
    sa.Column("last", sa.Text, nullable=False),
    sa.Column("counted", sa.Boolean, nullable=False),
    sa.Column("seen", sa.Boolean, nullable=False),  # since the total number of visitors was last published
    sa.Index("people_seen", "counted", sqlite_where=sa.text("seen = 1"), postgresql_where=sa.text("seen")),
    sqlite_with_rowid=False,
)

# Events in a database of their own, such as ClickHouse. ``remote_erasures`` has the codes of erased visitors until no byte
# of their events is left there: no read finds their rows meanwhile. ``none_since`` is a moment of the servers' clocks, in
# seconds, since which no row is left. ``remote_range`` has one row: the last slot of all events.

remote_erasures = sa.Table(
    "remote_erasures",
    metadata,
    sa.Column("code", _CODE, primary_key=True, autoincrement=False),
    sa.Column("tombstone", sa.Text, primary_key=True),
    sa.Column("none_since", sa.BigInteger),
)

remote_range = sa.Table("remote_range", metadata, sa.Column("last", sa.BigInteger, nullable=False))
