"""Report definitions: the columns of each report, its title, and the published table behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .counts import WHOLE_DAY

COUNTED = "visitors who consented to statistics"

Kind = Literal["text", "number", "share", "seconds", "change"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in JSON and CSV, its English heading, and the kind of its cells.

    A ``share`` is from 0 to 1. A ``change`` is relative to the window before: 0.5 is 50 % more.
    """

    id: str
    title: str
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class ReportDefinition:
    """How a published table becomes a report: its title, the columns that name a row, and the column of the count."""

    title: str
    names: tuple[Column, ...]
    counts: Column
    order: tuple[str, ...] = ()  # the order of the rows, if it is not by size


def _names(*columns: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, title, "text") for name, title in columns)


_VISITS, _VIEWS, _TIMES = Column("visits", "Visits"), Column("views", "Views"), Column("times", "Times")
_VISITORS = Column("visitors", "Daily visitors")  # each visitor counts once a day
_PAGE = ("page", "Page")
_HOURS = tuple(f"{hour:02d}" for hour in range(24))
_NUMBERS = ("1", "2", "3", "4–5", "6–10", "11 or more")
_GAPS = ("the same day", "1 day", "2–6 days", "1 week", "2–4 weeks", "a month or more")

DEFINITIONS = {
    "returning": ReportDefinition("New and repeat visits", _names(("visit", "Visit")), _VISITS, ("first", "repeat")),
    "visit_numbers": ReportDefinition("Visits by number", _names(("number", "Number of the visit")), _VISITS, _NUMBERS),
    "days_between": ReportDefinition("Days between visits", _names(("gap", "Since the visit before")), _VISITS, _GAPS),
    "pages": ReportDefinition("Pages", _names(_PAGE), _VIEWS),
    "entries": ReportDefinition("Entry pages", _names(_PAGE), _VISITS),
    "exits": ReportDefinition("Exit pages", _names(_PAGE), _VISITS),
    "movement": ReportDefinition("Movement", _names(("from", "From"), ("to", "To")), _VIEWS),
    "referrers": ReportDefinition("Referring sites", _names(("site", "Site")), _VISITS),
    "exit_links": ReportDefinition("Exit links", _names(("to", "To")), _TIMES),
    "clicks": ReportDefinition("Clicks", _names(_PAGE, ("on", "On")), _TIMES),
    "events": ReportDefinition("Own events", _names(("event", "Event")), _TIMES),
    "event_values": ReportDefinition("Values of own events", _names(("event", "Event"), ("value", "Value")), _VISITORS),
    "goals": ReportDefinition("Goals", _names(("goal", "Goal")), _VISITORS),
    "funnels": ReportDefinition("Funnels", _names(("funnel", "Funnel"), ("step", "Step")), _VISITORS),
    "choices": ReportDefinition("Customisation", _names(("name", "Name"), ("value", "Value")), Column("choices", "Choices")),
    "changes": ReportDefinition("Changed choices", _names(("name", "Name")), Column("changes", "Changes")),
    "browsers": ReportDefinition("Browsers", _names(("browser", "Browser")), _VISITS),
    "platforms": ReportDefinition("Platforms", _names(("platform", "Platform")), _VISITS),
    "providers": ReportDefinition("Internet providers", _names(("provider", "Provider")), _VISITS),
    "hours": ReportDefinition("Busiest hours", _names(("hour", "Hour")), _VIEWS, _HOURS),
    "decisions_by_version": ReportDefinition(
        "Decisions by policy version",
        _names(("version", "Version"), ("decision", "Decision")),
        Column("decisions", "Decisions"),
    ),
    "decisions_by_locale": ReportDefinition(
        "Decisions by language", _names(("locale", "Language"), ("decision", "Decision")), Column("decisions", "Decisions")
    ),
}
#: The reports of tables that the site declares.
OWN = ("event_values", "goals", "funnels")

TWO_NAMES = tuple(name for name, definition in DEFINITIONS.items() if len(definition.names) == 2)
SERIES = {
    "visits": (
        "Visits over time",
        (Column("visits", "Visits"), Column("visitors", "Visitors"), Column("views", "Page views")),
    ),
    "decisions": (
        "Decisions over time",
        (Column("granted", "Granted"), Column("refused", "Refused"), Column("withdrawn", "Withdrawn")),
    ),
}

#: The columns of the totals, the first table of ``Reports.summary()``.
TOTALS = (
    Column("visitors", "Visitors"),
    Column("visits", "Visits"),
    Column("repeat_visits", "Repeat visits"),
    Column("repeat_visit_rate", "Repeat-visit rate", "share"),
    Column("page_views", "Page views"),
)

#: The names of all reports, in the order of the page.
NAMES = ("visits", *list(DEFINITIONS)[:-2], "decisions", *list(DEFINITIONS)[-2:])

#: The reports that need the events or decisions of a whole day.
AT_END_OF_DAY = (*WHOLE_DAY, "decisions", "decisions_by_version", "decisions_by_locale")
