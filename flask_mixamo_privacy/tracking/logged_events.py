"""Events of the store in the form of the log, and their numbers by kind and page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from ..storage.clock import timestamp_of_milliseconds
from .events import FIELDS, FIRST
from .schema import CODED, events, texts, visitors

_dictionaries = {name: texts.alias(f"{name}_text") for name in CODED}
_name = visitors.alias("visitor_name")
_kind = _dictionaries["kind"].c.text

#: When an event happened, in milliseconds since 1970-01-01 UTC.
moment = sa.func.coalesce(events.c.at, events.c.slot)
#: The place of an event among those of the same millisecond: a visit begins, then a page is viewed.
rank = sa.case({kind: place for place, kind in enumerate(FIRST)}, value=_kind, else_=len(FIRST))


def logged(*order: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return a query of all events, whose rows :func:`as_logged` reads. The order is by ``order``, rank and id."""
    tables: sa.FromClause = events.join(_name, _name.c.code == events.c.visitor)
    for name, each in _dictionaries.items():
        tables = tables.outerjoin(each, each.c.code == events.c[name])
    columns: dict[str, sa.ColumnElement[Any]] = {name: each.c.text for name, each in _dictionaries.items()}
    columns |= {"at": moment, "visitor": _name.c.visitor, "id": events.c.id, "visit": events.c.visit}
    query = sa.select(*(columns[name].label(f"of_{name}") for name in FIELDS), rank.label("rank"))
    return query.select_from(tables).order_by(*order, rank, events.c.id)


def as_logged(row: sa.Row[Any]) -> dict[str, Any]:
    """Return an event in the form of the log from a row of :func:`logged`."""
    event = dict(zip(FIELDS, row, strict=False))
    return event | {"at": timestamp_of_milliseconds(event["at"]), "data": orjson.loads(event["data"])}


def count_kinds_and_pages(connection: sa.Connection, of: Sequence[str]) -> Iterator[tuple[str, str | None, int, str, str]]:
    """Yield kind, page (of page views), number, first and last moment of the events of some visitors."""
    page, kind = _dictionaries["page"], _dictionaries["kind"]
    viewed = sa.case((kind.c.text == "page_view", page.c.text))
    tables = events.join(kind, kind.c.code == events.c.kind).outerjoin(page, page.c.code == events.c.page)
    query = sa.select(kind.c.text, viewed, sa.func.count(), sa.func.min(moment), sa.func.max(moment)).select_from(tables)
    rows = connection.execute(
        query.where(of_visitors(of)).group_by(kind.c.text, viewed), execution_options={"yield_per": 1000}
    )
    for name, path, number, first, last in rows:
        yield name, path, number, timestamp_of_milliseconds(first), timestamp_of_milliseconds(last)


def of_visitors(of: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition for the events of some visitors."""
    return events.c.visitor.in_(sa.select(visitors.c.code).where(visitors.c.visitor.in_(of)))
