"""What a report looks like, and every report there is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from .reading import Cell
from .windows import Window

COUNTED = "visitors who consented to statistics"

Kind = Literal["text", "number", "share", "seconds", "change"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in JSON and CSV, its English heading, and what its cells are.

    ``text``; ``number``; ``share``, from 0 to 1; ``seconds``; ``change`` against the window before, 0.5 being half as much
    again.
    """

    id: str
    title: str
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class Report:
    """One table about one window of time. Counts only visitors who consented.

    A cell is a text, a number, ``"<5"`` where fewer visitors stand behind it, ``"12+"`` where it is 12 or more, or None
    where nothing is said. A row named ``"other"`` holds all that is not told apart; it comes last.
    """

    id: str
    title: str  # in English; a presentation may translate it by ``id``
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    window: Window
    state: Literal["open", "closed"]  # an open window has rows only where its parts have closed; see ``docs/reports.md``
    total: Cell  # of the first column that is a number
    consenting: float | None  # the share of decisions that granted statistics, from 0 to 1; None where it cannot be told
    min_cell: int
    until: str | None = None  # the moment (UTC) from which on events are not counted yet
    counted: str = COUNTED

    def as_dict(self) -> dict[str, Any]:
        """For JSON: rows as objects by the columns' ids."""
        names = [column.id for column in self.columns]
        rows = [dict(zip(names, row, strict=True)) for row in self.rows]
        columns = [dataclasses.asdict(column) for column in self.columns]
        own = {name: getattr(self, name) for name in ("id", "title", "state", "total", "consenting", "min_cell", "counted")}
        return own | {"window": str(self.window), "columns": columns, "rows": rows}


@dataclass(frozen=True, slots=True)
class Shape:
    """How a published table becomes a report: its title, the columns that name a row, and what is counted."""

    title: str
    names: tuple[Column, ...]
    counts: Column
    order: tuple[str, ...] = ()  # of rows whose order is not that of their size


def _names(*columns: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, title, "text") for name, title in columns)


_VISITS, _VIEWS, _TIMES = Column("visits", "Visits"), Column("views", "Views"), Column("times", "Times")
_PAGE = ("page", "Page")
_HOURS = tuple(f"{hour:02d}" for hour in range(24))
_NUMBERS = ("1", "2", "3", "4–5", "6–10", "11 or more")
_GAPS = ("the same day", "1 day", "2–6 days", "1 week", "2–4 weeks", "a month or more")

SHAPES = {
    "returning": Shape("New and repeat visits", _names(("visit", "Visit")), _VISITS, ("first", "repeat")),
    "visit_numbers": Shape("Visits by number", _names(("number", "Number of the visit")), _VISITS, _NUMBERS),
    "days_between": Shape("Days between visits", _names(("gap", "Since the visit before")), _VISITS, _GAPS),
    "pages": Shape("Pages", _names(_PAGE), _VIEWS),
    "entries": Shape("Entry pages", _names(_PAGE), _VISITS),
    "exits": Shape("Exit pages", _names(_PAGE), _VISITS),
    "movement": Shape("Movement", _names(("from", "From"), ("to", "To")), _VIEWS),
    "referrers": Shape("Referring sites", _names(("site", "Site")), _VISITS),
    "exit_links": Shape("Exit links", _names(("to", "To")), _TIMES),
    "clicks": Shape("Clicks", _names(_PAGE, ("on", "On")), _TIMES),
    "choices": Shape("Customisation", _names(("name", "Name"), ("value", "Value")), Column("choices", "Choices")),
    "changes": Shape("Changed choices", _names(("name", "Name")), Column("changes", "Changes")),
    "browsers": Shape("Browsers", _names(("browser", "Browser")), _VISITS),
    "platforms": Shape("Platforms", _names(("platform", "Platform")), _VISITS),
    "providers": Shape("Internet providers", _names(("provider", "Provider")), _VISITS),
    "hours": Shape("Busiest hours", _names(("hour", "Hour")), _VIEWS, _HOURS),
    "decisions_by_version": Shape(
        "Decisions by policy version",
        _names(("version", "Version"), ("decision", "Decision")),
        Column("decisions", "Decisions"),
    ),
    "decisions_by_locale": Shape(
        "Decisions by language", _names(("locale", "Language"), ("decision", "Decision")), Column("decisions", "Decisions")
    ),
}
TWO_NAMES = tuple(name for name, shape in SHAPES.items() if len(shape.names) == 2)
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

#: The columns of the only row of ``Reports.summary()``'s first table.
TOTALS = (
    Column("visitors", "Visitors"),
    Column("visits", "Visits"),
    Column("repeat_visits", "Repeat visits"),
    Column("repeat_visit_rate", "Repeat-visit rate", "share"),
    Column("page_views", "Page views"),
)

#: Every report there is, in the order in which they are shown.
NAMES = ("visits", *list(SHAPES)[:-2], "decisions", *list(SHAPES)[-2:])
