"""The statements that count tables of events, for any engine with SQL. Names of rows are columns, so a table is a GROUP BY.

The table of events has the columns ``slot``, ``visitor``, ``id``, ``kind``, ``visit`` and those of ``ROW_COLUMNS``, and each
event once. The statements have neither common table expressions nor parameters, which ClickHouse 18.16 does not know.
"""

# ruff: noqa: S608 — statements have only numbers, our own names, and names of rows that a dialect quotes

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..tracking.row_names import OTHER, recorded
from .own_statements import OWN_EVENTS, OwnStatements
from .own_tables import OwnTables
from .windows import Interval


class Dialect(NamedTuple):
    """What the dialects of SQL write differently."""

    last: str  # the {value} of the event with the largest {key}
    changes: str  # settings and visitors with their number of changes
    quote: Callable[[str], str]
    starts: str  # whether {text} starts with {beginning}
    part: str  # the part {number} of {text}, split at {separator}; empty if there are fewer parts


_CHANGES = """SELECT setting_row, visitor, count(*) AS changed FROM (SELECT setting_row, visitor, setting_value,
    lag(setting_value) OVER (PARTITION BY {span}, visitor, setting_row ORDER BY happened, id) AS earlier
    FROM {events} WHERE {condition}) AS choices WHERE setting_value <> earlier GROUP BY setting_row, visitor"""

