"""The statements of reports on a real cluster, whose events are divided among two shards by their visitor."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from flask_mixamo_privacy.reports.counts import EVENT_TABLES, Question
from flask_mixamo_privacy.reports.statements import CLICKHOUSE
from flask_mixamo_privacy.reports.visitor_sets import VisitorSets
from flask_mixamo_privacy.reports.windows import Calendar, Interval
from support.event_factory import FIRST, Kept, traffic, with_own_events
from support.sql_engines import DECLARED, TYPES, CopiedCounts, answers

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

CALENDAR = Calendar(policy=DECLARED)
DAYS = [FIRST + timedelta(days=number) for number in range(4)]
INTERVALS = tuple(Interval(*(CALENDAR.start_of(day + timedelta(days=each)) for each in (0, 1)), day) for day in DAYS)


class ShardedCounts(CopiedCounts):
    """Copies each event to both replicas of its visitor's shard, and counts all shards by one table."""

    def __init__(self, cluster: Any) -> None:
        shared: tuple[Any, ...] = (CLICKHOUSE, CALENDAR, {int: "Int64", str: "String"})
        self.copies = [CopiedCounts(run_on(each), *shared, " ENGINE = Memory", "copied_events") for each in cluster.servers]
        super().__init__(run_on(cluster.servers[0]), *shared, " ENGINE = Distributed(two, default, copied_events)")

    def copy(self, rows: list[tuple[Any, ...]]) -> None:
        visitor = list(TYPES).index("visitor")
        for number, each in enumerate(self.copies):
            each.copy([row for row in rows if row[visitor] % 2 == number // 2])
        super().copy([])


def run_on(server: Any) -> Any:
    def run(statement: str) -> list[list[Any]]:
        if not statement.startswith("SELECT"):
            server.run(statement)
            return []
        return list(json.loads(server.run(statement + " FORMAT JSONCompact"))["data"])

    return run


def test_two_shards_count_what_sets_of_visitors_count(cluster, tmp_path):
    """Every table of a day, and of several days, of visitors who share networks across shards."""
    kept, sets, sharded = Kept(tmp_path), VisitorSets(CALENDAR), ShardedCounts(cluster)
    kept.load(
        [
            event | {"network": f"198.51.{int(event['visitor'][1:]) % 9}.0/24"}
            for event in with_own_events(traffic(5, 5, 60, 20))
        ],
        "",
    )
    questions = [Question(name, some) for name in (*EVENT_TABLES, *CALENDAR.own) for some in (INTERVALS[:1], INTERVALS)]
    with kept.store.read() as connection:
        sets.begin(connection, INTERVALS, ()), sharded.begin(connection, INTERVALS, ())
        assert answers(sharded, questions, 5) == answers(sets, questions, 5)
