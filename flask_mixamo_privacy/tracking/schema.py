"""The tables of the database of events, and those that reports are read from."""

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
    # In order of time, as they come and as they are counted and deleted; each of them once.
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
    sa.Column("clean", sa.Boolean, nullable=False, default=False),  # whether no segment of the log holds a line of theirs
)

malformed = sa.Table(
    "malformed",
    metadata,
    sa.Column("segment", sa.Text, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True),
    sa.Column("line", sa.Text, nullable=False),
)

# What reports are made of. ``pieces`` are the stretches of time that were counted; ``placed`` says with which unit of time a
# piece's total was published, and with which its rows; ``cells`` are what was published: an empty row is a total, an empty
# day or week a longer unit. None of these names anybody. ``people`` and ``late`` are working sets, which erasure and
# retention reach.

pieces = sa.Table(
    "pieces",
    metadata,
    sa.Column("start", sa.Text, primary_key=True),
    sa.Column("until", sa.Text, nullable=False),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False),  # its events are all there still
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
    sa.Column("day", sa.Text, nullable=False),  # the window's first
)

people = sa.Table(
    "people",
    metadata,
    sa.Column("visitor", sa.Text, primary_key=True),
    sa.Column("last", sa.Text, nullable=False),
    sa.Column("counted", sa.Boolean, nullable=False),
    sa.Column("seen", sa.Boolean, nullable=False),  # since the number of all visitors was last published
    sa.Index("people_seen", "counted", sqlite_where=sa.text("seen = 1"), postgresql_where=sa.text("seen")),
    sqlite_with_rowid=False,
)

late = sa.Table(
    "late",
    metadata,
    sa.Column("visitor", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("piece", sa.Text, nullable=False),  # the one it is counted with; empty until there is one
)
