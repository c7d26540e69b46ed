"""Tables that a site declares: values of its own events, goals and funnels. Each counts visitors, once an interval.

Of a funnel, only the furthest step that a visitor reached in it is counted, so that each visitor is in one row. A goal is
a funnel of one step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from ..policy.parts import Declaration
from ..policy.report_parts import is_page


class OwnTable(NamedTuple):
    """A declared table: of the values of one property of an event, or of the furthest of some steps."""

    report: str  # "event_values", "goals" or "funnels"
    title: str
    event: str = ""
    value: str = ""  # the property of the event
    steps: tuple[str, ...] = ()  # pages, which begin with a slash, or names of events


#: By name, which has a colon. No other table's name has one.
OwnTables = Mapping[str, OwnTable]


def own_tables(policy: Declaration) -> OwnTables:
    """Return the tables that a policy declares. A changed goal or funnel is a new table."""
    tables = {
        f"value:{event.name}:{value}": OwnTable("event_values", event.name, event.name, value)
        for event in policy.events
        for value in event.values
    }
    for goal in policy.goals:
        table = OwnTable("goals", goal.name, steps=(goal.page or goal.event,))
        tables[f"goal:{_mark(table)}"] = table
    for funnel in policy.funnels:
        table = OwnTable("funnels", funnel.name, steps=funnel.steps)
        tables[f"funnel:{_mark(table)}"] = table
    return tables


def _mark(table: OwnTable) -> str:
    return hashlib.sha256("\n".join((table.title, *table.steps)).encode()).hexdigest()[:12]


class Step(NamedTuple):
    """A step as conditions on an event. A page may be a beginning: ``/animations/`` of ``/animations/*``."""

    is_page: bool
    text: str
    is_beginning: bool = False

    @classmethod
    def parse(cls, text: str) -> Step:
        """Parse a page, a page pattern with a final ``*``, or the name of an event."""
        return cls(is_page(text), text.removesuffix("*"), text.endswith("*"))

    def matches(self, text: str) -> bool:
        """Return whether a page or the name of an event is that of the step."""
        return text.startswith(self.text) if self.is_beginning else text == self.text
