"""Deletion of events from their table, with all that is stored about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from ..storage.transfer import find_move
from .event_table import delete_unused, execute_many, forget, parts_of
from .schema import CODED, events, people, remote_erasures, visitors

#: What notes in the books that the events are being copied into a database of their own.
MOVE = "events in ClickHouse"


def delete(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[int]:
    """Delete events and return their slots. Texts and visitors that nothing else names are deleted too."""
    columns = events.c.slot, events.c.visitor, *(events.c[name] for name in CODED)
    result = connection.execute(sa.delete(events).where(condition).returning(*columns)).cursor
    assert result is not None
    rows = result.fetchall()  # the driver's tuples: a visitor may have 100,000 events
    slots, of_visitors, *codes = zip(*rows, strict=True) if rows else ((), ())
    uses: Counter[int] = Counter()
    for column in codes:
        uses.update(column)
    _release(connection, uses)
    release_visitors(connection, set(of_visitors))
    return list(slots)


def _release(connection: sa.Connection, uses: Counter[int]) -> None:
    """Release the texts of events that were deleted. A text that no other event uses is deleted too."""
    del uses[None]
    statement = "UPDATE event_texts SET uses = uses - ? WHERE code = ?"
    execute_many(connection, statement, [(number, code) for code, number in uses.items()])
    delete_unused(connection, list(uses))


def release_visitors(connection: sa.Connection, codes: Collection[int]) -> None:
    """Delete the visitors among ``codes`` whom no other table names."""
    code = visitors.c.code
    forget(connection)
    for part in parts_of(list(codes)):
        named = sa.or_(sa.exists().where(events.c.visitor == code), sa.exists().where(people.c.visitor == code))
        connection.execute(sa.delete(visitors).where(code.in_(part), ~named))


# Erased visitors whose events may be left in another database: that of the events, or the target of a move.


def erase_in_copy(connection: sa.Connection, code: int, tombstones: Sequence[str]) -> None:
    """Record the erasure for a move that has begun, because its copy may have the visitor's events too."""
    if find_move(connection, MOVE) is not None:
        record_remote_erasure(connection, code, tombstones)


def record_remote_erasure(connection: sa.Connection, code: int, tombstones: Sequence[str]) -> None:
    """Record the code of an erased visitor until the other database has no byte of the visitor."""
    rows = [{"code": code, "tombstone": each, "none_since": None} for each in tombstones]
    connection.execute(sa.insert(remote_erasures), rows)


def count_remote_erasures(connection: sa.Connection) -> int:
    """Return the number of erased visitors of whom bytes may be left in the other database."""
    return connection.scalar(sa.select(sa.func.count(sa.distinct(remote_erasures.c.code)))) or 0
