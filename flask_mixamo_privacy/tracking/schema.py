"""Tables of the events database: events, tombstones, and the published cells of reports."""

from __future__ import annotations

import sqlalchemy as sa

from .events import FIELDS

metadata = sa.MetaData()

_KEY = ("at", "visitor", "id")
_ALWAYS = ("visitor", "id", "at", "kind", "visit", "data")

events = sa.Table(
    "events",
    metadata,
    *(
        sa.Column(name, sa.Text, nullable=name not in _ALWAYS)
        for name in (*_KEY, *(field for field in FIELDS if field not in _KEY))
    ),
    # Events are loaded, counted and deleted in order of time, so the table is in this order.
    sa.PrimaryKeyConstraint(*_KEY),
    sa.Index("events_key", "visitor", "id", unique=True),
    sqlite_with_rowid=False,
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
# ``people`` and ``late`` are working sets that name visitors, so erasure and retention delete from them.

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
    sa.Column("visitor", sa.Text, primary_key=True),
    sa.Column("last", sa.Text, nullable=False),
    sa.Column("counted", sa.Boolean, nullable=False),
    sa.Column("seen", sa.Boolean, nullable=False),  # since the total number of visitors was last published
    sa.Index("people_seen", "counted", sqlite_where=sa.text("seen = 1"), postgresql_where=sa.text("seen")),
    sqlite_with_rowid=False,
)

late = sa.Table(
    "late",
    metadata,
    sa.Column("visitor", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("piece", sa.Text, nullable=False),  # the start of the interval that counts it; empty until then
)
