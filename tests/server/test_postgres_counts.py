"""The statements of reports on a real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.reports.counts import EVENT_TABLES, Question
from flask_mixamo_privacy.reports.statements import POSTGRESQL
from flask_mixamo_privacy.reports.visitor_sets import VisitorSets
from flask_mixamo_privacy.reports.windows import Calendar, Interval
from support.event_factory import FIRST, Kept, traffic, with_own_events
from support.sql_engines import DECLARED, CopiedCounts, answers

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]

CALENDAR = Calendar("Europe/Berlin", DECLARED)
DAYS = [FIRST + timedelta(days=number) for number in range(5)]
INTERVALS = tuple(Interval(*(CALENDAR.start_of(day + timedelta(days=each)) for each in (0, 1)), day) for day in DAYS)


def test_postgresql_counts_what_sets_of_visitors_count(server, tmp_path):
    """Every table of a day, and of several days."""
    kept, sets = Kept(tmp_path, zone="Europe/Berlin"), VisitorSets(CALENDAR)
    kept.load(
        [
            event | {"network": f"198.51.{int(event['visitor'][1:]) % 9}.0/24"}
            for event in with_own_events(traffic(5, 6, 60, 20))
        ],
        "",
    )
    questions = [Question(name, some) for name in (*EVENT_TABLES, *CALENDAR.own) for some in (INTERVALS[:1], INTERVALS)]
    with kept.store.read() as connection, sa.create_engine(server.database(), poolclass=sa.NullPool).connect() as postgres:

        def run(statement: str) -> list[tuple[object, ...]]:
            result = postgres.exec_driver_sql(statement.replace("%", "%%"))
            return [tuple(row) for row in result] if result.returns_rows else []

        copied = CopiedCounts(run, POSTGRESQL, CALENDAR, {int: "bigint", str: 'text COLLATE "C"'})
        sets.begin(connection, INTERVALS, ()), copied.begin(connection, INTERVALS, ())
        assert answers(copied, questions, 5) == answers(sets, questions, 5)
