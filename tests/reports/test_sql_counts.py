"""Counts by SQL equal the counts in Python, on every engine that a test can run without a server."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mixamo_privacy.reports.counts import EVENT_TABLES, Question
from flask_mixamo_privacy.reports.statements import CLICKHOUSE, DUCKDB, POSTGRESQL
from flask_mixamo_privacy.reports.visitor_sets import VisitorSets
from flask_mixamo_privacy.reports.windows import Calendar, Interval
from support.event_factory import FIRST, Kept, at, traffic
from support.sql_engines import DECLARED, CopiedCounts, answers

DAYS = [FIRST + timedelta(days=number) for number in range(4)]
CALENDAR = Calendar(policy=DECLARED)
INTERVALS = [Interval(CALENDAR.start_of(day), CALENDAR.start_of(day + timedelta(days=1)), day) for day in DAYS]
NOON = INTERVALS[3].start.replace("T00", "T12")
PARTS = [INTERVALS[3]._replace(until=NOON), INTERVALS[3]._replace(start=NOON)]
ASKED = ((INTERVALS[0],), (PARTS[0],), (PARTS[1],), tuple(INTERVALS[:3]), (INTERVALS[0], INTERVALS[2], PARTS[0]))
PUBLISHED = ("cells", "placed", "pieces", "distinct_visitors", "people")
NASTY = ("/a", "/it's", "/back\\slash", "other", "", "/é", '/"q"')


@pytest.fixture(scope="module")
def duck() -> Iterator[CopiedCounts]:
    with duckdb.connect(config={"threads": 1}) as connection:
        run: Callable[[str], Any] = lambda statement: connection.execute(statement).fetchall()  # noqa: E731
        yield CopiedCounts(run, DUCKDB, CALENDAR, {int: "BIGINT", str: "VARCHAR"})


networks = st.sampled_from((None, "198.51.100.0/24", "203.0.113.0/24", "10.0.0.0/24"))
pages = st.sampled_from(NASTY)
numbers = st.sampled_from((0, 1, 3, 8, 40, -1, True, 2.5, "3", None))
data = {
    "page_view": st.just({}),
    "visit_start": st.just({}),
    "repeat_visit": st.fixed_dictionaries({"visit_number": numbers, "days_since_last": numbers}),
    "page_exit": st.fixed_dictionaries({"seconds": numbers}),
    "exit_link": st.sampled_from(({"to": "https://x.example"}, {})),
    "click": st.sampled_from(({"to": "/a"}, {"on": "menu"}, {})),
    "customisation": st.fixed_dictionaries({"name": st.sampled_from(("a", "b")), "value": st.sampled_from((1, "1", "2"))}),
    "own": st.fixed_dictionaries({"any": st.sampled_from((1, True, None, "", "other", "it's\\", "a\x1fnone\x1eb"))}),
    "other": st.just({}),  # a site may name an event as the row of suppressed ones
}


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    kind, visitor = draw(st.sampled_from(sorted(data))), draw(st.integers(1, 5))
    moment = at(draw(st.sampled_from(DAYS)), draw(st.sampled_from((0, 1, 43_199, 43_200, 86_399))))
    own = {"visitor": f"v{visitor}", "visit": f"v{visitor}-{draw(st.integers(1, 2))}", "id": str(draw(st.integers(1, 40)))}
    texts = {name: draw(pages) for name in ("page", "previous", "referrer", "browser", "provider")}
    return own | texts | {"at": moment, "kind": kind, "network": draw(networks), "data": draw(data[kind])}


def stored(loads: list[list[dict[str, Any]]], erased: list[str]) -> Kept:
    """Return a store into which events were loaded in turn. Each load counts the days before, so some come late."""
    kept = Kept(Path(tempfile.mkdtemp(dir=tempfile.gettempdir())), least=2)
    for number, some in enumerate(loads):
        kept.load(some, INTERVALS[number].start)
    for visitor in erased:
        kept.store.erase(visitor, "2026-05-01")
    return kept


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(events(), max_size=40), min_size=1, max_size=3),
    st.lists(st.sampled_from(("v1", "v2")), max_size=1),
    st.sampled_from(ASKED),
)
def test_every_answer_of_sql_is_that_of_sets_of_visitors(duck, loads, erased, intervals):
    """Late, repeated and erased events, several networks, whole days, parts of days and several days."""
    questions, sets = [Question(name, intervals) for name in (*EVENT_TABLES, *CALENDAR.own)], VisitorSets(CALENDAR)
    with stored(loads, erased).store.read() as connection:
        if connection is not None:
            sets.begin(connection, INTERVALS, ()), duck.begin(connection, INTERVALS, ())
            assert answers(duck, questions, 2) == answers(sets, questions, 2)


def test_sql_publishes_the_tables_that_sets_of_visitors_publish(duck, tmp_path, monkeypatch):
    """Days, weeks and a month, of visitors who share networks."""
    log = [event | {"network": f"198.51.{int(event['visitor'][1:]) % 9}.0/24"} for event in traffic(5, 12, 60, 20)]
    kept, other = Kept(tmp_path / "a"), Kept(tmp_path / "b")
    monkeypatch.setattr(other.publisher, "new_counts", lambda: duck)
    kept.load(log, "2026-05-02T00:00:00.000Z"), other.load(log, "2026-05-02T00:00:00.000Z")
    assert len(kept.table("cells")) > 300
    assert [kept.table(name) for name in PUBLISHED] == [other.table(name) for name in PUBLISHED]


@pytest.mark.parametrize("dialect", [CLICKHOUSE, DUCKDB, POSTGRESQL])
def test_a_quoted_name_is_one_literal(dialect):
    """A visitor's browser chooses the name. Both quotes and backslashes are escaped."""
    quoted = dialect.quote("\\' OR 1 = 1 --")
    assert quoted == ("'\\\\\\' OR 1 = 1 --'" if dialect is CLICKHOUSE else "'\\'' OR 1 = 1 --'")
