"""The statements that count the tables which a site declares: values of its own events, goals and funnels."""

# ruff: noqa: S608 — statements have only numbers, our own names, and texts that a dialect quotes

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tracking.events import KINDS
from ..tracking.row_names import BEGIN, UNKNOWN, mark
from .own_tables import OwnTable, Step

if TYPE_CHECKING:
    from .statements import Dialect

OWN_EVENTS = "kind NOT IN (" + ", ".join(f"'{kind}'" for kind in KINDS) + ")"


class OwnStatements:
    """The statements for some intervals in one dialect."""

    def __init__(self, events: str, dialect: Dialect, within: str, span: str) -> None:
        """``within`` is the condition of the intervals, and ``span`` an expression that differs between them."""
        self._events = events
        self._dialect = dialect
        self._within = within
        self._span = span

    def groups(self, table: OwnTable) -> str:
        """Return the statement of a table's rows and the visitors behind each. ``n`` is the number of intervals."""
        found = self._values(table) if table.event else self._furthest(table)
        return f"SELECT row_name, visitor, count(*) AS n, 0 AS a FROM ({found}) AS found GROUP BY row_name, visitor"

    def _values(self, table: OwnTable) -> str:
        quote, part = self._dialect.quote, self._dialect.part
        rest = part.format(text="properties", separator=quote(mark(table.value)), number=2)
        value = part.format(text=rest, separator=quote(BEGIN), number=1)
        row = f"CASE WHEN {value} = '' THEN {quote(UNKNOWN)} ELSE {value} END"
        chosen = f"kind = {quote(table.event)} AND {OWN_EVENTS} AND {self._within}"
        columns = f"{self._span} AS span, visitor, {row} AS row_name"
        return f"SELECT {columns} FROM {self._events} WHERE {chosen} GROUP BY span, visitor, row_name"

    def _furthest(self, table: OwnTable) -> str:
        """Return the furthest step of each visitor and interval."""
        reached, parts = "", []
        for number, step in enumerate(table.steps, 1):
            reached = self._reached(Step.parse(step), reached)
            parts.append(f"SELECT span, visitor, '{number}' AS step FROM ({reached}) AS reached_{number}")
        every = " UNION ALL ".join(parts)
        return f"SELECT span, visitor, max(step) AS row_name FROM ({every}) AS steps GROUP BY span, visitor"

    def _reached(self, step: Step, before: str) -> str:
        """Return when each visitor first reached a step, not before the moment at which they reached the step before it."""
        found = f"SELECT {self._span} AS span, visitor, happened FROM {self._events} WHERE {self._is_step(step)}"
        if not before:
            return f"SELECT span, visitor, min(happened) AS reached FROM ({found}) AS found GROUP BY span, visitor"
        earlier = f"SELECT span, visitor, reached AS earlier FROM ({before}) AS reached_before"
        joined = f"({found}) AS found INNER JOIN ({earlier}) AS before_it USING (span, visitor)"
        columns = "span, visitor, min(happened) AS reached"
        return f"SELECT {columns} FROM {joined} WHERE happened >= earlier GROUP BY span, visitor"

    def _is_step(self, step: Step) -> str:
        column = "page_row" if step.is_page else "kind"
        text = self._dialect.quote(step.text)
        chosen = f"{column} = {text}"
        if step.is_beginning:
            chosen = self._dialect.starts.format(text=column, beginning=text)
        kind = "kind = 'page_view'" if step.is_page else OWN_EVENTS
        return f"{kind} AND {chosen} AND {self._within}"
