"""Engines that count by SQL, with the events of a store copied into them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from flask_mixamo_privacy.policy.parts import Declaration
from flask_mixamo_privacy.policy.report_parts import Funnel, Goal, OwnEvent
from flask_mixamo_privacy.reports.counts import EventCounts, Question
from flask_mixamo_privacy.reports.disclosure_control import Tally
from flask_mixamo_privacy.reports.sql_counts import SqlCounts
from flask_mixamo_privacy.reports.statements import Dialect
from flask_mixamo_privacy.reports.windows import Calendar, Interval
from flask_mixamo_privacy.storage.clock import milliseconds_of
from flask_mixamo_privacy.tracking import schema
from flask_mixamo_privacy.tracking.logged_events import as_logged, logged
from flask_mixamo_privacy.tracking.parsing import COLUMNS, Row
from flask_mixamo_privacy.tracking.row_names import ROW_COLUMNS, hour_rows, row_names

EVENT = {"slot": int, "visitor": int, "id": str, "kind": str, "visit": str}
TYPES: dict[str, type] = EVENT | ROW_COLUMNS
#: Declares tables of events, pages and steps that the engines must count alike.
DECLARED = Declaration(
    site="Shop",
    purposes=(),
    events=(OwnEvent("own", ("any", "none")), OwnEvent("other", ("any",))),
    goals=(Goal("A", page="/a"), Goal("Own", event="own"), Goal("Shop", page="/shop*")),
    funnels=(
        Funnel("Two", ("/a", "own")),
        Funnel("Four", ("own", "/*", "other", "unknown")),
        Funnel("Shop", ("/", "/shop*", "own")),
    ),
)
Run = Callable[[str], Iterable[Sequence[Any]]]


def row_columns(rows: Sequence[Row], hour_of: Callable[[str], str]) -> dict[str, list[Any]]:
    """Return the columns of :data:`ROW_COLUMNS` for events in the form of the log. ``hour_of`` is that of a calendar."""
    fields = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    happened = list(map(milliseconds_of, fields["at"]))
    hours = zip(hour_rows(happened, hour_of), fields["kind"], strict=True)
    columns = {"happened": happened, "hour_row": [hour if kind == "page_view" else "" for hour, kind in hours]}
    columns |= row_names(fields)
    return {name: columns[name] for name in ROW_COLUMNS}


def stored(connection: sa.Connection, calendar: Calendar) -> list[tuple[Any, ...]]:
    """Return every event of a store with the columns of :data:`TYPES`."""
    events = {(row.visitor, row.id): row for row in connection.execute(sa.select(schema.events))}
    codes = {row.visitor: row.code for row in connection.execute(sa.select(schema.visitors))}
    rows, own = [], []
    for found in connection.execute(logged(schema.events.c.slot)):
        event = as_logged(found)
        row = events[codes[event["visitor"]], event["id"]]
        rows.append(tuple(found._asdict()[f"of_{name}"] if name != "at" else event["at"] for name in COLUMNS))
        own.append((row.slot, row.visitor, row.id, event["kind"], row.visit))
    columns = row_columns(rows, calendar.hour_of).values() if rows else ()
    return [(*each, *names) for each, names in zip(own, zip(*columns, strict=True), strict=True)] if rows else []


class CopiedCounts(SqlCounts):
    """Counts a copy of the events, which is made when counting begins."""

    def __init__(
        self,
        run: Run,
        dialect: Dialect,
        calendar: Calendar,
        types: dict[type, str],
        engine: str = "",
        name: str = "counted_events",
    ) -> None:
        super().__init__(run, name, dialect, own=calendar.own)
        self._name, self._engine, self._calendar, self._dialect = name, engine, calendar, dialect
        self._columns = ", ".join(f"{name} {types[kind]}" for name, kind in TYPES.items())

    def begin(self, connection: sa.Connection, intervals: Sequence[Interval], lost: Collection[str]) -> None:
        self.copy(stored(connection, self._calendar))

    def copy(self, rows: list[tuple[Any, ...]]) -> None:
        self._run(f"DROP TABLE IF EXISTS {self._name}")
        self._run(f"CREATE TABLE {self._name} ({self._columns}){self._engine}")
        for start in range(0, len(rows), 500):
            part = [", ".join(map(self._literal, row)) for row in rows[start : start + 500]]
            self._run(f"INSERT INTO {self._name} VALUES {', '.join(f'({each})' for each in part)}")

    def _literal(self, value: Any) -> str:
        return self._dialect.quote(value) if isinstance(value, str) else str(value)


def answers(counts: EventCounts, questions: list[Question], least: int) -> list[Any]:
    """Return every answer to some questions. Of persons, only whether they are enough is promised."""
    tables = list(counts.tables(questions, least))
    merged = [
        _answer(counts.merged(question, least, row), least)
        for question, table in zip(questions, tables, strict=True)
        for row in sorted(table.rows)
    ]
    rows = [
        ({row: _answer(each, least) for row, each in table.rows.items()}, _answer(table.rest, least)) for table in tables
    ]
    intervals = sorted({interval for question in questions for interval in question.intervals})
    visitors = [sorted(counts.visitors(interval)) for interval in intervals]
    return [
        rows,
        merged,
        [_answer(each, least) for each in counts.totals(questions, least)],
        visitors,
        counts.distinct([intervals]),
    ]


def _answer(tally: Tally, least: int) -> tuple[int, int, int, bool]:
    return tally.number, tally.amount, tally.visitors, tally.persons >= least