# ClickHouse 18.16 has no window functions, so each visitor's choices are sorted in an array.
_CHANGES_IN_ARRAYS = """SELECT setting_row, visitor, arrayCount(i -> i > 1 AND tupleElement(choices[i], 3) <>
    tupleElement(choices[i - 1], 3), arrayEnumerate(choices)) AS changed FROM (SELECT setting_row, visitor,
    arraySort(groupArray((happened, id, setting_value))) AS choices FROM {events} WHERE {condition}
    GROUP BY {span}, setting_row, visitor) AS sorted"""


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quote_with_backslashes(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


CLICKHOUSE = Dialect(
    "argMax({value}, ({key}))",
    _CHANGES_IN_ARRAYS,
    _quote_with_backslashes,
    "position({text}, {beginning}) = 1",
    "splitByString({separator}, {text})[{number}]",
)
_STRINGS = ("strpos({text}, {beginning}) = 1", "split_part({text}, {separator}, {number})")
DUCKDB = Dialect("arg_max({value}, ({key}))", _CHANGES, _quote, *_STRINGS)
POSTGRESQL = Dialect("(array_agg({value} ORDER BY ({key}) DESC))[1]", _CHANGES, _quote, *_STRINGS)


class _Source(NamedTuple):
    """The events of a table that is a plain GROUP BY: of one kind, by a column, with the sum of another one."""

    row: str
    kind: str
    amount: str = "0"
    chosen: str = ""  # which of them; by default, those that have a name of a row


_PLAIN = {
    "pages": _Source("page_row", "page_view"),
    "movement": _Source("move_row", "page_view"),
    "hours": _Source("hour_row", "page_view"),
    "time": _Source("page_row", "page_exit", "sum(seconds)", "seconds >= 0"),
    "entries": _Source("page_row", "visit_start"),
    "referrers": _Source("site_row", "visit_start"),
    "browsers": _Source("browser_row", "visit_start"),
    "platforms": _Source("platform_row", "visit_start"),
    "providers": _Source("provider_row", "visit_start"),
    "days_between": _Source("gap_row", "repeat_visit"),
    "exit_links": _Source("link_row", "exit_link"),
    "clicks": _Source("click_row", "click"),
    "choices": _Source("choice_row", "customisation"),
}
_OWN_NAME = f"CASE WHEN kind = '{OTHER}' THEN '{recorded(OTHER)}' ELSE kind END"
_NUMBERED = {
    "returning": "CASE WHEN visit_number = '' THEN 'first' ELSE 'repeat' END",
    "visit_numbers": "CASE WHEN visit_number = '' THEN '1' ELSE visit_number END",
}

_NETWORK = "coalesce(network, '')"

# Each visitor is in one row of what they are aggregated from. Visitors of one network are one person.
_OWN = "CASE WHEN network = '' THEN 1 ELSE 0 END"
_PERSONS = f"count(DISTINCT network) - max({_OWN}) + sum({_OWN})"


class Statements:
    """The statements for one table of events in one dialect."""

    def __init__(self, events: str, dialect: Dialect, condition: str = "", own: OwnTables | None = None) -> None:
        """``events`` is the expression of the table, and ``condition`` an expression that is true for events that count."""
        self._events = events
        self._dialect = dialect
        self._own_tables = own or {}
        self._condition = f" AND {condition}" if condition else ""

    def groups(self, tables: Sequence[str], intervals: Sequence[Interval]) -> str:
        """Return the rows of tables and the visitors behind each, with their network, number ``n`` and amount ``a``.

        One statement has all tables of the same intervals, because planning a statement takes longer than counting a day.
        """
        network = self._last("limited", "happened, id")
        networks = (
            f"SELECT visitor, {network} AS network FROM {self._events} "
            f"WHERE {self._within(intervals)} AND limited <> '' GROUP BY visitor"
        )
        every = " UNION ALL ".join(
            f"SELECT {self._dialect.quote(name)} AS table_name, {self._groups_of(name, intervals).removeprefix('SELECT ')}"
            for name in tables
        )
        columns = f"table_name, row_name, visitor, {_NETWORK} AS network, n, a"
        return f"SELECT {columns} FROM ({every}) AS counted LEFT JOIN ({networks}) AS networks USING (visitor)"

    def visitors(self, intervals: Sequence[Interval]) -> str:
        """Return the distinct visitors of intervals."""
        return f"SELECT DISTINCT visitor FROM {self._events} WHERE {self._within(intervals)}"

    def distinct(self, intervals: Sequence[Interval]) -> str:
        """Return the number of distinct visitors of intervals."""
        return f"SELECT count(DISTINCT visitor) FROM {self._events} WHERE {self._within(intervals)}"

    def _groups_of(self, name: str, intervals: Sequence[Interval]) -> str:
        within, span = self._within(intervals), _span(intervals)
        if name in self._own_tables:
            return OwnStatements(self._events, self._dialect, within, span).groups(self._own_tables[name])
        if name in _PLAIN:
            return self._plain(_PLAIN[name], within)
        if name in _NUMBERED:
            return self._numbered(_NUMBERED[name], within, span)
        return {"visitors": self._everybody, "events": self._own, "exits": self._exits, "changes": self._changes}[name](
            within, span
        )

    def _everybody(self, within: str, _span: str) -> str:
        columns = "'everybody' AS row_name, visitor, count(*) AS n, 0 AS a"
        return f"SELECT {columns} FROM {self._events} WHERE {within} GROUP BY visitor"

    def _own(self, within: str, _span: str) -> str:
        columns = f"{_OWN_NAME} AS row_name, visitor, count(*) AS n, 0 AS a"
        return f"SELECT {columns} FROM {self._events} WHERE {OWN_EVENTS} AND {within} GROUP BY {_OWN_NAME}, visitor"

    def _plain(self, source: _Source, within: str) -> str:
        columns = f"{source.row} AS row_name, visitor, count(*) AS n, {source.amount} AS a"
        chosen = f"kind = '{source.kind}' AND {source.chosen or _named(source.row)} AND {within}"
        return f"SELECT {columns} FROM {self._events} WHERE {chosen} GROUP BY {source.row}, visitor"

    def _numbered(self, row: str, within: str, span: str) -> str:
        """Count the visits that began, by the number that their repeat visit has in the same interval."""
        number = self._last("number_row", "number_row <> '', happened, id")
        starts = "sum(CASE WHEN kind = 'visit_start' THEN 1 ELSE 0 END)"
        visits = (
            f"SELECT visitor, {starts} AS starts, {number} AS visit_number FROM {self._events} "
            f"WHERE kind IN ('visit_start', 'repeat_visit') AND {within} GROUP BY {span}, visitor, visit"
        )
        columns = f"{row} AS row_name, visitor, sum(starts) AS n, 0 AS a"
        return f"SELECT {columns} FROM ({visits}) AS visits WHERE starts > 0 GROUP BY {row}, visitor"

    def _exits(self, within: str, span: str) -> str:
        """Count the last page that each visit viewed."""
        last = (
            f"SELECT visitor, {self._last('page_row', 'happened, id')} AS row_name FROM {self._events} "
            f"WHERE kind = 'page_view' AND {within} GROUP BY {span}, visitor, visit"
        )
        return f"SELECT row_name, visitor, count(*) AS n, 0 AS a FROM ({last}) AS visits GROUP BY row_name, visitor"

    def _changes(self, within: str, span: str) -> str:
        """Count the choices that differ from the previous choice of the same visitor in the same interval."""
        condition = f"kind = 'customisation' AND {within}"
        changes = self._dialect.changes.format(events=self._events, condition=condition, span=span)
        columns = "setting_row AS row_name, visitor, sum(changed) AS n, 0 AS a"
        return f"SELECT {columns} FROM ({changes}) AS changes WHERE changed > 0 GROUP BY setting_row, visitor"

    def _within(self, intervals: Sequence[Interval]) -> str:
        return _ranges(intervals) + self._condition

    def _last(self, value: str, key: str) -> str:
        return self._dialect.last.format(value=value, key=key)


class GroupStatements:
    """The statements about the answer of :meth:`Statements.groups`, for some of its tables."""

    def __init__(self, groups: str, tables: Sequence[str], dialect: Dialect) -> None:
        """``groups`` is the expression of that answer."""
        self._groups = groups
        self._quote = dialect.quote
        self._chosen = f"table_name IN ({', '.join(map(dialect.quote, tables))})"

    def totals(self) -> str:
        """Return name, number, amount, visitors and persons of each table. A table without events has no row."""
        return self._sum("")

    def rows(self, least: int) -> str:
        """Return the rows with at least ``least`` persons: table, row, number, amount, visitors and persons."""
        columns = f"table_name, row_name, sum(n), sum(a), count(*), {_PERSONS}"
        of_rows = f"WHERE {self._chosen} GROUP BY table_name, row_name"
        return f"SELECT {columns} FROM {self._groups} {of_rows} HAVING {_PERSONS} >= {least:d}"

    def rests(self, least: int) -> str:
        """Return, as :meth:`totals` does, the sum of the rows of each table with fewer than ``least`` persons."""
        return self._sum(f" AND {self._is_small(least)}")

    def merged(self, least: int, row: str) -> str:
        """Return, as :meth:`rests` does, the sum of the small rows and of one more row."""
        return self._sum(f" AND (row_name = {self._quote(row)} OR {self._is_small(least)})")

    def _is_small(self, least: int) -> str:
        of_rows = f"WHERE {self._chosen} GROUP BY table_name, row_name"
        small = f"SELECT table_name, row_name FROM {self._groups} {of_rows} HAVING {_PERSONS} < {least:d}"
        return f"(table_name, row_name) IN ({small})"

    def _sum(self, condition: str) -> str:
        columns = "table_name, visitor, network, sum(n) AS m, sum(a) AS b"
        of_visitors = f"WHERE {self._chosen}{condition} GROUP BY table_name, visitor, network"
        counted = f"(SELECT {columns} FROM {self._groups} {of_visitors}) AS visitors"
        return f"SELECT table_name, sum(m), sum(b), count(*), {_PERSONS} FROM {counted} GROUP BY table_name"


def _named(row: str) -> str:
    return f"{row} <> ''"


def _ranges(intervals: Sequence[Interval]) -> str:
    """Return the condition that an event is in one of some intervals."""
    ranges: list[list[int]] = []
    for first, end in sorted(interval.slots for interval in intervals):
        if ranges and ranges[-1][1] >= first:
            ranges[-1][1] = max(end, ranges[-1][1])
        else:
            ranges.append([first, end])
    return "(" + " OR ".join(f"(slot >= {first} AND slot < {end})" for first, end in ranges) + ")"


def _span(intervals: Sequence[Interval]) -> str:
    """Return an expression that differs between the intervals, because each is counted by itself."""
    ends = sorted(interval.slots[1] for interval in intervals)
    cases = " ".join(f"WHEN slot < {end} THEN {number}" for number, end in enumerate(ends))
    return f"CASE {cases} END"
